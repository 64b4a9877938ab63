"""Writes the flatbuffer of a TFLite model, through the schema that the LiteRT package publishes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import flatbuffers  # type: ignore[import-untyped]
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgewise_converter.compile.graph import is_halved

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

_IDENTIFIER = b"TFL3"
_SCHEMA_VERSION = 3
#: Kernels read weights with vector loads: the schema asks for this alignment of every buffer, in
#: bytes.
_ALIGNMENT = 16


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


class TfliteWriter:
    """Collects tensors, buffers and operators of one subgraph."""

    def __init__(self, *, half: bool = False, versions: Mapping[str, int] | None = None) -> None:
        """Start an empty file.

        Args:
            versions: of operators that need another one than the first.
            half: store float32 constants of more than a few numbers as float16, each widened by
                an operator that runtimes run once, when they load the file.
        """
        self._half = half
        self._versions = versions or {}
        self._tensors: list[Any] = []
        self._index: dict[str, int] = {}
        self._buffers: list[Any] = [_Buffer()]  # the schema keeps buffer 0 empty
        self._operators: list[Any] = []
        self._codes: list[tuple[int, int]] = []

    def _tensor(self, name: str, shape: Sequence[int], kind: int, buffer: int) -> int:
        tensor = schema.TensorT()
        tensor.name, tensor.shape, tensor.type, tensor.buffer = name, list(shape), kind, buffer
        self._tensors.append(tensor)
        self._index[name] = len(self._tensors) - 1
        return self._index[name]

    def __contains__(self, name: str) -> bool:
        return name in self._index

    def index(self, name: str) -> int:
        """The number of a tensor written before."""
        return self._index[name]

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of a tensor written before, without its batch."""
        return tuple(self._tensors[self._index[name]].shape[1:])

    def value(self, name: str, shape: Sequence[int]) -> int:
        """A float32 tensor that is computed, (1, *shape)."""
        return self.computed(name, (1, *shape))

    def computed(self, name: str, shape: Sequence[int]) -> int:
        """A float32 tensor that is computed, of the whole `shape`."""
        return self._tensor(name, shape, schema.TensorType.FLOAT32, 0)

    def constant(self, array: NDArray[Any], name: str) -> int:
        """A float32, int32 or int8 tensor stored in the file."""
        if self._half and is_halved(array):
            narrow = self._stored(array.astype(np.float16), f"{name}.half")
            wide = self.computed(name, array.shape)
            self.operator("DEQUANTIZE", [narrow], wide, schema.DequantizeOptionsT(), version=3)
            return wide
        return self._stored(array, name)

    def quantised(
        self, index: int, scale: NDArray[Any], zero: int, kind: str, axis: int = 0
    ) -> int:
        """Make a tensor one of 8- or 32-bit numbers q that mean scale × (q − zero).

        Args:
            index: of the tensor.
            scale: (1,), or one for each slice along `axis`.
            zero: the number that means 0.
            kind: `INT8`, `UINT8` or `INT32`.
            axis: of several scales.
        """
        about = schema.QuantizationParametersT()
        about.scale = np.asarray(scale, np.float32)
        about.zeroPoint = np.full(len(scale), zero, np.int64)
        about.quantizedDimension = axis
        tensor = self._tensors[index]
        tensor.quantization, tensor.type = about, getattr(schema.TensorType, kind)
        return index

    def _stored(self, array: NDArray[Any], name: str) -> int:
        buffer = _Buffer()
        buffer.data = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
        self._buffers.append(buffer)
        kind = getattr(schema.TensorType, array.dtype.name.upper())
        return self._tensor(name, array.shape, kind, len(self._buffers) - 1)

    def operator(
        self,
        code: str,
        inputs: Sequence[str | int],
        output: int,
        options: Any = None,
        version: int = 1,
        **fields: Any,
    ) -> None:
        """An operator; `fields` are set on `options`, an instance of the schema's options type."""
        least = self._versions.get(code, 1)
        used = (int(getattr(schema.BuiltinOperator, code)), max(version, least))
        if used not in self._codes:
            self._codes.append(used)
        entry = schema.OperatorT()
        entry.opcodeIndex = self._codes.index(used)
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
        model.operatorCodes = [operator_code(*key) for key in self._codes]
        return packed(model)


def packed(model: Any) -> bytes:
    """The file of a model of the schema's object interface, its buffers aligned."""
    size = sum(len(buffer.data) for buffer in model.buffers if buffer.data is not None)
    builder = flatbuffers.Builder(size + 65536)
    builder.Finish(model.Pack(builder), file_identifier=_IDENTIFIER)
    return bytes(builder.Output())


def unpacked(file: bytes) -> Any:
    """The model of a file, to be changed and packed again."""
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(file))
    for buffer in model.buffers:
        buffer.__class__ = _Buffer
    return model


def operator_code(code: int, version: int) -> Any:
    """An entry of a model's table of operators."""
    entry = schema.OperatorCodeT()
    entry.builtinCode = entry.deprecatedBuiltinCode = code
    entry.version = version
    return entry
