"""tflite-runtime 2.14: the last of TensorFlow Lite's interpreters, the only one for armv7."""

from __future__ import annotations

import platform
import sys

import numpy as np

from ._interpreter import InterpreterSession
from ._package import Package


class TFLite:
    """Runs `.tflite` models on the CPU; Python 3.11 or older and numpy 1 only."""

    name = "tflite"
    format = "tflite"
    package = Package("tflite-runtime", "tflite_runtime.interpreter", extra="tflite")

    def version(self) -> str:
        """See `Runtime.version`."""
        return self.package.version()

    def load(self, model: bytes, *, threads: int = 1) -> InterpreterSession:
        """See `Runtime.load`."""
        module = self.package.load(self.obstacle())
        return InterpreterSession(module.Interpreter, model, threads, self.name)

    @staticmethod
    def obstacle() -> tuple[str, str] | None:
        """Why it cannot work on this Python or numpy, whatever is installed, and the cure.

        Under numpy 2 the package still imports; it fails later, when a model is loaded, with a
        `SystemError` that names neither numpy nor the cure. So the versions are looked at first.
        """
        if sys.version_info >= (3, 12):
            here = platform.python_version()
            return (
                f"tflite-runtime has no wheel for Python {here}: its last is for 3.11",
                "pip install 'edgewise[litert]'",
            )
        if int(np.__version__.split(".")[0]) >= 2:
            return (
                f"tflite-runtime is built for numpy 1 and fails under numpy {np.__version__}",
                "pip install 'edgewise[tflite]' 'numpy<2', or pip install 'edgewise[litert]'",
            )
        return None
