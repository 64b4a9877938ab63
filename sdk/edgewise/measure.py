"""Honest timing of several things that run on this machine, side by side.

Each is warmed up until steady. Then rounds go over all of them, so that a machine that slows down
or is disturbed hits all alike; every other round goes backwards, so that within a round no place
is better than another. Rounds go on until every median is known well enough. Medians and spreads
are over single runs.

A run is wall time. Runs during which another program took the CPU away, or a quota or a signal
stopped this process, say little of the network, and long ones are hit most: they are left out
where enough others are left, and measuring is more patient until there are. Where there are not,
an interrupted run on one thread counts the time that it had the CPU. How often that was, and
whatever else may have spoilt the timings (a drift between the first and the last rounds, a busy
machine, a hypervisor), is reported in words: `conditions.Report`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from .arguments import positive_int, positive_number
from .conditions import Report, Watch
from .errors import ArgumentError

try:
    import resource
except ImportError:  # not a Unix: runs are wall time, come what may
    resource = None  # type: ignore[assignment]

_IQR_OF_NORMAL = 1.349  # interquartile range of a normal distribution, in standard deviations
_ERROR_OF_MEDIAN = 1.2533  # standard error of a normal sample's median, in those of its mean
_PATIENCE = 2.5  # how many times longer a lane may take that is short of undisturbed runs
_SHORT_RUN_S = 0.05  # below this a run still feels the caches that the previous network left

Progress = Callable[[int, int], None]
"""`progress(done, total)`; what is counted are visits of one network in one round."""


@dataclass(frozen=True)
class Measurement:
    """What timing one thing gave."""

    name: str
    ms: float
    """Median of one run, milliseconds."""
    spread: float
    """Relative spread of single runs: interquartile range / 1.349 / median; 0 for a single run."""
    runs: int
    """Number of timed runs that count; disturbed ones are left out where enough others are left."""
    p90: float
    """90th percentile of one run, milliseconds."""


@dataclass(frozen=True)
class Timings:
    """Everything `measure` found, in the order of its arguments."""

    measurements: tuple[Measurement, ...]
    report: Report


class MeasuringInterrupted(KeyboardInterrupt):
    """Ctrl-C while measuring; `samples` holds milliseconds of the runs until then, by name."""

    def __init__(self, names: Sequence[str], samples: Sequence[Sequence[float]]) -> None:
        super().__init__("measuring was interrupted")
        self.samples = {name: tuple(times) for name, times in zip(names, samples, strict=True)}


def summarise(name: str, times_ms: Sequence[float]) -> Measurement:
    """Median, spread and 90th percentile of the runs `times_ms` (milliseconds, at least one)."""
    low, median, high, p90 = np.percentile(times_ms, [25, 50, 75, 90])
    spread = (high - low) / _IQR_OF_NORMAL / median
    return Measurement(name, float(median), float(spread), len(times_ms), float(p90))


def measure(
    runs: Sequence[Callable[[], object]],
    *,
    names: Sequence[str],
    min_runs: int = 10,
    min_seconds: float = 0.2,
    max_seconds: float = 1.0,
    precision: float = 0.01,
    threads: int = 1,
    budget_s: float | None = None,
    progress: Progress | None = None,
    earlier: Sequence[Sequence[float]] | None = None,
) -> Timings:
    """Time each of `runs`, side by side.

    Args:
        runs: what is timed: callables without arguments.
        names: one a run.
        min_runs: timed runs of each, at least.
        min_seconds: their sum, at least.
        max_seconds: wall time spent on each after warming up, about at most, however badly its
            median is known; two and a half times as much while fewer than `min_runs` runs of it
            were undisturbed.
        precision: the relative standard error at which a median is known well enough.
        threads: how many the runs use; interruptions can be made good on one only.
        budget_s: bounds the whole, in seconds; one round is completed even so, that everything
            has a time.
        progress: called after each visit of one run in one round.
        earlier: milliseconds of the runs of an interrupted measurement, which count.

    Raises:
        ArgumentError: impossible arguments.
        MeasuringInterrupted: Ctrl-C; it is a KeyboardInterrupt with the runs timed until then.
        Exception: whatever a run raises.
    """
    _check(runs, names, min_runs, min_seconds, budget_s)
    if earlier is None:
        earlier = [()] * len(runs)
    if len(earlier) != len(runs):
        raise ArgumentError(f"earlier has {len(earlier)} entries for {len(runs)} things to time")
    lanes = [_Lane(run, list(times)) for run, times in zip(runs, earlier, strict=True)]
    plan = _Plan(min_runs, min_seconds, max(max_seconds, min_seconds), precision, budget_s)
    try:
        report = _measure(lanes, plan, _Stopwatch(threads), progress)
    except KeyboardInterrupt:
        raise MeasuringInterrupted(names, [lane.samples for lane in lanes]) from None
    counted = [lane.counted(min_runs) for lane in lanes]
    return Timings(tuple(map(summarise, names, counted)), report)


def _check(
    runs: Sequence[object],
    names: Sequence[str],
    min_runs: int,
    min_seconds: float,
    budget_s: float | None,
) -> None:
    if not runs:
        raise ArgumentError("there is nothing to measure")
    if len(names) != len(runs):
        raise ArgumentError(f"{len(names)} names were given for {len(runs)} things to time")
    positive_int("min_runs", min_runs)
    if not 0 <= min_seconds < math.inf:
        raise ArgumentError(f"min_seconds must be a number of seconds, not {min_seconds}")
    if budget_s is not None:
        positive_number("budget_s", budget_s, "seconds")


@dataclass(frozen=True)
class _Plan:
    min_runs: int
    min_seconds: float
    max_seconds: float
    precision: float
    budget_s: float | None

    @property
    def slice_s(self) -> float:
        """How long one visit lasts, if it is more than one run."""
        return self.min_seconds / self.min_runs


class _Run(NamedTuple):
    """One timed run."""

    ms: float
    """What counts of it; see the module about interrupted ones."""
    losses: int
    """How often this process lost the CPU during it because it had to."""
    waits: int
    """How often because it waited, or was stopped."""


def undisturbed(runs: Sequence[_Run]) -> list[float]:
    """Milliseconds of those `runs` that nothing interrupted.

    A run may wait for a disk or another thread; only where most do not is one that does disturbed.
    """
    waits = np.median([run.waits for run in runs]) > 0 if runs else False
    return [run.ms for run in runs if run.losses == 0 and (waits or run.waits == 0)]


class _Lane:
    """One of the things that are timed, with its runs."""

    def __init__(self, run: Callable[[], object], earlier: Sequence[float]) -> None:
        self.run = run
        self.runs = [_Run(ms, 0, 0) for ms in earlier]
        self.visits = [float(np.median(earlier))] if earlier else []
        self.earlier = len(self.visits)  # of these, from before the first round
        self.once_s = math.inf
        self.timed_s = sum(earlier) / 1000
        self.spent_s = self.timed_s  # with what is not timed

    @property
    def samples(self) -> list[float]:
        """Milliseconds of every run."""
        return [run.ms for run in self.runs]

    def counted(self, enough: int) -> list[float]:
        """Milliseconds of the undisturbed runs if they are `enough`, else of all."""
        best = undisturbed(self.runs)
        return best if len(best) >= enough else self.samples

    def done(self, plan: _Plan) -> bool:
        if len(self.runs) < plan.min_runs or self.timed_s < plan.min_seconds:
            return False
        if self.spent_s >= _PATIENCE * plan.max_seconds:
            return True
        if len(undisturbed(self.runs)) < plan.min_runs:
            return False
        return self.spent_s >= plan.max_seconds or self.error() <= plan.precision

    def error(self) -> float:
        """Relative standard error of the median, from how much visits differ: runs of one visit
        are alike, so they would make it look better known than it is."""
        if len(self.visits) < 2:
            return math.inf
        low, median, high = np.percentile(self.visits, [25, 50, 75])
        deviation = (high - low) / _IQR_OF_NORMAL / median
        return float(_ERROR_OF_MEDIAN * deviation / math.sqrt(len(self.visits)))

    def warm_up(self, until: float) -> None:
        """Run until three runs in a row are about as fast as the three before.

        Stops after 30 runs or one second of them, and (after one run) at the time `until`.
        """
        times: list[float] = []
        while len(times) < 30 and sum(times) < 1.0:
            begun = time.perf_counter()
            self.run()
            now = time.perf_counter()
            times.append(now - begun)
            if now > until:
                break
            if len(times) >= 6 and min(times[-3:]) > 0.97 * min(times[-6:-3]):
                break
        self.once_s = min(times[-3:])

    def visit(self, stopwatch: _Stopwatch, seconds: float) -> None:
        """Time runs for `seconds`, at least one.

        A first run is not timed where it is short: it undoes what the network before did to the
        caches, which in a long run matters no more.
        """
        begun = time.perf_counter()
        if self.once_s < _SHORT_RUN_S:
            self.run()
        end = time.perf_counter() + seconds
        fresh: list[_Run] = []
        while not fresh or time.perf_counter() < end:
            fresh.append(stopwatch.time(self.run))
        self.runs += fresh
        self.visits.append(float(np.median(undisturbed(fresh) or [run.ms for run in fresh])))
        self.timed_s += sum(run.ms for run in fresh) / 1000
        self.spent_s += time.perf_counter() - begun


@dataclass
class _Stopwatch:
    """Times single runs, and sums what they had of the CPU."""

    threads: int
    runs: int = 0
    interrupted: int = 0
    wall_s: float = 0.0
    cpu_s: float = 0.0
    counted_s: float = 0.0

    def time(self, run: Callable[[], object]) -> _Run:
        """One run, timed; see the module about interrupted ones."""
        waits, losses = _switches()
        cpu, wall = time.process_time(), time.perf_counter()
        run()
        wall = time.perf_counter() - wall
        cpu = time.process_time() - cpu
        now = _switches()
        waits, losses = now[0] - waits, now[1] - losses
        self.runs += 1
        self.wall_s += wall
        self.cpu_s += cpu
        self.interrupted += losses > 0
        # a run that waits (for a disk, another thread) takes longer than its time on the CPU
        only_worked = self.threads == 1 and waits == 0
        counted = min(cpu, wall) if losses and only_worked else wall
        self.counted_s += counted
        return _Run(counted * 1000, losses, waits)


def _switches() -> tuple[int, int]:
    """How often this process lost the CPU: because it waited, and because it had to."""
    if resource is None:
        return 0, 0
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_nvcsw, usage.ru_nivcsw


def _measure(
    lanes: Sequence[_Lane], plan: _Plan, stopwatch: _Stopwatch, progress: Progress | None
) -> Report:
    watch = Watch()
    end = math.inf if plan.budget_s is None else watch.started + plan.budget_s
    for lane in lanes:
        lane.warm_up(until=watch.started + 0.3 * (end - watch.started))
    rounds = _rounds(lanes, plan, stopwatch, end, progress)
    return watch.report(
        rounds=rounds,
        error=max(lane.error() for lane in lanes),
        drift=_drift(lanes),
        interrupted=stopwatch.interrupted / stopwatch.runs,
        cpu_share=stopwatch.cpu_s / stopwatch.wall_s,
        finished=all(lane.done(plan) for lane in lanes),
        lost=1 - stopwatch.counted_s / stopwatch.wall_s,
        wavering=wavering(by_round(lanes, rounds)),
    )


def _rounds(
    lanes: Sequence[_Lane],
    plan: _Plan,
    stopwatch: _Stopwatch,
    end: float,
    progress: Progress | None,
) -> int:
    """Visit every lane in turn until all are done or the time `end` has come; complete rounds."""
    rounds = visits = 0
    while rounds == 0 or not all(lane.done(plan) for lane in lanes):
        for lane in lanes if rounds % 2 == 0 else reversed(lanes):
            if rounds > 0 and time.perf_counter() > end:
                return rounds
            lane.visit(stopwatch, plan.slice_s)
            visits += 1
            if progress is not None:
                progress(visits, max(plan.min_runs * len(lanes), visits))
        rounds += 1
    return rounds


def _drift(lanes: Sequence[_Lane]) -> float:
    changes = []
    for lane in lanes:
        third = len(lane.visits) // 3 or 1
        if len(lane.visits) > 1:
            first, last = np.median(lane.visits[:third]), np.median(lane.visits[-third:])
            changes.append(last / first - 1)
    return float(np.median(changes)) if changes else 0.0


def by_round(lanes: Sequence[_Lane], rounds: int) -> list[list[float]]:
    """(lanes, rounds) milliseconds of the complete rounds; a budget may end the last one midway."""
    return [lane.visits[lane.earlier : lane.earlier + rounds] for lane in lanes]


def wavering(visits: Sequence[Sequence[float]]) -> float:
    """Relative standard deviation of the speed that all lanes share, from round to round.

    `visits` (lanes, rounds) holds milliseconds. The speed of a round is the median lane's, relative
    to what each lane usually takes; its spread is that of `summarise`.
    """
    logs = np.log(np.maximum(visits, 1e-12))
    speeds = np.median(logs - np.median(logs, axis=1, keepdims=True), axis=0)
    low, high = np.percentile(speeds, [25, 75])
    return float((high - low) / _IQR_OF_NORMAL)
