"""Calibrating: time a few reference architectures, adapt a predictor to them."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, overload

from .. import machine
from ..arguments import positive_int, positive_number
from ..bundle import Bundle
from ..conditions import Report
from ..errors import ArgumentError, StorageError
from ..measure import Measurement
from ..runtimes import Runtime, get_runtime
from ..shipped import describe
from ..spaces import get_space
from .current import store_current
from .device import Device
from .info import BY_CALLABLE, machine_info
from .noise import most_contradicted
from .partial import Partial
from .predictor import Predictor, load_predictor, open_bundle
from .profile import Profile
from .timing import CallableTimer, Measure, progress_bar, reference_sessions, time_references

_log = logging.getLogger(__name__)

_MOST_SUSPECTS = 3


@dataclass(frozen=True)
class Plan:
    """What `calibrate(dry_run=True)` would do."""

    space: str
    runtime: str
    """Name of the runtime, or `measure` when a callable is asked."""
    threads: int
    predictor: str
    architectures: tuple[str, ...]
    """What it would time, in order."""
    seconds: float | None
    """The longest it would take, about; None when a callable is asked."""

    def as_json(self) -> dict[str, Any]:
        """The same in JSON values."""
        return asdict(self)

    def __str__(self) -> str:
        where = (
            "by asking measure="
            if self.runtime == BY_CALLABLE
            else f"in {self.runtime}, threads={self.threads}, at most about {self.seconds:.0f} s"
        )
        lines = [f"{len(self.architectures)} architectures of {self.space} {where}:"]
        return "\n".join([*lines, *(f"  {arch}" for arch in self.architectures)])


@overload
def calibrate(
    space: str = ...,
    runtime: str = ...,
    threads: int = ...,
    samples: int = ...,
    measure: Measure | None = ...,
    candidates: Collection[str] | None = ...,
    predictor: str = ...,
    budget_s: float = ...,
    progress: bool = ...,
    dry_run: Literal[False] = ...,
    resume: bool = ...,
    bundle: str | Path | Bundle | None = ...,
) -> Device: ...


@overload
def calibrate(
    space: str = ...,
    runtime: str = ...,
    threads: int = ...,
    samples: int = ...,
    measure: Measure | None = ...,
    candidates: Collection[str] | None = ...,
    predictor: str = ...,
    budget_s: float = ...,
    progress: bool = ...,
    *,
    dry_run: Literal[True],
    resume: bool = ...,
    bundle: str | Path | Bundle | None = ...,
) -> Plan: ...


def calibrate(
    space: str = "nasbench201",
    runtime: str = "auto",
    threads: int = 1,
    samples: int = 10,
    measure: Measure | None = None,
    candidates: Collection[str] | None = None,
    predictor: str = "edgewise",
    budget_s: float = 60.0,
    progress: bool = True,
    dry_run: bool = False,
    resume: bool = True,
    bundle: str | Path | Bundle | None = None,
) -> Device | Plan:
    """Time `samples` architectures of `space` on this device and adapt `predictor` to them.

    The device becomes the current one (see `edgewise.predict`) and is stored in the user's data
    folder; where that is not writable, a warning is logged. Whatever interrupts calibrating,
    Ctrl-C included, the timings taken until then are kept, and the next call goes on from them.

    Args:
        space: name of a space.
        runtime: `litert`, `tflite`, `onnxruntime`, or `auto`, the first of them that works.
        threads: of the runtime.
        samples: architectures to time.
        measure: any callable architecture -> milliseconds, of one run or a sequence of several,
            asked once for each architecture instead of timing here, and twice more for up to three
            that the others contradict.
        candidates: the architectures that may be timed; without `measure` only references that
            the bundle has models of can be.
        predictor: `edgewise` or `help`.
        budget_s: seconds for timing on this machine; a callable takes what it takes.
        progress: show a progress bar on a terminal's standard error.
        dry_run: time nothing, return the `Plan`.
        resume: go on from an interrupted calibration.
        bundle: a latency bundle other than the one that ships for the space.

    Raises:
        ArgumentError: impossible arguments, too few samples for the predictor among them.
        RuntimeUnavailableError: the runtime does not work here; the message has the cure.
        MeasurementError: a timing is no finite positive number.
        BundleError: the bundle is missing or damaged.
    """
    job = Calibration(
        space, runtime, threads, samples, measure, candidates, predictor, budget_s, bundle
    )
    if dry_run:
        return job.plan()
    device = job.run(progress=progress, resume=resume)
    try:
        store_current(device)
    except StorageError as error:
        _log.warning("the calibrated device could not be stored: %s", error)
    return device


class Calibration:
    """One calibration, its arguments checked and its architectures chosen, nothing timed yet."""

    def __init__(
        self,
        space: str,
        runtime: str,
        threads: int,
        samples: int,
        measure: Measure | None,
        candidates: Collection[str] | None,
        predictor: str,
        budget_s: float,
        bundle: str | Path | Bundle | None,
    ) -> None:
        self.space = get_space(space)
        self.threads = positive_int("threads", threads)
        self.samples = positive_int("samples", samples)
        if measure is not None and not callable(measure):
            raise ArgumentError(f"measure must be callable, not {measure!r}")
        if isinstance(candidates, str):
            raise ArgumentError("candidates must be architectures, not a single string")
        self.budget_s = positive_number("budget_s", budget_s, "seconds")
        self.measure = measure
        self.bundle = open_bundle(space, bundle)
        self.runtime: Runtime | None = None if measure is not None else get_runtime(runtime)
        graphs = runtime if self.runtime is None else self.runtime.name
        self.predictor_name = predictor
        self.predictor: Predictor = load_predictor(predictor, self.bundle, graphs)
        if self.samples < self.predictor.min_samples:
            raise ArgumentError(
                f"samples={samples} is too few: predictor {predictor!r} needs "
                f"{self.predictor.min_samples}"
            )
        self.spelling = {self.space.parse(arch): arch for arch in candidates or ()}
        self.architectures = self._choose() if candidates is None else self._choose_restricted()

    def plan(self) -> Plan:
        """What `run` would time."""
        return Plan(
            space=self.space.name,
            runtime=BY_CALLABLE if self.runtime is None else self.runtime.name,
            threads=self.threads,
            predictor=self.predictor_name,
            architectures=tuple(self.architectures),
            seconds=None if self.runtime is None else self.budget_s,
        )

    def run(self, *, progress: bool, resume: bool) -> Device:
        """Time, adapt, and return the device, neither stored nor made current."""
        begun = time.perf_counter()
        partial = Partial(self._key())
        report: Report | None = None
        if self.measure is not None:
            measured = self._ask(self.measure, partial, progress, resume)
        else:
            measured, report = self._time(partial, progress, resume)
        version = self.runtime.version() if self.runtime else None
        name = self.runtime.name if self.runtime else BY_CALLABLE
        info = {
            **machine_info(name, version, self.threads),
            "space": self.space.name,
            "predictor": self.predictor_name,
            "bundle": self.bundle.name,
            "seconds": round(time.perf_counter() - begun, 2),
            "notes": list(report.notes) if report else [],
            "unsteady": round(report.unsteady, 4) if report else 0.0,
        }
        profile = Profile(
            self.space.name, self.predictor_name, measured, info, describe(self.bundle)
        )
        device = Device(profile, self.bundle, self.predictor, self.measure)
        partial.discard()
        if device.warning:
            _log.warning("%s", device.warning)
        return device

    def _time(
        self, partial: Partial, progress: bool, resume: bool
    ) -> tuple[tuple[Measurement, ...], Report]:
        assert self.runtime is not None
        begun = time.perf_counter()
        sessions = reference_sessions(self.bundle, self.runtime, self.architectures, self.threads)
        left = max(self.budget_s - (time.perf_counter() - begun), 0.1)
        return time_references(
            sessions,
            self.architectures,
            threads=self.threads,
            budget_s=left,
            progress=progress,
            partial=partial,
            resume=resume,
        )

    def _ask(
        self, measure: Measure, partial: Partial, progress: bool, resume: bool
    ) -> tuple[Measurement, ...]:
        timer = CallableTimer(
            measure,
            wanted=self.samples,
            partial=partial,
            resume=resume,
            spelling=self.spelling,
        )
        asked_again: set[str] = set()
        with progress_bar(progress, "timing") as advance:
            for done, arch in enumerate(self.architectures, 1):
                timer(arch)
                if advance is not None:
                    advance(done, self.samples)
        for _ in range(_MOST_SUSPECTS if self.predictor_name == "edgewise" else 0):
            measured = timer.measurements
            suspect = most_contradicted(self.predictor, measured)
            if suspect is None or suspect in asked_again:
                break
            asked_again.add(suspect)
            timer.again(suspect)
        return timer.measurements

    def _choose(self) -> list[str]:
        references = self.predictor.references
        if self.samples > len(references):
            raise ArgumentError(
                f"samples={self.samples} is too many: predictor {self.predictor_name!r} has "
                f"{len(references)} references in bundle {self.bundle.name!r}"
            )
        return references[: self.samples]

    def _choose_restricted(self) -> list[str]:
        if self.measure is None:
            allowed = [arch for arch in self.predictor.references if arch in self.spelling]
            if len(allowed) < self.samples:
                raise ArgumentError(
                    f"{len(allowed)} of the candidates are references, which alone can be timed "
                    f"without measure=; samples={self.samples} needs more"
                )
            return allowed[: self.samples]
        if len(self.spelling) < self.samples:
            raise ArgumentError(
                f"samples={self.samples} is more than the {len(self.spelling)} candidates"
            )
        return self.predictor.design(list(self.spelling), self.samples)

    def _key(self) -> dict[str, Any]:
        """What must be the same for kept timings to be gone on from."""
        call = self.measure
        return {
            "space": self.space.name,
            "runtime": self.runtime.name if self.runtime else BY_CALLABLE,
            "version": self.runtime.version() if self.runtime else None,
            "callable": None if call is None else _name_of(call),
            "threads": self.threads,
            "cpu": machine.cpu_model(),
            "bundle": describe(self.bundle)["fingerprint"] if self.runtime else None,
        }


def _name_of(call: Measure) -> str:
    named: Any = call if hasattr(call, "__qualname__") else type(call)
    return f"{named.__module__}.{named.__qualname__}"
