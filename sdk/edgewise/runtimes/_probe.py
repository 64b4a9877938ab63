"""The smallest model of each format, y = x + x on two float32: if it runs, the runtime works.

A package that imports may still fail (tflite-runtime under numpy 2, a wheel built for another CPU),
so nothing short of a run is an answer.
"""

from __future__ import annotations

import base64

import numpy as np

from ..errors import RuntimeUnavailableError
from .protocol import Runtime

_ONNX = """
CAcSADo1Cg4KAXgKAXgSAXkiA0FkZBIBcFoPCgF4EgoKCAgBEgQKAggCYg8KAXkSCgoICAESBAoCCAJCBAoAEA0=
"""
_TFLITE = """
CAAAAFRGTDO6////FAAAACwAAAAwAAAAEAEAAAMAAAADAAAAFAAAAAwAAAAEAAAAAP///wT///8I////AQAAAHAA
AAABAAAAFAAAAAAADgAYABQAEAAMAAgABAAOAAAAFAAAABgAAABYAAAAXAAAAGAAAAABAAAAcAAAAAEAAAAUAAAA
AAAOABQAAAAQAAwACwAEAA4AAAAQAAAAAAAACwwAAAAQAAAAeP///wEAAAABAAAAAgAAAAAAAAAAAAAAAQAAAAEA
AAABAAAAAAAAAAIAAAA0AAAABAAAAOD///8MAAAAAgAAAAwAAAABAAAAeQAAAAEAAAACAAAADAAQAAwAAAAIAAQA
DAAAAAwAAAABAAAADAAAAAEAAAB4AAAAAQAAAAIAAAABAAAACAAAAAQABAAEAAAA
"""
_MODELS = {"onnx": base64.b64decode(_ONNX), "tflite": base64.b64decode(_TFLITE)}


def probe(runtime: Runtime) -> None:
    """Run the addition. RuntimeUnavailableError for a wrong sum; else what the runtime raises."""
    (doubled,) = runtime.load(_MODELS[runtime.format]).run(np.array([1.0, -2.5], np.float32))
    if doubled.tolist() != [2.0, -5.0]:
        raise RuntimeUnavailableError(f"1 + 1 and -2.5 - 2.5 came out as {doubled.tolist()}")
