"""Measuring: what counts, what is reported, what is kept; never how long something took."""

from __future__ import annotations

import multiprocessing
import os
import time
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest

from edgewise import measure as module
from edgewise.conditions import DRIFT_LIMIT, UNSTEADY_LIMIT, Report
from edgewise.errors import ArgumentError
from edgewise.measure import MeasuringInterrupted, measure, summarise

QUICK: dict[str, Any] = {"min_seconds": 0.0, "max_seconds": 0.0}


def spin(seconds: float) -> None:
    """Work, not sleep, until this thread has had the CPU for `seconds`."""
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


def test_at_least_min_runs_and_min_seconds_of_each() -> None:
    timings = measure(
        [lambda: spin(0.001), lambda: spin(0.004)],
        names=["little", "more"],
        min_runs=10,
        min_seconds=0.05,
        max_seconds=0.05,
    )
    little, more = timings.measurements
    assert (little.name, more.name) == ("little", "more")
    assert min(little.runs, more.runs) >= 10
    assert more.ms > little.ms > 0.9
    assert more.p90 >= more.ms
    assert timings.report.rounds >= 10
    assert timings.report.finished


def test_summary_is_median_spread_and_p90() -> None:
    times = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0]
    found = summarise("x", times)
    assert found.ms == 6.0
    assert found.p90 == 10.0
    assert found.runs == 11
    assert found.spread == pytest.approx((8.5 - 3.5) / 1.349 / 6.0)
    assert summarise("x", [3.0]).spread == 0.0


def test_waiting_counts_as_time() -> None:
    """A run that sleeps takes wall time, though it has no CPU."""
    (found,) = measure(
        [lambda: time.sleep(0.002)], names=["sleep"], min_runs=3, **QUICK
    ).measurements
    assert found.ms >= 2.0


def test_rounds_are_interleaved_and_turn_round() -> None:
    order: list[int] = []
    measure(
        [partial(order.append, i) for i in range(3)],
        names=["0", "1", "2"],
        min_runs=4,
        **QUICK,
    )
    visited = [a for a, b in zip(order, [*order[1:], -1], strict=True) if a != b]
    warm_up, rounds = visited[:3], visited[3:]
    assert warm_up == [0, 1, 2]
    # the last of a round is the first of the next, so both visits look like one
    assert rounds[:7] == [0, 1, 2, 1, 0, 1, 2]


def test_progress_reaches_its_total() -> None:
    calls: list[tuple[int, int]] = []
    measure(
        [lambda: None, lambda: None],
        names=["a", "b"],
        min_runs=5,
        progress=lambda done, total: calls.append((done, total)),
        **QUICK,
    )
    assert calls == [(i, 10) for i in range(1, 11)]


def test_the_budget_ends_it_after_a_complete_round() -> None:
    timings = measure(
        [lambda: spin(0.005)] * 3, names=["a", "b", "c"], min_runs=1000, budget_s=0.05
    )
    assert all(m.runs >= 1 for m in timings.measurements)
    assert not timings.report.finished
    assert any("budget" in note for note in timings.report.notes)


def test_a_machine_that_slows_down_is_reported() -> None:
    begun = time.perf_counter()

    def slower() -> None:
        spin(0.001 * (1 + 10 * (time.perf_counter() - begun)))

    report = measure([slower], names=["slower"], min_seconds=0.4, max_seconds=0.4).report
    assert report.drift > DRIFT_LIMIT
    assert any("slower" in note for note in report.notes)


def test_what_spoils_timings_is_said() -> None:
    calm = Report(
        seconds=1, rounds=10, error=0.01, drift=0, interrupted=0, cpu_share=1, stolen=0,
        load=0.1, finished=True,
    )  # fmt: skip
    assert calm.notes == ()
    busy = Report(
        seconds=1, rounds=10, error=0.2, drift=-0.3, interrupted=0.5, cpu_share=0.6, stolen=0.1,
        load=999.0, finished=False, lost=0.4, crowd=0.8, wavering=0.07,
    )  # fmt: skip
    text = " | ".join(busy.notes)
    for word in ("budget", "30% faster", "50% of the runs", "60% of a core", "hypervisor",
                 "80% of all cores", "varied by 7%"):  # fmt: skip
        assert word in text
    assert "999" not in text  # what the cores did meanwhile is known, and says more
    assert "999" in " | ".join(replace(busy, crowd=None).notes)
    assert busy.unsteady == pytest.approx(np.hypot(0.07, 0.04))
    assert calm.unsteady == 0.0


def test_a_quota_is_told_from_other_programs() -> None:
    slowed = Report(
        seconds=1, rounds=10, error=0.01, drift=0, interrupted=0.4, cpu_share=0.5, stolen=0,
        load=0.1, finished=True, lost=0.5, throttled=0.5,
    )  # fmt: skip
    (note,) = slowed.notes
    assert "quota" in note
    assert "50%" in note
    assert "cpu.max" in note


def test_a_runtime_that_waits_is_not_taken_for_a_disturbed_one() -> None:
    """Half of a core and no interruption: it waits for a coprocessor, and all is well."""
    waits = Report(
        seconds=1, rounds=10, error=0.01, drift=0, interrupted=0, cpu_share=0.5, stolen=0,
        load=0.1, finished=True,
    )  # fmt: skip
    assert waits.notes == ()


def test_ctrl_c_keeps_what_was_timed_and_it_can_go_on() -> None:
    calls = {"a": 0, "b": 0}

    def count(name: str, stop_at: int | None) -> None:
        calls[name] += 1
        if calls[name] == stop_at:
            raise KeyboardInterrupt

    with pytest.raises(MeasuringInterrupted) as caught:
        measure(
            [lambda: count("a", None), lambda: count("b", 40)],
            names=["a", "b"],
            min_runs=10**6,
            **QUICK,
        )
    kept = caught.value.samples
    assert isinstance(caught.value, KeyboardInterrupt)
    assert len(kept["a"]) > 0
    assert len(kept["b"]) > 0
    timings = measure(
        [lambda: count("a", None), lambda: count("b", None)],
        names=["a", "b"],
        min_runs=len(kept["b"]) + 1,
        earlier=[kept["a"], kept["b"]],
        **QUICK,
    )
    assert timings.measurements[1].runs == len(kept["b"]) + 1


Series = list[tuple[float, int, int]]


def lane_of(series: Series) -> module._Lane:
    lane = module._Lane(lambda: None, [])
    lane.runs = [module._Run(*run) for run in series]
    return lane


def test_interrupted_runs_are_left_out_where_others_suffice() -> None:
    """Runs of 5 ms; four in five are interrupted, and cost up to a third more even so."""
    random = np.random.default_rng(0)
    series: Series = []
    for i in range(100):
        ms = float(random.normal(5.0, 0.05))
        series.append((ms, 0, 0) if i % 5 == 0 else (ms * float(random.uniform(1, 1.3)), 2, 0))
    lane = lane_of(series)
    found = summarise("x", lane.counted(enough=10))
    assert found.runs == 20
    assert found.ms == pytest.approx(5.0, rel=0.01)
    assert found.spread < 0.02
    assert np.median(lane.samples) > 5.3
    assert len(lane.counted(enough=21)) == 100  # too few undisturbed ones: all of them


def test_a_run_that_was_stopped_is_left_out_unless_all_runs_wait() -> None:
    stopped = module.undisturbed([module._Run(1.0, 0, 0)] * 7 + [module._Run(9.0, 0, 1)] * 3)
    assert stopped == [1.0] * 7
    waiting = module.undisturbed([module._Run(1.0, 0, 2)] * 7 + [module._Run(9.0, 1, 2)] * 3)
    assert waiting == [1.0] * 7
    assert module.undisturbed([]) == []


def test_a_lane_is_patient_until_enough_runs_are_undisturbed() -> None:
    plan = module._Plan(10, min_seconds=0.0, max_seconds=1.0, precision=0.01, budget_s=None)
    lane = lane_of([(1.0, 1, 0)] * 30)
    for spent, done in ((1.1, False), (2.4, False), (2.5, True)):
        lane.spent_s = spent
        assert lane.done(plan) == done
    lane.runs += [module._Run(1.0, 0, 0)] * 10
    lane.spent_s = 1.1
    assert lane.done(plan)


def test_rounds_are_compared_with_themselves() -> None:
    """Neither what was timed before nor a round that the budget ended midway moves one lane's."""
    first, second = module._Lane(lambda: None, [7.0, 9.0]), module._Lane(lambda: None, [])
    first.visits += [1.0, 2.0, 1.0, 2.0]  # the fourth round reached this one only
    second.visits += [10.0, 20.0, 10.0]
    assert module.by_round([first, second], 3) == [[1.0, 2.0, 1.0], [10.0, 20.0, 10.0]]


def test_wavering_is_of_the_speed_that_all_share() -> None:
    """Noise of each visit averages out over the lanes; what hits whole rounds does not."""
    random = np.random.default_rng(1)
    own = random.uniform(1, 20, (10, 1)) * np.exp(random.normal(0, 0.02, (10, 400)))
    assert module.wavering(own.tolist()) < 0.01
    shared = np.exp(random.normal(0, 0.08, 400))
    assert module.wavering((own * shared).tolist()) == pytest.approx(0.08, rel=0.15)
    assert module.wavering([[3.0]]) == 0.0
    loaded = Report(
        seconds=1, rounds=400, error=0.01, drift=0, interrupted=0, cpu_share=1, stolen=0,
        load=None, finished=True, wavering=module.wavering((own * shared).tolist()),
    )  # fmt: skip
    assert loaded.wavering > UNSTEADY_LIMIT
    assert "varied by 8%" in loaded.notes[0]


def _hog(seconds: float) -> None:
    spin(seconds)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs to share one core")
def test_what_other_programs_take_is_not_counted() -> None:
    """Two processes on one core: a run's wall time doubles, what is counted of it does not."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    rival = multiprocessing.get_context("spawn").Process(target=_hog, args=(2.0,), daemon=True)
    try:
        rival.start()
        stopwatch = module._Stopwatch(threads=1)
        counted = 0.0
        while rival.is_alive():
            counted += stopwatch.time(lambda: spin(0.02)).ms
    finally:
        rival.kill()
        rival.join()
        os.sched_setaffinity(0, before)
    assert stopwatch.interrupted > 0
    assert counted / 1000 < stopwatch.wall_s
    assert counted / 1000 >= stopwatch.cpu_s * 0.999


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"names": ["a", "b"]}, "2 names were given for 1"),
        ({"min_runs": 0}, "min_runs"),
        ({"min_seconds": -1.0}, "min_seconds"),
        ({"min_seconds": float("nan")}, "min_seconds"),
        ({"budget_s": 0.0}, "budget_s"),
        ({"earlier": [[], []]}, "earlier has 2 entries"),
    ],
)
def test_impossible_arguments(changes: dict[str, object], message: str) -> None:
    arguments: dict[str, object] = {"names": ["a"], **changes}
    with pytest.raises(ArgumentError, match=message):
        measure([lambda: None], **arguments)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="nothing to measure"):
        measure([], names=[])


def test_the_error_of_a_median_shrinks_with_visits() -> None:
    lane = module._Lane(lambda: None, [])
    lane.visits = list(np.random.default_rng(0).normal(1.0, 0.1, 25))
    few = lane.error()
    lane.visits = list(np.random.default_rng(0).normal(1.0, 0.1, 400))
    many = lane.error()
    assert few == pytest.approx(1.2533 * 0.1 / 5, rel=0.5)
    assert many == pytest.approx(1.2533 * 0.1 / 20, rel=0.2)
    lane.visits = [1.0]
    assert lane.error() == float("inf")
