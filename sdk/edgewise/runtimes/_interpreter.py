"""A session over the TFLite interpreter, whose Python class LiteRT and tflite-runtime share."""

from __future__ import annotations

import re
import threading
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arguments import positive_int
from ..errors import ArgumentError
from ._arrays import check_inputs
from .protocol import TensorInfo
from .quiet import quiet

if TYPE_CHECKING:
    from numpy.typing import NDArray


class InterpreterSession:
    """A TFLite model with its tensors allocated."""

    def __init__(self, interpreter_class: Any, model: bytes, threads: int, runtime: str) -> None:
        threads = positive_int("threads", threads)
        try:
            with quiet():
                self._interpreter = interpreter_class(model_content=model, num_threads=threads)
                self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise ArgumentError(f"{runtime} cannot load this model: {_one_line(error)}") from error
        self._lock = threading.Lock()
        self._in, self._out = _ordered_tensors(self._interpreter)
        self.inputs = tuple(info for _, info in self._in)
        self.outputs = tuple(info for _, info in self._out)
        for index, info in self._in:  # allocated memory is arbitrary: denormals would slow a run
            self._interpreter.set_tensor(index, np.zeros(info.shape, info.dtype))

    def run(self, *arrays: NDArray[np.generic]) -> list[NDArray[np.generic]]:
        """See `Session.run`."""
        check_inputs(self.inputs, arrays)
        with self._lock:
            for (index, _), array in zip(self._in, arrays, strict=True):
                self._interpreter.set_tensor(index, array)
            self._interpreter.invoke()
            return [self._interpreter.get_tensor(index) for index, _ in self._out]

    def invoke(self) -> None:
        """See `Session.invoke`."""
        with self._lock:
            self._interpreter.invoke()


_Indexed = list[tuple[int, TensorInfo]]


def _ordered_tensors(interpreter: Any) -> tuple[_Indexed, _Indexed]:
    """Tensor index and description of each input and output, in the order of the compiled function.

    The graph lists them in an order of the converter's choosing; a signature names them by
    position (`args_0`, `args_1`, ..., `output_0`, ...), so where there is one it decides.
    """
    if not interpreter.get_signature_list():
        ins, outs = interpreter.get_input_details(), interpreter.get_output_details()
        return [_described(d["name"], d) for d in ins], [_described(d["name"], d) for d in outs]
    runner = interpreter.get_signature_runner()
    ins, outs = runner.get_input_details(), runner.get_output_details()
    del runner  # it holds the interpreter, which refuses to run while anyone else does
    return (
        [_described(name, ins[name]) for name in sorted(ins, key=_natural)],
        [_described(name, outs[name]) for name in sorted(outs, key=_natural)],
    )


def _described(name: str, detail: dict[str, Any]) -> tuple[int, TensorInfo]:
    shape = tuple(int(n) for n in detail["shape"])
    return int(detail["index"]), TensorInfo(name, shape, np.dtype(detail["dtype"]))


def _natural(name: str) -> list[tuple[int, str]]:
    """Sort key that puts `args_2` before `args_10`."""
    return [(int(d or -1), text) for text, d in re.findall(r"(\D*)(\d*)", name)]


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())
