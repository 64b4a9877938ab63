"""Writes a quantised embedder as an ONNX model: uint8 pixels in, float32 embeddings out.

Integers stand between pairs of QuantizeLinear and DequantizeLinear, which ONNX Runtime joins with
the operators between them into integer kernels. Activations are uint8, which is what its kernels on
x86 take; the numbers are those of the TFLite model, 128 higher.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from edgewise_converter.compile.embedder_graph import STANDARDISED
from edgewise_converter.compile.graph import Node
from edgewise_converter.compile.onnx import IR_VERSION, OPSET, float_nodes
from edgewise_converter.compile.quantise import Grid, QuantisedGraph

_UNSIGNED = 128


class _Writer:
    """Collects nodes and constants; `found` is where each value of the graph now is, as float."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def constant(self, array: Any, name: str) -> str:
        self.constants.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def node(self, op: str, inputs: list[str], output: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(op, inputs, [output], **attributes))
        return output

    def grid(self, name: str, grid: Grid) -> list[str]:
        scale = self.constant(np.float32(grid.scale), f"{name}.scale")
        return [scale, self.constant(np.uint8(grid.zero + _UNSIGNED), f"{name}.zero")]


def int8_onnx_model(quantised: QuantisedGraph) -> bytes:
    """Serialise it: `image` (1, H, W, 3) uint8 to `embedding` (1, dim) float32."""
    graph, writer = quantised.graph, _Writer()
    first = writer.node("Transpose", [graph.input], f"{STANDARDISED}.whole", perm=[0, 3, 1, 2])
    grid = writer.grid(STANDARDISED, quantised.grids[STANDARDISED])
    writer.node("DequantizeLinear", [first, *grid], STANDARDISED)
    for node in quantised.integer:
        _integer(writer, node, quantised)
    for node in quantised.finish:
        writer.nodes.extend(float_nodes(node, writer.constants))
    channels, height, width = graph.input_shape
    image = helper.make_tensor_value_info(
        graph.input, TensorProto.UINT8, (1, height, width, channels)
    )
    answer = helper.make_tensor_value_info(
        graph.output, TensorProto.FLOAT, (1, *graph.output_shape)
    )
    model = helper.make_model(
        helper.make_graph(writer.nodes, "embedder", [image], [answer], writer.constants),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="edgewise",
    )
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def _integer(writer: _Writer, node: Node, quantised: QuantisedGraph) -> None:
    exact, name = f"{node.output}.exact", node.output
    inputs = list(node.inputs)
    if node.op == "conv":
        inputs.extend(_weights(writer, node, quantised))
        window = {"kernel_shape": [node.kernel] * 2, "strides": [node.stride] * 2}
        writer.node("Conv", inputs, exact, pads=[node.padding] * 4, **window)
    elif node.op == "add":
        writer.node("Add", inputs, exact)
    else:
        writer.node("ReduceMean", inputs, exact, axes=[2, 3], keepdims=0)
    if node.relu:
        exact = writer.node("Relu", [exact], f"{name}.positive")
    grid = writer.grid(name, quantised.grids[name])
    whole = writer.node("QuantizeLinear", [exact, *grid], f"{name}.whole")
    writer.node("DequantizeLinear", [whole, *grid], name)


def _weights(writer: _Writer, node: Node, quantised: QuantisedGraph) -> Iterator[str]:
    found = quantised.weights[node.output]
    zeros = np.zeros(len(found.scales))
    for part, array, scales in (
        ("weight", found.weight, found.scales),
        ("bias", found.bias, found.bias_scales),
    ):
        name = f"{node.output}.{part}"
        stored = [
            writer.constant(array, f"{name}.whole"),
            writer.constant(scales, f"{name}.scale"),
            writer.constant(zeros.astype(array.dtype), f"{name}.zero"),
        ]
        yield writer.node("DequantizeLinear", stored, name, axis=0)
