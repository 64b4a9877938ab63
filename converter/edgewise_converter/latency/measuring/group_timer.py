"""Times groups of networks on this machine, and watches it from one group to the next."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from edgewise.conditions import DRIFT_LIMIT
from edgewise.measure import MeasuringInterrupted, measure

_log = logging.getLogger(__name__)

_MIN_RUNS = 10

Run = Callable[[], object]


class GroupTimer:
    """Networks of a group are timed in turns, so they share every change of the machine.

    Groups do not. So one network, the anchor, is timed in every group, and when it took another
    time than at first, that is said.
    """

    def __init__(self, threads: int) -> None:
        """`threads` is how many the runs use."""
        self._threads = threads
        self._anchor: _Anchor | None = None

    def anchor(self, arch: str, run: Run, ms: float) -> None:
        """Time `arch`, which took `ms`, in every group; by default the fastest of the first."""
        self._anchor = _Anchor(arch, run, ms)

    def time(self, runs: Mapping[str, Run]) -> tuple[dict[str, float], list[str]]:
        """Milliseconds of each of `runs` by name, and what may have spoilt them.

        Raises:
            MeasuringInterrupted: Ctrl-C; `enough` of its samples are timings all the same.
        """
        timed = dict(runs)
        if self._anchor is not None:
            timed[self._anchor.arch] = self._anchor.run
        functions, names = list(timed.values()), list(timed)
        found = measure(functions, names=names, threads=self._threads, min_runs=_MIN_RUNS)
        ms = {m.name: m.ms for m in found.measurements}
        if self._anchor is None:
            fastest = min(ms, key=ms.__getitem__)
            self.anchor(fastest, runs[fastest], ms[fastest])
        notes = [*found.report.notes, *self._drift(ms)]
        for note in notes:
            _log.warning("%s", note)
        return {arch: ms[arch] for arch in runs}, notes

    def _drift(self, ms: Mapping[str, float]) -> list[str]:
        """A sentence when the anchor took another time than at first."""
        assert self._anchor is not None
        change = ms[self._anchor.arch] / self._anchor.ms - 1
        if abs(change) <= DRIFT_LIMIT:
            return []
        how = "slower" if change > 0 else "faster"
        return [f"the machine is {abs(change):.0%} {how} than when the first were timed"]


def enough(interrupted: MeasuringInterrupted) -> dict[str, float]:
    """Milliseconds of the networks that had runs enough before Ctrl-C."""
    return {
        arch: float(np.median(times))
        for arch, times in interrupted.samples.items()
        if len(times) >= _MIN_RUNS
    }


class _Anchor(NamedTuple):
    arch: str
    run: Run
    ms: float
