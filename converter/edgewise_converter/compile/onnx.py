"""Writes a deployed graph as an ONNX model: NCHW, as torch's own exporter lays it out.

Opset 14 and IR version 7 are old on purpose: every ONNX Runtime since 1.8 reads them, and nothing
here needs more (14 brought HardSwish).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

if TYPE_CHECKING:
    from collections.abc import Iterable

    from edgewise_converter.compile.graph import Array, Graph, Node

_OPSET, _IR_VERSION = 14, 7


def onnx_model(graph: Graph, *, name: str = "network") -> bytes:
    """Serialise `graph`: `image` (1, C, H, W) to `logits` (1, classes), both float32."""
    nodes: list[Any] = []
    constants: list[Any] = []
    for node in graph.nodes:
        names = [f"{node.output}.{index}" for index in range(len(node.weights))]
        constants.extend(_constants(node, names))
        nodes.extend(_nodes(node, names))
    if graph.constant is not None:
        constants.append(numpy_helper.from_array(graph.constant[None], "answer"))
        nodes.append(helper.make_node("Identity", ["answer"], [graph.output]))
    model = helper.make_model(
        helper.make_graph(
            nodes,
            name,
            [_info(graph.input, graph.input_shape)],
            [_info(graph.output, graph.output_shape)],
            constants,
        ),
        opset_imports=[helper.make_opsetid("", _OPSET)],
        ir_version=_IR_VERSION,
        producer_name="edgewise",
    )
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


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
        case "hard_swish":
            yield helper.make_node("HardSwish", inputs, outputs)
        case "hard_sigmoid":
            yield helper.make_node("HardSigmoid", inputs, outputs, alpha=1 / 6, beta=0.5)
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
