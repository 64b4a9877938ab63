"""What the models of a network hold that its int8 TFLite model holds too."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import onnx
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray
from onnx import numpy_helper

from edgewise.borrow import Borrowed, Scaled, loans


def borrowed_from(
    lender: str, files: Mapping[str, bytes], scaled: Iterable[Scaled]
) -> dict[str, Borrowed]:
    """What each model can borrow from one of them.

    Args:
        lender: a name out of `files`.
        files: model files, `.tflite` and `.onnx`, by the name they have in a bundle.
        scaled: weights that the lender has in 8 bits and others in float32.

    Returns:
        For `edgewise.bundle.write_bundle`; models that share nothing are left out.
    """
    weights, found = list(scaled), {}
    for name, model in files.items():
        if name == lender:
            continue
        shared = loans(model, files[lender], _constants(name, model), weights)
        if shared:
            found[name] = Borrowed(lender, shared)
    return found


def _constants(name: str, model: bytes) -> list[NDArray[Any]]:
    """All that a model stores; of TFLite as bytes, for the axes are in the lender's order."""
    if name.endswith(".onnx"):
        stored = onnx.load_from_string(model).graph.initializer
        return [numpy_helper.to_array(constant) for constant in stored]
    whole = schema.Model.GetRootAs(model)
    buffers = (whole.Buffers(at) for at in range(whole.BuffersLength()))
    return [buffer.DataAsNumpy() for buffer in buffers if buffer.DataLength()]
