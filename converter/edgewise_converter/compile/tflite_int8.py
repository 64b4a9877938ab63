"""Writes a quantised embedder as a TFLite model: uint8 pixels in, float32 embeddings out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from edgewise_converter.compile.embedder_graph import STANDARDISED
from edgewise_converter.compile.graph import Node
from edgewise_converter.compile.quantise import Grid, QuantisedGraph
from edgewise_converter.compile.tflite import write_node
from edgewise_converter.compile.tflite_writer import TfliteWriter

#: The first version of each operator that computes in int8 as needed here.
_VERSIONS = {"CONV_2D": 3, "ADD": 2, "MEAN": 2, "QUANTIZE": 2, "DEQUANTIZE": 2}
_UNSIGNED = 128  # what a uint8 number is ahead of the int8 number of the same meaning


def int8_tflite_model(quantised: QuantisedGraph) -> bytes:
    """Serialise it: `image` (1, H, W, 3) uint8 to `embedding` (1, dim) float32."""
    graph = quantised.graph
    writer = TfliteWriter(versions=_VERSIONS)
    channels, height, width = graph.input_shape
    shape = (1, height, width, channels)
    grid = quantised.grids[STANDARDISED]
    pixels = writer.computed(graph.input, shape)
    unsigned = Grid(grid.scale, grid.zero + _UNSIGNED)
    writer.quantised(pixels, np.array([unsigned.scale]), unsigned.zero, "UINT8")
    writer.operator("QUANTIZE", [pixels], writer.computed(STANDARDISED, shape))
    _mark(writer, STANDARDISED, grid)
    for node in quantised.integer:
        _integer(writer, node, quantised)
    last = quantised.integer[-1].output
    writer.operator("DEQUANTIZE", [last], writer.value(f"{last}.float", graph.output_shape))
    for node in quantised.finish:
        inputs = tuple(f"{last}.float" if name == last else name for name in node.inputs)
        write_node(writer, replace(node, inputs=inputs))
    return writer.finish(graph.input, graph.output)


def _integer(writer: TfliteWriter, node: Node, quantised: QuantisedGraph) -> None:
    """As a float model has it, with integers for weights and grids for values."""
    if node.op == "conv":
        weights = quantised.weights[node.output]
        stored_as: Any = (weights.weight, weights.bias)
        write_node(writer, replace(node, weights=stored_as))
        stored, bias = (writer.index(f"{node.output}.{at}") for at in range(2))
        writer.quantised(stored, weights.scales, 0, "INT8")
        writer.quantised(bias, weights.bias_scales, 0, "INT32")
    else:
        write_node(writer, node)
    _mark(writer, node.output, quantised.grids[node.output])
    padded = f"{node.output}.padded"
    if padded in writer:
        _mark(writer, padded, quantised.grids[node.inputs[0]])


def _mark(writer: TfliteWriter, name: str, grid: Grid) -> None:
    writer.quantised(writer.index(name), np.array([grid.scale]), grid.zero, "INT8")
