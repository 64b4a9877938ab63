"""Writes a deployed graph as an ONNX model: NCHW, as torch's own exporter lays it out.

Opset 14 and IR version 7 are old on purpose: every ONNX Runtime since 1.8 reads them, and nothing
here needs more (14 brought HardSwish).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from edgewise_converter.compile.graph import is_halved

if TYPE_CHECKING:
    from collections.abc import Iterable

    from edgewise_converter.compile.graph import Array, Graph, Node

OPSET, IR_VERSION = 14, 7


def onnx_model(
    graph: Graph, *, name: str = "network", half: bool = False, channels_last: bool = False
) -> bytes:
    """Serialise `graph`: its input (1, C, H, W) to its output (1, N), both float32.

    Args:
        graph: to write.
        name: of the graph in the file.
        half: store weights as float16; runtimes widen them once, when they load the file.
        channels_last: take the input as (1, H, W, C).
    """
    nodes: list[Any] = []
    constants: list[Any] = []
    source, shape = graph.input, graph.input_shape
    if channels_last:
        shape = (*shape[1:], shape[0])
        first = f"{source}.first"
        nodes.append(helper.make_node("Transpose", [source], [first], perm=[0, 3, 1, 2]))
        graph = _read_from(graph, first)
    for node in graph.nodes:
        nodes.extend(float_nodes(node, constants))
    if graph.constant is not None:
        constants.append(numpy_helper.from_array(graph.constant[None], "answer"))
        nodes.append(helper.make_node("Identity", ["answer"], [graph.output]))
    if half:
        nodes[:0], constants = _narrowed(constants)
    model = helper.make_model(
        helper.make_graph(
            nodes,
            name,
            [_info(source, shape)],
            [_info(graph.output, graph.output_shape)],
            constants,
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="edgewise",
    )
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def _read_from(graph: Graph, source: str) -> Graph:
    """The graph with another name for the input, where it is read."""
    nodes = [
        replace(n, inputs=tuple(source if name == graph.input else name for name in n.inputs))
        for n in graph.nodes
    ]
    return replace(graph, nodes=tuple(nodes))


def float_nodes(node: Node, constants: list[Any]) -> Iterable[Any]:
    """The ONNX nodes of one operation; its constants are appended to `constants`."""
    names = [f"{node.output}.{index}" for index in range(len(node.weights))]
    constants.extend(_constants(node, names))
    return _nodes(node, names)


def _narrowed(constants: list[Any]) -> tuple[list[Any], list[Any]]:
    """Constants with the larger ones in float16, and the nodes that widen those."""
    nodes, kept = [], []
    for constant in constants:
        array = numpy_helper.to_array(constant)
        if is_halved(array):
            narrow = f"{constant.name}.half"
            nodes.append(helper.make_node("Cast", [narrow], [constant.name], to=TensorProto.FLOAT))
            constant = numpy_helper.from_array(array.astype(np.float16), narrow)
        kept.append(constant)
    return nodes, kept


def _info(name: str, shape: tuple[int, ...]) -> Any:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, (1, *shape))


def _constants(node: Node, names: list[str]) -> Iterable[Any]:
    if node.op == "channel_shuffle":
        channels, *sides = node.shape
        dealt = (1, node.groups, channels // node.groups, *sides)
        yield numpy_helper.from_array(np.array(dealt, np.int64), f"{node.output}.dealt")
        yield numpy_helper.from_array(np.array((1, *node.shape), np.int64), f"{node.output}.shape")
    for name, array in zip(names, node.weights, strict=True):
        shaped: Array = array
        if node.op == "scale":
            shaped = array.reshape(1, -1, *([1] * (len(node.shape) - 1)))
        elif node.op == "add_constant":
            shaped = array[np.newaxis]
        yield numpy_helper.from_array(shaped, name)


def _nodes(node: Node, weights: list[str]) -> Iterable[Any]:
    """One ONNX node for each operation, but two for ``scale`` and three for a shuffle."""
    inputs, outputs = list(node.inputs), [node.output]
    window: dict[str, Any] = {
        "kernel_shape": [node.kernel] * 2,
        "strides": [node.stride] * 2,
        "pads": [node.padding] * 4,
    }
    match node.op:
        case "conv":
            yield helper.make_node("Conv", inputs + weights, outputs, group=node.groups, **window)
        case "avg_pool":
            yield helper.make_node("AveragePool", inputs, outputs, count_include_pad=0, **window)
        case "max_pool":
            yield helper.make_node("MaxPool", inputs, outputs, **window)
        case "relu":
            yield helper.make_node("Relu", inputs, outputs)
        case "sqrt":
            yield helper.make_node("Sqrt", inputs, outputs)
        case "hard_swish":
            yield helper.make_node("HardSwish", inputs, outputs)
        case "hard_sigmoid":
            yield helper.make_node("HardSigmoid", inputs, outputs, alpha=1 / 6, beta=0.5)
        case "sigmoid":
            yield helper.make_node("Sigmoid", inputs, outputs)
        case "unit":
            yield helper.make_node("LpNormalization", inputs, outputs, axis=1, p=2)
        case "mul":
            yield helper.make_node("Mul", inputs, outputs)
        case "concat":
            yield helper.make_node("Concat", inputs, outputs, axis=1)
        case "flatten":
            yield helper.make_node("Flatten", inputs, outputs)
        case "channel_shuffle":
            yield from _shuffle(node)
        case "add" | "add_constant":
            yield helper.make_node("Add", inputs + weights, outputs)
        case "scale":
            scaled = f"{node.output}.scaled"
            yield helper.make_node("Mul", [*inputs, weights[0]], [scaled])
            yield helper.make_node("Add", [scaled, weights[1]], outputs)
        case "mean":
            keep = int(len(node.shape) == 3)
            yield helper.make_node("ReduceMean", inputs, outputs, axes=[2, 3], keepdims=keep)
        case "linear":
            yield helper.make_node("Gemm", inputs + weights, outputs, transB=1)
        case _:
            raise AssertionError(f"no ONNX form of {node.op}")


def _shuffle(node: Node) -> Iterable[Any]:
    """Channels as (groups, C / groups), transposed, and flat again."""
    dealt, turned = f"{node.output}.dealt", f"{node.output}.turned"
    yield helper.make_node("Reshape", [*node.inputs, dealt], [f"{dealt}.value"])
    yield helper.make_node("Transpose", [f"{dealt}.value"], [turned], perm=[0, 2, 1, 3, 4])
    yield helper.make_node("Reshape", [turned, f"{node.output}.shape"], [node.output])
