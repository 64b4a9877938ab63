"""What the ONNX model of a network holds that its TFLite model holds too."""

from __future__ import annotations

from collections.abc import Mapping

import onnx
from onnx import numpy_helper

from edgewise.borrow import Borrowed, loans


def borrowed_from_tflite(files: Mapping[str, bytes]) -> dict[str, Borrowed]:
    """For each `NAME.onnx` that has a `NAME.tflite` beside it, what it can borrow from that.

    Args:
        files: model files by the name they have in a bundle.

    Returns:
        For `edgewise.bundle.write_bundle`; models that share nothing are left out.
    """
    found = {}
    for name, model in files.items():
        lender = name.removesuffix(".onnx") + ".tflite"
        if not name.endswith(".onnx") or lender not in files:
            continue
        constants = onnx.load_from_string(model).graph.initializer
        arrays = [numpy_helper.to_array(constant) for constant in constants]
        shared = loans(model, files[lender], arrays)
        if shared:
            found[name] = Borrowed(lender, shared)
    return found
