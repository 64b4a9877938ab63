"""LiteRT (the `ai-edge-litert` package), TensorFlow Lite's successor."""

from __future__ import annotations

import platform
import sys

from ._interpreter import InterpreterSession
from ._package import Package


class LiteRT:
    """Runs `.tflite` models on the CPU through XNNPACK."""

    name = "litert"
    format = "tflite"
    package = Package("ai-edge-litert", "ai_edge_litert.interpreter", extra="litert")

    def version(self) -> str:
        """See `Runtime.version`."""
        return self.package.version()

    def load(self, model: bytes, *, threads: int = 1) -> InterpreterSession:
        """See `Runtime.load`."""
        module = self.package.load()
        return InterpreterSession(module.Interpreter, model, threads, self.name)

    @staticmethod
    def obstacle() -> tuple[str, str] | None:
        """Why it cannot work on this Python or machine, whatever is installed, and the cure."""
        if not (3, 10) <= sys.version_info[:2] <= (3, 14):
            here = platform.python_version()
            return f"ai-edge-litert has no wheel for Python {here}", "use Python 3.10 to 3.14"
        if platform.machine() in ("armv7l", "armv6l"):
            return (
                f"ai-edge-litert has no wheel for {platform.machine()}",
                "pip install 'edgewise[tflite]' on Python 3.11 or older",
            )
        return None
