"""Writes a deployed graph as a TFLite model: NHWC, ReLU fused into the operation before it.

The flatbuffer is written through the schema that the LiteRT package publishes. Only the first
version of each operator is used, so that old interpreters (tflite-runtime 2.14) run the files too.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import flatbuffers  # type: ignore[import-untyped]
import numpy as np
from ai_edge_litert import schema_py_generated as schema

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edgewise_converter.compile.graph import Graph, Node

_IDENTIFIER = b"TFL3"
_SCHEMA_VERSION = 3
#: Kernels read weights with vector loads: the schema asks for this alignment of every buffer, in
#: bytes.
_ALIGNMENT = 16
_FUSING = ("conv", "add", "add_constant", "scale")


def tflite_model(graph: Graph) -> bytes:
    """Serialise `graph`: `image` (1, H, W, C) to `logits` (1, classes), both float32."""
    writer = _Writer()
    writer.value(graph.input, _channels_last(graph.input_shape))
    for node in fuse_relu(graph.nodes):
        _OPERATORS[node.op](writer, node)
    if graph.constant is not None:
        writer.constant(graph.constant[np.newaxis], graph.output)
    return writer.finish(graph.input, graph.output)


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


class _Buffer(schema.BufferT):  # type: ignore[misc]
    """A buffer whose bytes lie at a multiple of 16; the generated ``Pack`` places them anywhere."""

    def Pack(self, builder: Any) -> int:  # noqa: N802 - the name that the generated code calls
        if self.data is not None and len(self.data):
            content = bytes(self.data)
            builder.StartVector(1, len(content), _ALIGNMENT)
            builder.head -= len(content)
            builder.Bytes[builder.head : builder.head + len(content)] = content
            data = builder.EndVector()
        schema.BufferStart(builder)
        if self.data is not None and len(self.data):
            schema.BufferAddData(builder, data)
        return int(schema.BufferEnd(builder))


class _Writer:
    """Collects tensors, buffers and operators of one subgraph."""

    def __init__(self) -> None:
        self._tensors: list[Any] = []
        self._index: dict[str, int] = {}
        self._buffers: list[Any] = [_Buffer()]  # the schema keeps buffer 0 empty
        self._operators: list[Any] = []
        self._codes: list[int] = []

    def _tensor(self, name: str, shape: Sequence[int], kind: int, buffer: int) -> int:
        tensor = schema.TensorT()
        tensor.name, tensor.shape, tensor.type, tensor.buffer = name, list(shape), kind, buffer
        self._tensors.append(tensor)
        self._index[name] = len(self._tensors) - 1
        return self._index[name]

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of a tensor written before, without its batch."""
        return tuple(self._tensors[self._index[name]].shape[1:])

    def value(self, name: str, shape: Sequence[int]) -> int:
        """A float32 tensor that is computed, (1, *shape)."""
        return self._tensor(name, (1, *shape), schema.TensorType.FLOAT32, 0)

    def constant(self, array: NDArray[Any], name: str) -> int:
        """A float32 or int32 tensor stored in the file."""
        buffer = _Buffer()
        buffer.data = np.ascontiguousarray(array).view(np.uint8).reshape(-1)
        self._buffers.append(buffer)
        floats = array.dtype == np.float32
        kind = schema.TensorType.FLOAT32 if floats else schema.TensorType.INT32
        return self._tensor(name, array.shape, kind, len(self._buffers) - 1)

    def operator(
        self,
        code: str,
        inputs: Sequence[str | int],
        output: int,
        options: Any = None,
        **fields: Any,
    ) -> None:
        """An operator; `fields` are set on `options`, an instance of the schema's options type."""
        builtin = int(getattr(schema.BuiltinOperator, code))
        if builtin not in self._codes:
            self._codes.append(builtin)
        entry = schema.OperatorT()
        entry.opcodeIndex = self._codes.index(builtin)
        entry.inputs = [self._index[item] if isinstance(item, str) else item for item in inputs]
        entry.outputs = [output]
        if options is not None:
            for key, value in fields.items():
                setattr(options, key, value)
            kind = type(options).__name__.removesuffix("T")
            entry.builtinOptionsType = getattr(schema.BuiltinOptions, kind)
            entry.builtinOptions = options
        self._operators.append(entry)

    def finish(self, source: str, answer: str) -> bytes:
        """The file."""
        graph = schema.SubGraphT()
        graph.name = "main"
        graph.tensors, graph.operators = self._tensors, self._operators
        graph.inputs, graph.outputs = [self._index[source]], [self._index[answer]]
        model = schema.ModelT()
        model.version, model.description = _SCHEMA_VERSION, "edgewise"
        model.subgraphs, model.buffers = [graph], self._buffers
        model.operatorCodes = [_operator_code(code) for code in self._codes]
        size = sum(len(buffer.data) for buffer in self._buffers if buffer.data is not None)
        builder = flatbuffers.Builder(size + 65536)
        builder.Finish(model.Pack(builder), file_identifier=_IDENTIFIER)
        return bytes(builder.Output())


def _operator_code(code: int) -> Any:
    entry = schema.OperatorCodeT()
    entry.builtinCode = entry.deprecatedBuiltinCode = code
    entry.version = 1
    return entry


def _activation(node: Node) -> int:
    kinds = schema.ActivationFunctionType
    return int(kinds.RELU if node.relu else kinds.NONE)


def _conv(writer: _Writer, node: Node) -> None:
    source, padding = _padded(writer, node)
    weight, bias = node.weights
    if node.groups != 1:
        raise AssertionError("grouped convolutions have no operator of the first version")
    writer.operator(
        "CONV_2D",
        [
            source,
            # (O, I, K, K) in torch, (O, K, K, I) in TFLite.
            writer.constant(np.ascontiguousarray(weight.transpose(0, 2, 3, 1)), f"{node.output}.0"),
            writer.constant(bias, f"{node.output}.1"),
        ],
        writer.value(node.output, _channels_last(node.shape)),
        schema.Conv2DOptionsT(),
        padding=padding,
        strideW=node.stride,
        strideH=node.stride,
        dilationWFactor=1,
        dilationHFactor=1,
        fusedActivationFunction=_activation(node),
    )


def _padded(writer: _Writer, node: Node) -> tuple[str, int]:
    """The source of a window with its padding.

    ``SAME`` pads as torch does only at stride 1: at stride 2 it puts the odd row at the end, so
    there the padding becomes an operator of its own, as every converter from torch writes it.
    """
    source = node.inputs[0]
    if node.padding == 0:
        return source, int(schema.Padding.VALID)
    if node.stride == 1 and node.kernel == 2 * node.padding + 1:
        return source, int(schema.Padding.SAME)
    height, width, channels = writer.shape(source)
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


def _pool(writer: _Writer, node: Node) -> None:
    same = bool(node.padding)
    if same and (node.stride != 1 or node.kernel != 2 * node.padding + 1):
        raise AssertionError("a padded pooling keeps its size")
    writer.operator(
        "AVERAGE_POOL_2D",
        node.inputs,
        writer.value(node.output, _channels_last(node.shape)),
        schema.Pool2DOptionsT(),
        padding=schema.Padding.SAME if same else schema.Padding.VALID,
        strideW=node.stride,
        strideH=node.stride,
        filterWidth=node.kernel,
        filterHeight=node.kernel,
    )


def _relu(writer: _Writer, node: Node) -> None:
    writer.operator("RELU", node.inputs, writer.value(node.output, _channels_last(node.shape)))


def _add(writer: _Writer, node: Node) -> None:
    inputs: list[str | int] = list(node.inputs)
    if node.op == "add_constant":
        array = np.ascontiguousarray(node.weights[0].transpose(1, 2, 0))[np.newaxis]
        inputs.append(writer.constant(array, f"{node.output}.0"))
    writer.operator(
        "ADD",
        inputs,
        writer.value(node.output, _channels_last(node.shape)),
        schema.AddOptionsT(),
        fusedActivationFunction=_activation(node),
    )


def _scale(writer: _Writer, node: Node) -> None:
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


def _mean(writer: _Writer, node: Node) -> None:
    axes = writer.constant(np.array([1, 2], np.int32), f"{node.output}.0")
    value = writer.value(node.output, node.shape)
    writer.operator("MEAN", [*node.inputs, axes], value, schema.ReducerOptionsT(), keepDims=False)


def _linear(writer: _Writer, node: Node) -> None:
    weights = [
        writer.constant(array, f"{node.output}.{index}") for index, array in enumerate(node.weights)
    ]
    writer.operator(
        "FULLY_CONNECTED",
        [*node.inputs, *weights],
        writer.value(node.output, node.shape),
        schema.FullyConnectedOptionsT(),
    )


_OPERATORS = {
    "conv": _conv,
    "avg_pool": _pool,
    "relu": _relu,
    "add": _add,
    "add_constant": _add,
    "scale": _scale,
    "mean": _mean,
    "linear": _linear,
}
