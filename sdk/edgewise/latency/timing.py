"""Where the milliseconds of a calibration come from: a runtime on this machine, or any callable."""

from __future__ import annotations

import contextlib
import logging
import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from ..bundle import Bundle
from ..errors import MeasurementError
from ..measure import Measurement, MeasuringInterrupted, Report, measure
from ..runtimes import Runtime, Session
from .partial import Partial
from .references import model_of

_log = logging.getLogger(__name__)

_SAME_DEVICE = 0.25  # relative; two timings of a network on one device are nearer than this


def reference_sessions(
    bundle: Bundle, runtime: Runtime, archs: Sequence[str], threads: int
) -> list[Session]:
    """The reference models of `archs`, inflated, loaded and given an input, ready to be timed.

    Raises ArgumentError for an architecture that the bundle has no model of.
    """
    models = (model_of(bundle, arch, runtime.format) for arch in archs)
    return [ready_session(runtime, model, threads) for model in models]


def ready_session(runtime: Runtime, model: bytes, threads: int) -> Session:
    """A model loaded and given an input, ready to be timed; raises as `Runtime.load`."""
    session = runtime.load(model, threads=threads)
    session.run(*(_pattern(info.shape, info.dtype) for info in session.inputs))
    return session


def _pattern(shape: tuple[int, ...], dtype: np.dtype[np.generic]) -> np.ndarray:
    """An input in [-1, 1] that is neither constant nor random, so that every run is the same."""
    size = math.prod(shape)
    return np.sin(np.arange(size, dtype=np.float64)).reshape(shape).astype(dtype)


def time_references(
    sessions: Sequence[Session],
    archs: Sequence[str],
    *,
    threads: int,
    budget_s: float,
    progress: bool,
    partial: Partial,
    resume: bool,
) -> tuple[tuple[Measurement, ...], Report]:
    """Time loaded models; Ctrl-C keeps what was timed in `partial` before it goes on."""
    earlier = partial.load() if resume else {}
    known = [arch for arch in archs if arch in earlier]
    if known:
        _log.info("going on with the timings of %d architectures kept earlier", len(known))
    _log.info("timing %d architectures, %g s at most", len(archs), budget_s)
    try:
        with progress_bar(progress, "timing") as advance:
            timings = measure(
                [session.invoke for session in sessions],
                names=archs,
                threads=threads,
                budget_s=budget_s,
                progress=advance,
                earlier=[earlier.get(arch, []) for arch in archs],
            )
    except MeasuringInterrupted as interrupted:
        partial.keep(interrupted.samples, len(archs))
        raise
    for note in timings.report.notes:
        _log.warning("%s", note)
    return timings.measurements, timings.report


class CallableTimer:
    """Asks a user's callable for milliseconds, one architecture at a time, and keeps every answer.

    `spelling` maps canonical strings to the caller's own, in which the callable is asked.
    """

    def __init__(
        self,
        call: Callable[[str], float],
        *,
        wanted: int,
        partial: Partial,
        resume: bool,
        spelling: dict[str, str],
    ) -> None:
        self._call = call
        self._wanted = wanted
        self._partial = partial
        self._spelling = spelling
        self._kept = partial.load() if resume else {}
        self._checked = not self._kept
        self.samples: dict[str, list[float]] = {}

    def __call__(self, arch: str) -> float:
        """Milliseconds of `arch`, asked for or kept from an interrupted calibration.

        Raises MeasurementError for a timing that is none; whatever is raised, what was timed
        before is kept in the partial file.
        """
        try:
            if not self._checked:
                self._check_kept()
            if arch not in self._kept:
                self._kept[arch] = [self._ask(arch)]
            self.samples[arch] = self._kept[arch]
        except BaseException:
            self._partial.keep(self._kept, self._wanted)
            raise
        return self.samples[arch][0]

    def _ask(self, arch: str) -> float:
        spelt = self._spelling.get(arch, arch)
        return valid_ms(spelt, self._call(spelt))

    def _check_kept(self) -> None:
        """Time one architecture again: kept timings may be another device's, asked for by the same
        function, and two devices mixed would predict neither."""
        self._checked = True
        arch, times = next(iter(self._kept.items()))
        now = self._ask(arch)
        if abs(now / times[0] - 1) > _SAME_DEVICE:
            _log.warning(
                "%d timings kept from an interrupted calibration are dropped: %s took %.4g ms then "
                "and %.4g ms now",
                len(self._kept),
                arch,
                times[0],
                now,
            )
            self._kept = {}
        else:
            _log.info("going on with the timings of %d architectures kept earlier", len(self._kept))
        self._kept[arch] = [now]


def valid_ms(arch: str, value: object) -> float:
    """`value` as milliseconds; MeasurementError, naming both, unless it is finite and positive."""
    try:
        ms = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        ms = math.nan
    if not (math.isfinite(ms) and ms > 0):
        raise MeasurementError(
            f"the timing of {arch} is {value!r}; milliseconds must be finite and above 0"
        )
    return ms


@contextlib.contextmanager
def progress_bar(show: bool, what: str) -> Iterator[Callable[[int, int], None] | None]:
    """`advance(done, total)` that draws a bar on a terminal's standard error, or None."""
    if not show:
        yield None
        return
    from tqdm import tqdm  # only here: importing it takes longer than importing the package

    with tqdm(desc=what, unit="", disable=None, leave=False) as bar:

        def advance(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield advance
