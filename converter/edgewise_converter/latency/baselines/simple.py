"""Baselines without meta-training: FLOPs, the most similar training device, ridge regression."""

from __future__ import annotations

import numpy as np

from edgewise.errors import ArgumentError
from edgewise_converter.latency.baselines.linear import Line, d_optimal, fit_line, fit_ridge
from edgewise_converter.latency.features import FloatArray, flops, operation_counts
from edgewise_converter.latency.methods import Adapter, Sources
from edgewise_converter.latency.protocols import Target
from edgewise_converter.latency.scoring import Estimate


class Flops:
    """A line in the number of floating-point operations."""

    name = "flops"
    apart = False
    most_repetitions = None

    def train(self, sources: Sources) -> Adapter:
        """Nothing is learnt from other devices."""

        def adapt(target: Target) -> Estimate:
            timed, ms = target.timings()
            line = fit_line(flops(sources.space, sources.archs(timed)), ms)
            count = flops(sources.space, sources.archs(target.query))
            return Estimate(line(count))

        return adapt


class NearestDevice:
    """The one training device whose latencies explain the timings best, through a line."""

    name = "nearest"
    apart = False
    most_repetitions = None

    def train(self, sources: Sources) -> Adapter:
        """Keeps the training devices' measurements."""
        rows = {device: sources.table.row(device) for device in sources.train}

        def adapt(target: Target) -> Estimate:
            timed, ms = target.timings()
            wanted = np.concatenate((timed, target.query))
            lines: list[tuple[Line, FloatArray]] = [
                (fit_line(row[timed], ms), row)
                for row in rows.values()
                if not np.isnan(row[wanted]).any()
            ]
            if not lines:
                raise ArgumentError(f"no training device has all architectures of {target.device}")
            line, row = min(lines, key=lambda pair: pair[0].error)
            return Estimate(line(row[target.query]))

        return adapt


class Ridge:
    """Ridge regression on how many operations of each kind there are; no other device is used.

    With ``own_references`` it chooses by D-optimal design what is timed, and is listed apart.
    Leaving out dead operations, or counting by edge, was tried and serves ten timings worse.
    """

    most_repetitions = None

    def __init__(self, *, own_references: bool) -> None:
        self.apart = own_references
        self.name = "ridge-doptimal" if own_references else "ridge"

    def train(self, sources: Sources) -> Adapter:
        """Nothing is learnt from other devices."""
        counts = operation_counts(sources.codes)

        def adapt(target: Target) -> Estimate:
            timed, ms = target.timings()
            if self.apart:
                available = sources.candidates
                timed = available[d_optimal(counts[available], len(timed))]
                ms = target.time(timed)
            return Estimate(fit_ridge(counts[timed], ms)(counts[target.query]))

        return adapt
