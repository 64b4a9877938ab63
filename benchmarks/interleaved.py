"""Medians of interleaved runs, so that whatever disturbs the machine hits all alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable


def medians_ms(rounds: int, runs: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Median milliseconds of each, interleaved, after one round that does not count."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds + 1):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            times[name].append(1e3 * (time.perf_counter() - start))
    return {name: statistics.median(values[1:]) for name, values in times.items()}
