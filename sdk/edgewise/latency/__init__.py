"""Latency: time about ten reference networks on a device, predict the milliseconds of any other.

Here live calibrating, the calibrated device, its profile file and the search under a limit. How
things are timed is in `edgewise.measure`, where they run in `edgewise.runtimes`; training is the
host's.
"""

from __future__ import annotations

from .calibration import Calibration, Plan, calibrate
from .current import current_device, predict, set_current
from .device import Check, Device
from .network import NetworkPrediction
from .prediction import Prediction
from .references import reference_model
from .search import Found

__all__ = [
    "Calibration",
    "Check",
    "Device",
    "Found",
    "NetworkPrediction",
    "Plan",
    "Prediction",
    "calibrate",
    "current_device",
    "predict",
    "reference_model",
    "set_current",
]
