"""Baselines without meta-training: FLOPs, the most similar training device, ridge regression."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgewise_converter.latency.baselines.linear import d_optimal, fit_line, fit_ridge
from edgewise_converter.latency.baselines.own_data import completed
from edgewise_converter.latency.encodings.encoding import FloatArray
from edgewise_converter.latency.methods import Adapter, Sources
from edgewise_converter.latency.protocols import Target
from edgewise_converter.latency.scoring import Estimate

IntArray = NDArray[np.int64]


class Flops:
    """A line in the number of floating-point operations of the network as written."""

    name = "flops"
    apart = False
    most_repetitions = None

    def train(self, sources: Sources) -> Adapter:
        """Nothing is learnt from other devices."""

        def adapt(target: Target) -> Estimate:
            timed, ms = target.timings()
            line = fit_line(_flops(sources, timed), ms)
            return Estimate(line(_flops(sources, target.query)))

        return adapt


class Depth:
    """A line in the number of layers: of a transformer, of its decoder's."""

    name = "depth"
    apart = False
    most_repetitions = None

    def train(self, sources: Sources) -> Adapter:
        """Nothing is learnt from other devices."""
        depth = sources.encoding.depth(sources.codes)

        def adapt(target: Target) -> Estimate:
            timed, ms = target.timings()
            return Estimate(fit_line(depth[timed], ms)(depth[target.query]))

        return adapt


class NearestDevice:
    """The one training device whose latencies explain the timings best, through a line.

    Where it was not measured, boosted trees of its other latencies stand in.
    """

    name = "nearest"
    apart = False
    most_repetitions = None

    def train(self, sources: Sources) -> Adapter:
        """Keeps the training devices' measurements."""
        rows = {device: sources.table.row(device) for device in sources.train}

        def row_of(device: str, wanted: IntArray) -> FloatArray:
            if np.isnan(rows[device][wanted]).any():
                encoded = sources.encoding, sources.codes
                rows[device] = completed(rows[device], *encoded, sources.seed)
            return rows[device]

        def adapt(target: Target) -> Estimate:
            timed, ms = target.timings()
            wanted = np.concatenate((timed, target.query))
            found = [row_of(device, wanted) for device in rows]
            lines = [(fit_line(row[timed], ms), row) for row in found]
            line, row = min(lines, key=lambda pair: pair[0].error)
            return Estimate(line(row[target.query]))

        return adapt


class Ridge:
    """Ridge regression on how many operations of each kind there are; no other device is used.

    With ``own_references`` it chooses by D-optimal design what is timed, and is listed apart.
    """

    most_repetitions = None

    def __init__(self, *, own_references: bool) -> None:
        self.apart = own_references
        self.name = "ridge-doptimal" if own_references else "ridge"

    def train(self, sources: Sources) -> Adapter:
        """Nothing is learnt from other devices."""
        counts = sources.encoding.counts(sources.codes)

        def adapt(target: Target) -> Estimate:
            timed, ms = target.timings()
            if self.apart:
                available = sources.candidates
                timed = available[d_optimal(counts[available], len(timed))]
                ms = target.time(timed)
            return Estimate(fit_ridge(counts[timed], ms)(counts[target.query]))

        return adapt


def _flops(sources: Sources, indices: IntArray) -> FloatArray:
    written = sources.space.semantics[0]
    return np.array([sources.space.flops(arch, written) for arch in sources.archs(indices)])
