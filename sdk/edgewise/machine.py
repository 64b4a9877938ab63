"""What can be read about this machine without being root: CPU, clock governor, load, throttling.

Everything here returns None, or a neutral value, where the operating system does not tell.
"""

from __future__ import annotations

import os
import platform
from pathlib import Path, PurePosixPath
from typing import NamedTuple

_CPU = Path("/sys/devices/system/cpu")
_CONTROL_GROUPS = Path("/sys/fs/cgroup")
_PART_OF_ARM = {
    "0xd03": "Cortex-A53",
    "0xd04": "Cortex-A35",
    "0xd05": "Cortex-A55",
    "0xd07": "Cortex-A57",
    "0xd08": "Cortex-A72",
    "0xd09": "Cortex-A73",
    "0xd0a": "Cortex-A75",
    "0xd0b": "Cortex-A76",
    "0xd0c": "Neoverse-N1",
    "0xd0d": "Cortex-A77",
    "0xd41": "Cortex-A78",
    "0xd44": "Cortex-X1",
    "0xd49": "Neoverse-N2",
    "0xd4f": "Neoverse-V2",
}


def cpu_model() -> str:
    """Name of the CPU, with the board's name before it where there is one."""
    fields: dict[str, str] = {}
    for line in _read(Path("/proc/cpuinfo")).splitlines():
        key, colon, value = line.partition(":")
        if colon:
            fields.setdefault(key.strip().lower(), value.strip())
    part = fields.get("cpu part", "")
    cpu = fields.get("model name") or _PART_OF_ARM.get(part) or fields.get("hardware")
    board = _read(Path("/proc/device-tree/model")).strip("\0 \n")
    names = [name for name in (board, cpu) if name]
    return ", ".join(names) or platform.processor() or platform.machine() or "unknown"


def cores() -> int:
    """Number of CPU cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def governor() -> str | None:
    """The clock governors in use (`performance`, `schedutil`, ...), joined by commas."""
    found = {_read(path).strip() for path in _CPU.glob("cpu[0-9]*/cpufreq/scaling_governor")}
    return ",".join(sorted(found - {""})) or None


def clock_mhz() -> tuple[float, float] | None:
    """The fastest core's present and highest clock, MHz."""
    pairs = []
    for folder in _CPU.glob("cpu[0-9]*/cpufreq"):
        now, top = _read(folder / "scaling_cur_freq"), _read(folder / "cpuinfo_max_freq")
        if now.strip().isdigit() and top.strip().isdigit():
            pairs.append((int(now) / 1000, int(top) / 1000))
    return max(pairs, key=lambda pair: pair[1]) if pairs else None


def throttle_events() -> int | None:
    """How often the CPU has slowed itself because of heat since it was started."""
    texts = [_read(path) for path in _CPU.glob("cpu[0-9]*/thermal_throttle/core_throttle_count")]
    counts = [int(text) for text in texts if text.strip().isdigit()]
    return sum(counts) if counts else None


def temperature_c() -> float | None:
    """The hottest thermal zone, degrees Celsius."""
    texts = [_read(path) for path in Path("/sys/class/thermal").glob("thermal_zone*/temp")]
    values = [int(text) / 1000 for text in texts if text.strip().lstrip("-").isdigit()]
    return max(values, default=None)


def load_average() -> float | None:
    """Load average of the last minute."""
    try:
        return os.getloadavg()[0]
    except (AttributeError, OSError):
        return None


class Ticks(NamedTuple):
    """CPU ticks of all cores since boot."""

    stolen: int
    """Withheld by a hypervisor."""
    busy: int
    """Spent on programs, this one among them, and on the system."""
    all: int


def ticks() -> Ticks | None:
    """The ticks until now; None where the system does not tell."""
    first = _read(Path("/proc/stat")).split("\n", 1)[0].split()
    if len(first) < 9 or first[0] != "cpu":
        return None
    user, nice, system, idle, waiting, hard, soft, stolen = map(int, first[1:9])
    busy = user + nice + system + hard + soft
    return Ticks(stolen, busy, busy + idle + waiting + stolen)


def stolen_share(before: Ticks | None, after: Ticks | None) -> float:
    """Share of CPU time withheld between two calls of `ticks`; 0 where unknown."""
    if before is None or after is None or after.all <= before.all:
        return 0.0
    return (after.stolen - before.stolen) / (after.all - before.all)


def busy_share(before: Ticks | None, after: Ticks | None) -> float:
    """Share of all cores' time that was worked between two calls of `ticks`; 0 where unknown."""
    if before is None or after is None or after.all <= before.all:
        return 0.0
    return (after.busy - before.busy) / (after.all - before.all)


def throttled_s() -> float | None:
    """Seconds for which a CPU quota (of a container, say) has stopped this process's group.

    None where there is no quota or the system does not tell. Linux: `cpu.stat` of the control group
    and those above it, version 1 or 2.
    """
    found = []
    for folder in _control_groups():
        fields = dict(line.split()[:2] for line in _read(folder / "cpu.stat").splitlines())
        if "throttled_usec" in fields:
            found.append(int(fields["throttled_usec"]) / 1e6)
        elif "throttled_time" in fields:
            found.append(int(fields["throttled_time"]) / 1e9)
    return max(found, default=None)


def _control_groups() -> list[Path]:
    """Where the control groups that may bound this process's CPU lie, and those above them."""
    folders = []
    for line in _read(Path("/proc/self/cgroup")).splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            roots = [_CONTROL_GROUPS, _CONTROL_GROUPS / "unified"]
        elif "cpu" in controllers.split(","):
            roots = [_CONTROL_GROUPS / controllers, _CONTROL_GROUPS / "cpu"]
        else:
            continue
        own = PurePosixPath(path.lstrip("/"))
        folders += [root / part for root in roots for part in (own, *own.parents)]
    return folders


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
