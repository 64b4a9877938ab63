"""Where the milliseconds of a calibration come from: a runtime on this machine, or any callable."""

from __future__ import annotations

import contextlib
import logging
import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from ..bundle import Bundle
from ..conditions import Report
from ..errors import MeasurementError
from ..measure import Measurement, MeasuringInterrupted, measure, summarise
from ..runtimes import Runtime, Session
from .partial import Partial
from .references import model_of

_log = logging.getLogger(__name__)

Measure = Callable[[str], "float | Sequence[float]"]
"""A callable that is asked for the milliseconds of an architecture: of one run, or of several, of
which the median counts and the spread is reported."""

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
        _log.info("%s", note)
    return timings.measurements, timings.report


class CallableTimer:
    """Asks a user's callable for milliseconds, one architecture at a time, and keeps every answer.

    `spelling` maps canonical strings to the caller's own, in which the callable is asked.
    """

    def __init__(
        self,
        call: Measure,
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

    def __call__(self, arch: str) -> None:
        """Ask for the milliseconds of `arch`, unless kept from an interrupted calibration.

        Raises MeasurementError for a timing that is none; whatever is raised, what was timed
        before is kept in the partial file.
        """
        try:
            if not self._checked:
                self._check_kept()
            if arch not in self._kept:
                self._kept[arch] = self._ask(arch)
            self.samples[arch] = self._kept[arch]
        except BaseException:
            self._partial.keep(self._kept, self._wanted)
            raise

    def again(self, arch: str) -> None:
        """Ask twice more for `arch`, so that the median of three counts."""
        try:
            for _ in range(2):
                self._kept[arch] = self.samples[arch] = [*self._kept[arch], *self._ask(arch)]
        except BaseException:
            self._partial.keep(self._kept, self._wanted)
            raise

    @property
    def measurements(self) -> tuple[Measurement, ...]:
        """What was answered, in the order of asking."""
        return tuple(summarise(arch, times) for arch, times in self.samples.items())

    def _ask(self, arch: str) -> list[float]:
        spelt = self._spelling.get(arch, arch)
        return valid_runs(spelt, self._call(spelt))

    def _check_kept(self) -> None:
        """Time one architecture again: kept timings may be another device's, asked for by the same
        function, and two devices mixed would predict neither."""
        self._checked = True
        arch, times = next(iter(self._kept.items()))
        now = self._ask(arch)
        then_ms, now_ms = float(np.median(times)), float(np.median(now))
        if abs(now_ms / then_ms - 1) > _SAME_DEVICE:
            _log.warning(
                "%d timings kept from an interrupted calibration are dropped: %s took %.4g ms then "
                "and %.4g ms now",
                len(self._kept),
                arch,
                then_ms,
                now_ms,
            )
            self._kept = {}
        else:
            _log.info("going on with the timings of %d architectures kept earlier", len(self._kept))
        self._kept[arch] = now


def valid_runs(arch: str, value: object) -> list[float]:
    """What a callable answered, as milliseconds of one or more runs; raises as `valid_ms`."""
    if isinstance(value, (Sequence, np.ndarray)) and not isinstance(value, str) and np.size(value):
        return [valid_ms(arch, one) for one in np.ravel(value)]
    return [valid_ms(arch, value)]


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
