"""The current device: the one calibrated last, in this process or an earlier one."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

from ..errors import NotCalibratedError
from ..storage import data_dir
from .device import Device
from .prediction import Prediction
from .profile import save_profile

_lock = threading.Lock()
_current: Device | None = None


def stored_profile() -> Path:
    """Where the device calibrated last is stored."""
    return data_dir() / "profiles" / "current.safetensors"


def set_current(device: Device) -> None:
    """Make `device` the one that `predict` asks."""
    global _current
    _current = device


def store_current(device: Device) -> None:
    """Make `device` current, for later processes too. Raises StorageError when the disk refuses."""
    set_current(device)
    save_profile(device.profile, stored_profile(), create_parents=True)


def current_device() -> Device:
    """The current device, read from the user's data folder when this process calibrated none.

    Raises NotCalibratedError when there is none; BundleError or ProfileError when the stored one
    cannot be used.
    """
    global _current
    if _current is None:
        with _lock:
            if _current is None:
                path = stored_profile()
                if not path.is_file():
                    raise NotCalibratedError(
                        "no device has been calibrated: call edgewise.calibrate() "
                        "or run `edgewise calibrate`"
                    )
                _current = Device.load(path)
    return _current


def predict(archs: str | Sequence[str], confidence: float = 0.9) -> Prediction:
    """`Device.predict` of the current device; NotCalibratedError when there is none."""
    device = _current or current_device()
    return device.predict(archs, confidence)
