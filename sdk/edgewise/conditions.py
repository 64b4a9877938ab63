"""Under what conditions timings were taken: what was seen of the machine, said in words.

How the timings themselves are taken is `measure`; what one can read of a machine is `machine`.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from . import machine

DRIFT_LIMIT = 0.05
"""Relative change from the first to the last rounds that is worth a word."""
UNSTEADY_LIMIT = 0.05
"""Relative standard deviation of the machine's speed that is worth a word."""

_LOST_LIMIT = 0.1
_STEAL_LIMIT = 0.02
_THROTTLED_LIMIT = 0.02
_CROWD_LIMIT = 0.4
# Runs that others interrupted had 0 to 5 % more CPU time than undisturbed ones beside them (ten
# networks, two runtimes, six kinds of load, on a virtual AMD EPYC), with up to 0.4 of time lost.
_CONTENTION = 0.1


@dataclass(frozen=True)
class Report:
    """Under what conditions the timings were taken."""

    seconds: float
    """Wall time of everything, warm-up included."""
    rounds: int
    """Complete rounds."""
    error: float
    """Relative standard error of the least well known median."""
    drift: float
    """Median relative change from the first third of the rounds to the last; 0 with one round."""
    interrupted: float
    """Share of runs during which another program took the CPU away; 0 where unknown."""
    cpu_share: float
    """CPU time of this process over wall time during the timed runs; about the thread count when
    nothing else runs."""
    stolen: float
    """Share of the machine's CPU time that a hypervisor gave to others; 0 where unknown."""
    load: float | None
    """Load average of the last minute when measuring began; None where unknown."""
    finished: bool
    """Whether everything was timed as long as asked for, and not cut short by the budget."""
    lost: float = 0.0
    """Share of the timed runs' wall time that interruptions took, which no time counts; 0 where
    unknown, and on several threads."""
    throttled: float = 0.0
    """Share of the time for which a CPU quota stopped this process; 0 where unknown."""
    crowd: float | None = None
    """Share of all cores that other programs kept busy; None where unknown."""
    wavering: float = 0.0
    """Relative standard deviation of the machine's speed from round to round."""

    @property
    def withheld(self) -> float:
        """Share of the time for which others or a quota kept this process from running.

        A quota often stops a process between two timed runs, which `lost` does not see.
        """
        return max(self.lost, self.throttled)

    @property
    def unsteady(self) -> float:
        """Relative standard deviation of the machine's speed while it was measured.

        Its wavering from round to round, and what programs that take turns with this one may have
        made slower without stopping it.
        """
        return math.hypot(self.wavering, _CONTENTION * self.lost)

    @property
    def notes(self) -> tuple[str, ...]:
        """What may have spoilt the timings and the cure, a sentence each, the gravest first; empty
        when nothing was seen."""
        return tuple(self._signs())

    def _signs(self) -> Iterator[str]:
        by_others = max(self.lost, 1 - self.cpu_share if self.interrupted else 0.0)
        if self.throttled > _THROTTLED_LIMIT:
            yield (
                f"a CPU quota stopped this process {self.throttled:.0%} of the time; lift it "
                "(cpu.max of its control group, the limit of its container) and measure again"
            )
        if by_others > _LOST_LIMIT and self.throttled < by_others / 2:
            yield (
                f"other programs took the CPU away during {self.interrupted:.0%} of the runs, "
                f"which had {self.cpu_share:.0%} of a core; stop them and measure again"
            )
        if abs(self.drift) > DRIFT_LIMIT:
            how = "slower" if self.drift > 0 else "faster"
            yield (
                f"the machine became {abs(self.drift):.0%} {how} while it was measured; let it "
                "reach a steady temperature and clock, then measure again"
            )
        if self.wavering > UNSTEADY_LIMIT:
            yield (
                f"the machine's speed varied by {self.wavering:.0%} from round to round; "
                "fix its clock, stop other programs, and measure again"
            )
        if self.crowd is not None and self.crowd > _CROWD_LIMIT:
            yield (
                f"other programs kept {self.crowd:.0%} of all cores busy; stop them and "
                "measure again"
            )
        if self.stolen > _STEAL_LIMIT:
            yield (
                f"the hypervisor gave {self.stolen:.0%} of the CPU time to others; "
                "measure again at another time"
            )
        if not self.finished:
            yield (
                f"the budget ended measuring after {self.rounds} rounds; a larger one makes "
                "the timings steadier"
            )
        cores = machine.cores()
        if self.crowd is None and self.load is not None and self.load > cores:
            yield (
                f"the load average was {self.load:.1f} on {cores} cores at the beginning; "
                "stop other programs and measure again"
            )


class Watch:
    """Watches the machine from when it is made until `report`."""

    def __init__(self) -> None:
        self.started = time.perf_counter()
        self._load = machine.load_average()
        self._ticks = machine.ticks()
        self._throttled = machine.throttled_s()
        self._own = time.process_time()
        self._cores = os.cpu_count() or 1

    def report(self, **timings: Any) -> Report:
        """What was seen, and `timings`: the other fields of a `Report`."""
        seconds, own = time.perf_counter() - self.started, time.process_time() - self._own
        now, throttled = machine.ticks(), machine.throttled_s()
        known = None not in (self._throttled, throttled)
        return Report(
            seconds=seconds,
            stolen=machine.stolen_share(self._ticks, now),
            load=self._load,
            throttled=min(1.0, ((throttled or 0.0) - (self._throttled or 0.0)) / seconds)
            if known
            else 0.0,
            crowd=self._crowd(now, own / seconds),
            **timings,
        )

    def _crowd(self, now: machine.Ticks | None, own_cores: float) -> float | None:
        if self._ticks is None or now is None:
            return None
        return max(0.0, machine.busy_share(self._ticks, now) - own_cores / self._cores)
