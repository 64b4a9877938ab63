"""A network of a zoo as a device gets it: 8-bit weights, and the files that they are put into."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from edgewise.pattern import ORDERS
from edgewise.retrieval.models import Hole, Layers, make_skeleton
from edgewise_converter.compile.graph import Array, Graph, Node
from edgewise_converter.compile.lowering import deployed_graph
from edgewise_converter.compile.onnx import onnx_model
from edgewise_converter.compile.tflite import tflite_model
from edgewise_converter.retrieval.deployed import DeployedFeatures
from edgewise_converter.spaces.mobile import Classifier

_LEVELS = 127
_MARK = 0x3F800000  # bits of 1.0: what follows are normal numbers, each another one


def features_graph(network: Classifier, side: int) -> Graph:
    """Lower a classifier's features: pixels (3, side, side), 0 to 255, to (D,); norms folded."""
    return deployed_graph(DeployedFeatures(network), (3, side, side))


def quantised_layers(graph: Graph) -> Layers:
    """The weights of its convolutions and linear layers, with a scale for each output channel."""
    shapes, weights, scales, biases = [], [], [], []
    for node in _layers(graph):
        weight, bias = node.weights
        outputs, inputs, *window = weight.shape
        shapes.append((outputs, inputs, math.prod(window)))
        rows = weight.reshape(outputs, -1)
        most = np.abs(rows).max(1)
        scale = np.where(most > 0, most / _LEVELS, 1).astype(np.float32)
        scales.append(scale)
        weights.append(np.round(rows / scale[:, None]).astype(np.int8).ravel())
        biases.append(bias)
    return Layers(
        np.array(shapes, np.uint32),
        np.concatenate(weights),
        np.concatenate(scales),
        np.concatenate(biases),
    )


def with_arrays(graph: Graph, arrays: list[Array]) -> Graph:
    """The graph with other weights and biases, in turns, in the order of its layers."""
    given = iter(arrays)

    def filled(node: Node) -> Node:
        if not _is_layer(node):
            return node
        shaped = tuple(next(given).reshape(own.shape) for own in node.weights)
        return replace(node, weights=shaped)

    return replace(graph, nodes=tuple(filled(node) for node in graph.nodes))


def skeletons(graph: Graph) -> dict[str, bytes]:
    """Model files without weights, by format; the same for graphs that differ in weights alone."""
    marks, count = [], 0
    for node in _layers(graph):
        for array in node.weights:
            numbers = np.arange(_MARK + count, _MARK + count + array.size, dtype=np.uint32)
            marks.append(numbers.view(np.float32).reshape(array.shape))
            count += array.size
    marked = with_arrays(graph, marks)
    files = {"tflite": tflite_model(marked), "onnx": onnx_model(marked, channels_last=True)}
    return {form: make_skeleton(file, _holes(marked, file, form)) for form, file in files.items()}


def _holes(graph: Graph, file: bytes, form: str) -> list[tuple[Hole, int]]:
    """Where each array lies in a file of marked weights, and its bytes; ascending."""
    found = []
    for layer, node in enumerate(_layers(graph)):
        for part, array in enumerate(node.weights):
            order = _order(node) if form == "tflite" and part == 0 else 0
            three = array.reshape(*array.shape[:2], -1) if part == 0 else array.reshape(-1, 1, 1)
            content = three.transpose(ORDERS[order]).tobytes()
            offset = file.find(content)
            if offset < 0:
                raise AssertionError(f"the {form} file does not hold the weights of {node.output}")
            found.append((Hole(offset, 2 * layer + part, order), len(content)))
    return sorted(found)


def _order(node: Node) -> int:
    if node.op == "linear":
        return 0
    return 2 if node.depthwise else 1


def _layers(graph: Graph) -> Iterator[Node]:
    return (node for node in graph.nodes if _is_layer(node))


def _is_layer(node: Node) -> bool:
    return node.op in ("conv", "linear")
