"""What a calibrated device says of the machine it was calibrated on."""

from __future__ import annotations

import datetime as dt
import platform
from collections.abc import Mapping
from typing import Any

from .. import __version__, machine
from ..runtimes import RUNTIMES, installed_version

BY_CALLABLE = "measure"
"""`info["runtime"]` of a device that a callable timed."""


def machine_info(runtime: str, version: str | None, threads: int) -> dict[str, Any]:
    """This machine and its runtime, in JSON values: see `Device.info`."""
    now = dt.datetime.now(dt.timezone.utc)
    return {
        "cpu": machine.cpu_model(),
        "cores": machine.cores(),
        "os": f"{platform.system()} {platform.machine()}",
        "governor": machine.governor(),
        "runtime": runtime,
        "runtime_version": version,
        "threads": threads,
        "edgewise": __version__,
        "calibrated_at": now.isoformat(timespec="seconds"),
    }


def differences(info: Mapping[str, Any]) -> list[str]:
    """What makes this machine another one than `info` was taken on; nothing for a callable's."""
    runtime, version = info.get("runtime"), info.get("runtime_version")
    if runtime == BY_CALLABLE:
        return []  # the callable timed some other device, and this machine never mattered
    found = []
    here = machine.cpu_model()
    if here != info.get("cpu"):
        found.append(f"was calibrated on {info.get('cpu')!r}; this machine is {here!r}")
    installed = installed_version(runtime) if runtime in RUNTIMES else None
    if installed is None:
        found.append(f"was calibrated with {runtime} {version}, which is not installed here")
    elif installed != version:
        found.append(f"was calibrated with {runtime} {version}; {installed} is installed here")
    return found
