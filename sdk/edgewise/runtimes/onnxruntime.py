"""ONNX Runtime on the CPU."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arguments import positive_int
from ..errors import ArgumentError
from ._arrays import check_inputs
from ._package import Package
from .protocol import TensorInfo

if TYPE_CHECKING:
    from numpy.typing import NDArray

_ONLY_FATAL = 4
_DTYPES = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(float16)": np.float16,
    "tensor(uint8)": np.uint8,
    "tensor(int8)": np.int8,
    "tensor(int32)": np.int32,
    "tensor(int64)": np.int64,
    "tensor(bool)": np.bool_,
}


class OnnxRuntime:
    """Runs `.onnx` models on the CPU execution provider."""

    name = "onnxruntime"
    format = "onnx"
    # From 1.29 on it reports its runs to its makers over the network unless this is set.
    package = Package(
        "onnxruntime", "onnxruntime", extra="onnx", environment=(("ORT_DISABLE_TELEMETRY", "1"),)
    )

    def version(self) -> str:
        """See `Runtime.version`."""
        return self.package.version()

    def load(self, model: bytes, *, threads: int = 1) -> OnnxSession:
        """See `Runtime.load`."""
        return OnnxSession(self.package.load(), model, threads)

    @staticmethod
    def obstacle() -> tuple[str, str] | None:
        """Nothing is known to keep it from working where its package installs."""
        return None


class OnnxSession:
    """An ONNX model with its inputs bound, so that `invoke` times the run and no copying."""

    def __init__(self, ort: Any, model: bytes, threads: int) -> None:
        threads = positive_int("threads", threads)
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = _ONLY_FATAL
        try:
            self._session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # its exceptions have no base class of their own
            text = " ".join(str(error).split())
            raise ArgumentError(f"onnxruntime cannot load this model: {text}") from error
        self._lock = threading.Lock()
        self.inputs = tuple(_described(node) for node in self._session.get_inputs())
        self.outputs = tuple(_described(node) for node in self._session.get_outputs())
        self._bound = self._bind(
            [np.zeros([max(n, 1) for n in info.shape], info.dtype) for info in self.inputs]
        )

    def run(self, *arrays: NDArray[np.generic]) -> list[NDArray[np.generic]]:
        """See `Session.run`."""
        check_inputs(self.inputs, arrays)
        with self._lock:
            self._bound = self._bind([np.array(array, order="C") for array in arrays])
            self._session.run_with_iobinding(self._bound)
            # a view of an output would be overwritten by the next invoke
            return [value.numpy().copy() for value in self._bound.get_outputs()]

    def invoke(self) -> None:
        """See `Session.invoke`."""
        with self._lock:
            self._session.run_with_iobinding(self._bound)

    def _bind(self, arrays: list[NDArray[np.generic]]) -> Any:
        binding = self._session.io_binding()
        for info, array in zip(self.inputs, arrays, strict=True):
            binding.bind_cpu_input(info.name, array)
        for info in self.outputs:
            binding.bind_output(info.name)
        self._bound_arrays = arrays  # the binding points into them and does not own them
        return binding


def _described(node: Any) -> TensorInfo:
    try:
        dtype = np.dtype(_DTYPES[node.type])
    except KeyError:
        raise ArgumentError(f"tensor {node.name!r} has the unsupported type {node.type}") from None
    shape = tuple(n if isinstance(n, int) else -1 for n in node.shape)
    return TensorInfo(node.name, shape, dtype)
