"""The ``edgewise`` predictor as a method of the evaluation, and the references it designs."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from edgewise import _core
from edgewise.errors import ArgumentError
from edgewise_converter.latency.methods import Adapter, Sources
from edgewise_converter.latency.prior_training import train_prior
from edgewise_converter.latency.protocols import Target
from edgewise_converter.latency.scoring import Estimate
from edgewise_converter.latency.tables import DeviceInfo, LatencyTable

IntArray = NDArray[np.int64]

_CONFIDENCE = 0.9


class PriorOf:
    """The prior of some training devices, learnt when first asked for."""

    def __init__(self, table: LatencyTable, info: Mapping[str, DeviceInfo]) -> None:
        """``table`` has rows of the training devices alone, ``info`` their families."""
        self._table = table
        self._info = info

    @cached_property
    def core(self) -> _core.LatencyPrior:
        """The prior as the core adapts it."""
        return train_prior(self._table, self._table.devices, self._info).core()

    def design(self, candidates: IntArray, count: int) -> IntArray:
        """The architectures to time on any new device, best first: indices, (count,).

        Raises:
            ArgumentError: there are fewer candidates.
        """
        if count > len(candidates):
            raise ArgumentError(f"{count} references asked for, but {len(candidates)} candidates")
        archs = [self._table.archs[index] for index in candidates]
        chosen: IntArray = candidates[self.core.design(archs, count)]
        return chosen


class Edgewise:
    """Additive costs under a meta-learnt prior, updated in closed form by the core."""

    name = "edgewise"
    apart = False
    most_repetitions = None

    def __init__(self, prior: PriorOf) -> None:
        """``prior`` is shared with whoever designs the references."""
        self._prior = prior

    def train(self, sources: Sources) -> Adapter:
        """The prior is learnt from all training devices."""
        core = self._prior.core

        def adapt(target: Target) -> Estimate:
            timed, ms = target.timings()
            adapted = core.adapt(sources.archs(timed), ms)
            return Estimate(*adapted.predict(sources.archs(target.query), _CONFIDENCE))

        return adapt
