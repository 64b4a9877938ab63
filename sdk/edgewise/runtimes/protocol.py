"""What every inference runtime offers: load a model from bytes, run it on so many threads."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class TensorInfo(NamedTuple):
    """One input or output of a model; a dimension that is free in the file is -1."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[np.generic]


class Session(Protocol):
    """A loaded model. Calls on one session are serialised; sessions are independent."""

    @property
    def inputs(self) -> tuple[TensorInfo, ...]:
        """The inputs, in the order of the compiled function's arguments."""

    @property
    def outputs(self) -> tuple[TensorInfo, ...]:
        """The outputs, in the order in which that function returned them."""

    def run(self, *arrays: NDArray[np.generic]) -> list[NDArray[np.generic]]:
        """Run on `arrays`, one an input, in their order; the outputs are the caller's copies.

        Raises ArgumentError when the number, a shape or a dtype does not match `inputs`.
        """

    def invoke(self) -> None:
        """Run again on the inputs that are set (zeros before the first `run`): what is timed."""


class Runtime(Protocol):
    """An inference runtime that is installed on this machine."""

    @property
    def name(self) -> str:
        """`litert`, `tflite` or `onnxruntime`."""

    @property
    def format(self) -> str:
        """The model format it reads, and the suffix of models in a bundle: `tflite` or `onnx`."""

    def version(self) -> str:
        """Version of the installed package."""

    def load(self, model: bytes, *, threads: int = 1) -> Session:
        """Load a model from memory, to run on `threads` threads.

        Raises RuntimeUnavailableError when the package is missing, ArgumentError when it refuses
        the model or `threads` is not positive.
        """


class Diagnosis(NamedTuple):
    """Whether a runtime works here, found by running a model of one addition through it."""

    name: str
    works: bool
    version: str | None
    """Version of the installed package; None when it is not installed."""
    reason: str
    """Why it does not work; empty when it does."""
    cure: str
    """What to do about that, a command where there is one; empty when it works."""
