"""edgewise on the device: calibrate, predict, search; learn classes, classify; retrieve.

Here live the capabilities and what they share; they need numpy and the C++ core, nothing heavier.
Training and compiling do not live here: they are in `edgewise_converter`, on the host.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from ._core import __version__
from .errors import (
    ArchitectureError,
    ArgumentError,
    BundleError,
    EdgewiseError,
    MeasurementError,
    ModelFileError,
    NotCalibratedError,
    PictureError,
    ProfileError,
    RuntimeUnavailableError,
    StorageError,
)

if TYPE_CHECKING:
    from .fewshot import Classification, FewShotClassifier
    from .latency import (
        Device,
        NetworkPrediction,
        Prediction,
        calibrate,
        current_device,
        predict,
        reference_model,
    )
    from .retrieval import Entry, Hit, Hits, ModelZoo

# Names that are imported when first used: importing edgewise must stay quick.
_LAZY = {
    "Classification": ".fewshot",
    "FewShotClassifier": ".fewshot",
    "Entry": ".retrieval",
    "Hit": ".retrieval",
    "Hits": ".retrieval",
    "ModelZoo": ".retrieval",
    "Device": ".latency",
    "NetworkPrediction": ".latency",
    "Prediction": ".latency",
    "calibrate": ".latency",
    "current_device": ".latency",
    "predict": ".latency",
    "reference_model": ".latency",
}

__all__ = [
    "ArchitectureError",
    "ArgumentError",
    "BundleError",
    "Classification",
    "Device",
    "EdgewiseError",
    "Entry",
    "FewShotClassifier",
    "Hit",
    "Hits",
    "MeasurementError",
    "ModelFileError",
    "ModelZoo",
    "NetworkPrediction",
    "NotCalibratedError",
    "PictureError",
    "Prediction",
    "ProfileError",
    "RuntimeUnavailableError",
    "StorageError",
    "__version__",
    "calibrate",
    "current_device",
    "predict",
    "reference_model",
]


def __getattr__(name: str) -> object:
    """Import a lazy name; keep it, so that this runs once a name."""
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(importlib.import_module(_LAZY[name], __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))
