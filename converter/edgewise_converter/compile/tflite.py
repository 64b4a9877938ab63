"""Writes a deployed graph as a TFLite model: NHWC, ReLU fused into the operation before it.

Operators are of the first version that does what is needed, so that old interpreters
(tflite-runtime 2.14) run the files too.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgewise_converter.compile.tflite_writer import TfliteWriter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgewise_converter.compile.graph import Graph, Node

_ELEMENTWISE = {
    "relu": "RELU",
    "hard_swish": "HARD_SWISH",
    "sigmoid": "LOGISTIC",
    "sqrt": "SQRT",
}
_FUSING = ("conv", "linear", "add", "add_constant", "scale")
#: The first version of CONV_2D that knows groups.
_GROUPED_CONV = 6


def tflite_model(graph: Graph, *, half: bool = False) -> bytes:
    """Serialise `graph`: its input (1, H, W, C) to its output (1, N), both float32.

    With `half`, weights are stored as float16.
    """
    writer = TfliteWriter(half=half)
    writer.value(graph.input, _channels_last(graph.input_shape))
    for node in fuse_relu(graph.nodes):
        write_node(writer, node)
    if graph.constant is not None:
        writer.constant(graph.constant[np.newaxis], graph.output)
    return writer.finish(graph.input, graph.output)


def write_node(writer: TfliteWriter, node: Node) -> None:
    """Write one operation, on values that were written before."""
    _OPERATORS[node.op](writer, node)


def fuse_relu(nodes: Sequence[Node]) -> list[Node]:
    """Join each ReLU to the operation before it, where that can hold one and nothing else reads it.

    Returns:
        The nodes that stay, `relu` set where one was joined.
    """
    readers = Counter(name for node in nodes for name in node.inputs)
    kept: list[Node] = []
    places: dict[str, int] = {}
    for node in nodes:
        place = places.get(node.inputs[0]) if node.op == "relu" else None
        if place is not None and readers[node.inputs[0]] == 1:
            kept[place] = replace(kept[place], output=node.output, relu=True)
            continue
        if node.op in _FUSING:
            places[node.output] = len(kept)
        kept.append(node)
    return kept


def _channels_last(shape: tuple[int, ...]) -> tuple[int, ...]:
    return (*shape[1:], shape[0])


def _activation(node: Node) -> int:
    kinds = schema.ActivationFunctionType
    return int(kinds.RELU if node.relu else kinds.NONE)


def _conv(writer: TfliteWriter, node: Node) -> None:
    source, padding = _padded(writer, node)
    weight, bias = node.weights
    fields: dict[str, Any] = {
        "padding": padding,
        "strideW": node.stride,
        "strideH": node.stride,
        "dilationWFactor": 1,
        "dilationHFactor": 1,
        "fusedActivationFunction": _activation(node),
    }
    if node.depthwise:
        # (O, 1, K, K) in torch, (1, K, K, O) in TFLite.
        code, order, options = "DEPTHWISE_CONV_2D", (1, 2, 3, 0), schema.DepthwiseConv2DOptionsT()
        fields["depthMultiplier"] = len(bias) // node.groups
    else:
        # (O, I, K, K) in torch, (O, K, K, I) in TFLite.
        code, order, options = "CONV_2D", (0, 2, 3, 1), schema.Conv2DOptionsT()
        fields["version"] = 1 if node.groups == 1 else _GROUPED_CONV
    stored = np.ascontiguousarray(weight.transpose(order))
    writer.operator(
        code,
        [
            source,
            writer.constant(stored, f"{node.output}.0"),
            writer.constant(bias, f"{node.output}.1"),
        ],
        writer.value(node.output, _channels_last(node.shape)),
        options,
        **fields,
    )


def _padded(writer: TfliteWriter, node: Node) -> tuple[str, int]:
    """The source of a window with its padding.

    ``SAME`` puts an odd row at the end, torch all rows on both sides. Where they differ, the
    padding becomes an operator of its own, as every converter from torch writes it.
    """
    source = node.inputs[0]
    height, width, channels = writer.shape(source)
    if node.padding == 0:
        return source, int(schema.Padding.VALID)
    if all(_padded_alike(node, side) for side in (height, width)):
        return source, int(schema.Padding.SAME)
    padded = f"{node.output}.padded"
    amounts = np.array([[0, 0], [node.padding] * 2, [node.padding] * 2, [0, 0]], np.int32)
    sides = (height + 2 * node.padding, width + 2 * node.padding, channels)
    writer.operator(
        "PAD",
        [source, writer.constant(amounts, f"{padded}.0")],
        writer.value(padded, sides),
        schema.PadOptionsT(),
    )
    return padded, int(schema.Padding.VALID)


def _padded_alike(node: Node, side: int) -> bool:
    """Whether ``SAME`` pads a `side` just as `node` asks for."""
    outputs = -(-side // node.stride)
    return (outputs - 1) * node.stride + node.kernel - side == 2 * node.padding


def _pool(writer: TfliteWriter, node: Node) -> None:
    same = bool(node.padding)
    if same and (node.stride != 1 or node.kernel != 2 * node.padding + 1):
        raise AssertionError("a padded pooling keeps its size")
    writer.operator(
        "AVERAGE_POOL_2D" if node.op == "avg_pool" else "MAX_POOL_2D",
        node.inputs,
        writer.value(node.output, _channels_last(node.shape)),
        schema.Pool2DOptionsT(),
        padding=schema.Padding.SAME if same else schema.Padding.VALID,
        strideW=node.stride,
        strideH=node.stride,
        filterWidth=node.kernel,
        filterHeight=node.kernel,
    )


def _elementwise(writer: TfliteWriter, node: Node) -> None:
    code = _ELEMENTWISE[node.op]
    writer.operator(code, node.inputs, writer.value(node.output, _channels_last(node.shape)))


def _unit(writer: TfliteWriter, node: Node) -> None:
    value = writer.value(node.output, node.shape)
    writer.operator("L2_NORMALIZATION", node.inputs, value, schema.L2NormOptionsT())


def _hard_sigmoid(writer: TfliteWriter, node: Node) -> None:
    """min(max(x + 3, 0), 6) / 6, as converters write what has no operator of its own."""
    shape, capped = _channels_last(node.shape), f"{node.output}.capped"
    three = writer.constant(np.array(3, np.float32), f"{node.output}.0")
    writer.operator(
        "ADD",
        [*node.inputs, three],
        writer.value(capped, shape),
        schema.AddOptionsT(),
        fusedActivationFunction=schema.ActivationFunctionType.RELU6,
    )
    sixth = writer.constant(np.array(1 / 6, np.float32), f"{node.output}.1")
    writer.operator("MUL", [capped, sixth], writer.value(node.output, shape), schema.MulOptionsT())


def _mul(writer: TfliteWriter, node: Node) -> None:
    value = writer.value(node.output, _channels_last(node.shape))
    writer.operator("MUL", node.inputs, value, schema.MulOptionsT())


def _concat(writer: TfliteWriter, node: Node) -> None:
    value = writer.value(node.output, _channels_last(node.shape))
    writer.operator("CONCATENATION", node.inputs, value, schema.ConcatenationOptionsT(), axis=3)


def _channel_shuffle(writer: TfliteWriter, node: Node) -> None:
    """Channels as (groups, C / groups), transposed, and flat again."""
    channels, height, width = node.shape
    dealt, turned = f"{node.output}.dealt", f"{node.output}.turned"
    sizes = (node.groups, channels // node.groups)
    # The batch of one is left out: the first version of TRANSPOSE knows four dimensions.
    _reshape(writer, node.inputs[0], dealt, (height, width, *sizes))
    _transpose(writer, dealt, turned, (height, width, *sizes[::-1]), (0, 1, 3, 2))
    _reshape(writer, turned, node.output, (1, height, width, channels))


def _flatten(writer: TfliteWriter, node: Node) -> None:
    """In torch's order, channel by channel."""
    source = node.inputs[0]
    height, width, channels = writer.shape(source)
    if (height, width) != (1, 1):
        turned = f"{node.output}.turned"
        _transpose(writer, source, turned, (1, channels, height, width), (0, 3, 1, 2))
        source = turned
    _reshape(writer, source, node.output, (1, *node.shape))


def _transpose(
    writer: TfliteWriter, source: str, output: str, shape: tuple[int, ...], order: tuple[int, ...]
) -> None:
    axes = writer.constant(np.array(order, np.int32), f"{output}.0")
    value = writer.computed(output, shape)
    writer.operator("TRANSPOSE", [source, axes], value, schema.TransposeOptionsT())


def _reshape(writer: TfliteWriter, source: str, output: str, shape: tuple[int, ...]) -> None:
    sizes = writer.constant(np.array(shape, np.int32), f"{output}.0")
    value = writer.computed(output, shape)
    writer.operator(
        "RESHAPE", [source, sizes], value, schema.ReshapeOptionsT(), newShape=list(shape)
    )


def _add(writer: TfliteWriter, node: Node) -> None:
    inputs: list[str | int] = list(node.inputs)
    if node.op == "add_constant":
        array = np.ascontiguousarray(np.moveaxis(node.weights[0], 0, -1))[np.newaxis]
        inputs.append(writer.constant(array, f"{node.output}.0"))
    writer.operator(
        "ADD",
        inputs,
        writer.value(node.output, _channels_last(node.shape)),
        schema.AddOptionsT(),
        fusedActivationFunction=_activation(node),
    )


def _scale(writer: TfliteWriter, node: Node) -> None:
    shape = _channels_last(node.shape)
    scaled = f"{node.output}.scaled"
    scale = writer.constant(node.weights[0], f"{node.output}.0")
    writer.operator("MUL", [*node.inputs, scale], writer.value(scaled, shape), schema.MulOptionsT())
    shift = writer.constant(node.weights[1], f"{node.output}.1")
    writer.operator(
        "ADD",
        [scaled, shift],
        writer.value(node.output, shape),
        schema.AddOptionsT(),
        fusedActivationFunction=_activation(node),
    )


def _mean(writer: TfliteWriter, node: Node) -> None:
    axes = writer.constant(np.array([1, 2], np.int32), f"{node.output}.0")
    value = writer.value(node.output, _channels_last(node.shape))
    keep = len(node.shape) == 3
    writer.operator("MEAN", [*node.inputs, axes], value, schema.ReducerOptionsT(), keepDims=keep)


def _linear(writer: TfliteWriter, node: Node) -> None:
    weights = [
        writer.constant(array, f"{node.output}.{index}") for index, array in enumerate(node.weights)
    ]
    writer.operator(
        "FULLY_CONNECTED",
        [*node.inputs, *weights],
        writer.value(node.output, node.shape),
        schema.FullyConnectedOptionsT(),
        fusedActivationFunction=_activation(node),
    )


_OPERATORS = {
    "conv": _conv,
    "avg_pool": _pool,
    "max_pool": _pool,
    "relu": _elementwise,
    "hard_swish": _elementwise,
    "sqrt": _elementwise,
    "sigmoid": _elementwise,
    "unit": _unit,
    "hard_sigmoid": _hard_sigmoid,
    "mul": _mul,
    "concat": _concat,
    "channel_shuffle": _channel_shuffle,
    "flatten": _flatten,
    "add": _add,
    "add_constant": _add,
    "scale": _scale,
    "mean": _mean,
    "linear": _linear,
}
