"""Says what works on this machine, what does not and why: runtimes, bundles, CPU, load, storage."""

from __future__ import annotations

import platform
import time
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from . import __version__, machine, shipped
from .bundle import Bundle
from .errors import EdgewiseError
from .measure import measure
from .runtimes import RUNTIMES, Diagnosis, diagnose
from .runtimes._package import Package
from .storage import data_dir

_UNSTEADY = 0.05
_BUSY = 0.7  # load average a core


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    what: str
    ok: bool
    detail: str
    cure: str = ""


@dataclass(frozen=True)
class Examination:
    """Everything the doctor found."""

    versions: dict[str, str]
    runtimes: tuple[Diagnosis, ...]
    findings: tuple[Finding, ...]

    @property
    def healthy(self) -> bool:
        """Whether calibrating can work: a runtime does, and every bundle is whole."""
        bundles = all(f.ok for f in self.findings if f.what.startswith("bundle"))
        return bundles and any(d.works for d in self.runtimes)

    def as_json(self) -> dict[str, Any]:
        """The same in JSON values."""
        return {
            "healthy": self.healthy,
            "versions": self.versions,
            "runtimes": [d._asdict() for d in self.runtimes],
            "findings": [asdict(f) for f in self.findings],
        }

    def __str__(self) -> str:
        lines = ["  ".join(f"{name} {version}" for name, version in self.versions.items())]
        for d in self.runtimes:
            lines += _line(d.works, f"runtime {d.name}", d.version or "", d.reason, d.cure)
        for f in self.findings:
            lines += _line(f.ok, f.what, f.detail, "", f.cure)
        return "\n".join(lines)


def _line(ok: bool, what: str, detail: str, reason: str, cure: str) -> list[str]:
    text = ": ".join(part for part in (what, " ".join(filter(None, (detail, reason)))) if part)
    lines = [f"[{'ok' if ok else '!!'}] {text}"]
    return [*lines, f"     cure: {cure}"] if cure and not ok else lines


def examine() -> Examination:
    """Look at everything; takes about a second and a half."""
    load = _load()  # first: what follows is load itself
    return Examination(
        versions={
            "edgewise": __version__,
            "python": platform.python_version(),
            "numpy": np.__version__,
            "os": f"{platform.system()} {platform.release()} {platform.machine()}",
        },
        runtimes=tuple(diagnose(name) for name in RUNTIMES),
        findings=(
            *_bundles(),
            _storage(),
            _pictures(),
            Finding("cpu", True, f"{machine.cpu_model()}, {machine.cores()} cores"),
            _governor(),
            _heat(),
            load,
            _steadiness(),
        ),
    )


def _bundles() -> list[Finding]:
    found = []
    for path in sorted(shipped.BUNDLES.glob("*.safetensors")):
        try:
            bundle = Bundle.open(path)
            bundle.verify()
        except EdgewiseError as error:
            found.append(Finding(f"bundle {path.name}", False, str(error), "reinstall edgewise"))
        else:
            detail = f"{bundle.kind}, {path.stat().st_size / 1e6:.2f} MB, every hash is right"
            found.append(Finding(f"bundle {path.name}", True, detail))
    return found or [Finding("bundles", False, f"none in {shipped.BUNDLES}", "reinstall edgewise")]


def _storage() -> Finding:
    folder = data_dir()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".doctor"
        probe.write_bytes(b"ok")
        probe.unlink()
    except OSError as error:
        cure = "make it writable; until then, save devices with device.save(path)"
        return Finding("data folder", False, f"{folder}: {error.strerror}", cure)
    return Finding("data folder", True, str(folder))


def _pictures() -> Finding:
    """Whether few-shot classification can take pictures by path; arrays need nothing."""
    pillow = Package("pillow", "PIL", extra="image")
    version = pillow.installed()
    if version is None:
        return Finding("picture files", False, "Pillow is not installed", pillow.cure)
    return Finding("picture files", True, f"Pillow {version}")


def _governor() -> Finding:
    governor = machine.governor()
    if governor is None:
        return Finding("clock governor", True, "unknown (the system does not tell)")
    steady = governor == "performance"
    cure = "echo performance | sudo tee /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor"
    return Finding(
        "clock governor",
        steady,
        governor if steady else f"{governor}: the clock follows the load, so timings vary",
        cure,
    )


def _heat() -> Finding:
    parts, ok = [], True
    if (celsius := machine.temperature_c()) is not None:
        parts.append(f"{celsius:.0f} degrees C")
        ok &= celsius < 85
    if (clock := machine.clock_mhz()) is not None:
        parts.append(f"{clock[0]:.0f} of {clock[1]:.0f} MHz")
    if events := machine.throttle_events():
        parts.append(f"slowed by heat {events} times since it was started")
        ok = False
    return Finding("heat", ok, ", ".join(parts) or "unknown", "cool the machine, then calibrate")


def _load() -> Finding:
    load, cores = machine.load_average(), machine.cores()
    if load is None:
        return Finding("load", True, "unknown")
    return Finding(
        "load",
        load < _BUSY * cores,
        f"{load:.2f} on {cores} cores in the last minute",
        "stop other programs while calibrating",
    )


def _steadiness() -> Finding:
    """Times a fixed piece of work for a second: what moves is the machine."""
    work = np.random.default_rng(0).standard_normal((64, 64)).astype(np.float32)

    def run() -> object:
        end = work
        for _ in range(8):
            end = end @ work
            end /= np.abs(end).max()
        return end

    begun = time.perf_counter()
    timings = measure([run], names=["work"], min_runs=10, min_seconds=0.8, budget_s=3)
    spread, report = timings.measurements[0].spread, timings.report
    share = min(1.0, report.cpu_share)
    return Finding(
        "steadiness",
        spread < _UNSTEADY and not report.notes,
        f"runs of one piece of work spread by {spread:.1%}, had {share:.0%} of a core "
        f"({time.perf_counter() - begun:.1f} s)" + "".join(f"; {note}" for note in report.notes),
        "stop other programs; fix the clock; wait until it is cool",
    )
