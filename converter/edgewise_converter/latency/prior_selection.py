"""Choosing the settings of the `edgewise` prior by leaving device families out.

For each family of the training devices, a prior is built from the others and adapted to its devices
from designed timings; settings are judged by how that goes. No other device is looked at.

A handful of families says little about graph semantics and costs that none of them has. So half of
the loss comes from imagined devices: the costs of a training device, changed at random operation by
operation, with noise; half under its own graph semantics, half under one drawn at random,
and a quarter with costs that grow or shrink with depth. They are left out with their family.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewise import _core
from edgewise.errors import ArgumentError
from edgewise.spaces import Space, get_space
from edgewise_converter.latency.encodings.registry import encoding_of
from edgewise_converter.latency.prior_nasbench201 import (
    EDGES,
    LEVELS,
    DeviceFit,
    PriorSettings,
    build_prior,
)
from edgewise_converter.latency.protocols import candidates, domain_of
from edgewise_converter.latency.scoring import BoolArray, Estimate, score
from edgewise_converter.latency.tables import DeviceInfo, LatencyTable, Split

FloatArray = NDArray[np.float64]

_log = logging.getLogger(__name__)

# What the search may set each setting to.
GRID: Mapping[str, Sequence[Any]] = {
    "low_ranks": ((0.1, 1.0, 10.0), (0.03, 0.3, 3.0)),
    "operation": (0.25, 0.5, 0.8, 1.2),
    "least_operation": (0.02, 0.05, 0.1, 0.2),
    "edge": (0.02, 0.05, 0.1, 0.2),
    "position": (0.0, 0.05, 0.1, 0.3),
    "level": (0.0, 0.1, 0.3),
    "network": (0.1, 0.2, 0.4),
    "speed": (0.3, 1.0, 2.0),
    "spreads": ((1.0,), (0.1, 1.0), (0.3, 1.0, 3.0), (0.1, 1.0, 9.0)),
    "edge_spreads": ((1.0,), (1e-5, 0.01, 1.0), (0.001, 0.03, 1.0), (0.01, 0.1, 1.0, 4.0)),
    "noise": (
        (0.0025, 0.005, 0.01, 0.02, 0.04, 0.08, 0.16),
        (0.001, 0.003, 0.01, 0.03, 0.06, 0.12),
        (0.0003, 0.001, 0.003, 0.01, 0.03, 0.06, 0.12),
    ),
    "noise_centre": (0.01, 0.02, 0.03, 0.05),
    "noise_deviation": (0.7, 1.0, 2.0),
    "smoothing": (0.2, 0.5, 1.0, 3.0),
    "floor": (0.15, 0.25, 0.4),
    "interval_scale": (0.8, 0.9, 1.0, 1.1, 1.25),
}

_SAMPLES = (5, 10)
_CHANGES = 3  # settings changed at once, at most

# Weights of the loss beside rank errors, which count in full: relative errors, and the logarithm of
# the interval score, so that a device counts alike whether it can be predicted to 1 % or to 20 %.
_RELATIVE = 1.0
_INTERVAL = 0.03
_CONFIDENCE = 0.9

# Imagined devices: how many of each training device, standard deviations of the logarithms of the
# changes to costs, and the relative noise they may have.
_IMAGINED = 2
_OPERATION_CHANGE = 0.4
_EDGE_CHANGE = 0.05
_NETWORK_CHANGE = 0.3
_OTHER_SEMANTICS = 0.5  # probability
_WITH_LEVELS = 0.25  # probability
_LEVEL_CHANGE = 0.3  # per level, in costs of an average operation
_NOISE = (0.001, 0.005, 0.01, 0.02, 0.04)
_LEAST_SHARE = 0.02  # of the mean latency: what a near-empty network takes at least


@dataclass(frozen=True)
class Case:
    """A device to adapt to while its family is left out.

    Attributes:
        family: the family that is left out.
        hardware: what weighs as one in the loss; each imagined device is its own.
        imagined: whether it was made up.
        ms: (A,) latencies of the table's architectures, NaN where not measured.
    """

    family: str
    hardware: str
    imagined: bool
    ms: FloatArray


class FamilyLeaveOut:
    """Scores settings on devices of families that the prior has not seen."""

    def __init__(
        self,
        table: LatencyTable,
        fits: Sequence[DeviceFit],
        info: Mapping[str, DeviceInfo],
        split: Split | None,
        *,
        designs: int,
        seed: int,
    ) -> None:
        """Prepare for the devices of ``fits``.

        Args:
            table: their latencies.
            fits: costs of the training devices, and of no other.
            info: their families.
            split: pool and query, if the table has any.
            designs: how many halves of the pool references are designed from.
            seed: of the imagined devices.

        Raises:
            ArgumentError: the devices are of fewer than two families.
        """
        self._space = table.space
        self._archs = table.archs
        self._fits = list(fits)
        self._info = info
        self._domain = domain_of(table, fits[0].device, split)
        self._designs = designs
        self.families = sorted({info[fit.device].family for fit in fits})
        if len(self.families) < 2:
            raise ArgumentError("leaving families out needs training devices of two families")
        space = get_space(table.space)
        self._connected = encoding_of(space.name).connected(space.encode(list(table.archs)))
        real = [
            Case(info[fit.device].family, info[fit.device].hardware, False, table.row(fit.device))
            for fit in fits
        ]
        self._cases = real + imagine(space, table.archs, fits, info, seed)

    def loss(self, settings: PriorSettings) -> float:
        """Mean loss: real and imagined devices by half, and in each half hardware alike."""
        losses: dict[bool, dict[str, list[float]]] = {False: {}, True: {}}
        for family in self.families:
            for case, value in self._left_out(family, settings):
                losses[case.imagined].setdefault(case.hardware, []).append(value)
        halves = [np.mean([np.mean(each) for each in half.values()]) for half in losses.values()]
        return float(np.mean(halves))

    def _left_out(self, family: str, settings: PriorSettings) -> list[tuple[Case, float]]:
        kept = [fit for fit in self._fits if self._info[fit.device].family != family]
        prior = build_prior(self._space, kept, self._info, settings).core()
        losses = []
        for design in range(self._designs):
            pool = candidates(self._domain, design)
            chosen = pool[prior.design([self._archs[i] for i in pool], max(_SAMPLES))]
            query = np.setdiff1d(self._domain.query, chosen)
            archs = [self._archs[i] for i in query]
            for case in self._cases:
                if case.family != family:
                    continue
                for samples in _SAMPLES:
                    timed = chosen[:samples]
                    adapted = prior.adapt([self._archs[i] for i in timed], case.ms[timed])
                    estimate = Estimate(*adapted.predict(archs))
                    value = _loss(estimate, case.ms[query], self._connected[query])
                    losses.append((case, value))
        return losses


def imagine(
    space: Space,
    archs: Sequence[str],
    fits: Sequence[DeviceFit],
    info: Mapping[str, DeviceInfo],
    seed: int,
) -> list[Case]:
    """Devices that might exist: costs of the training devices, changed, under other semantics."""
    generator = np.random.default_rng(seed)
    tables = {name: _core.execution_table(space, name) for name in space.semantics}
    tables |= {fit.device: fit.execution for fit in fits if fit.follows_own}
    features = {name: _core.features(space, archs, table) for name, table in tables.items()}
    cases = []
    for fit in fits:
        for number in range(_IMAGINED):
            name = fit.device if fit.follows_own else fit.rule
            if generator.random() < _OTHER_SEMANTICS:
                name = list(tables)[int(generator.integers(len(tables)))]
            clean = features[name] @ _changed(fit.costs, generator)
            clean = np.maximum(clean, _LEAST_SHARE * clean.mean())
            noise = generator.choice(_NOISE) * generator.standard_normal(len(clean))
            hardware = f"{fit.device} imagined {number}"
            cases.append(Case(info[fit.device].family, hardware, True, clean * np.exp(noise)))
    return cases


def select_settings(
    loss: Callable[[PriorSettings], float], start: PriorSettings, *, steps: int, seed: int
) -> PriorSettings:
    """Random local search over ``GRID``: changes up to three settings, keeps what lowers the loss.

    Deterministic for a seed.
    """
    generator = np.random.default_rng(seed)
    best, least = start, loss(start)
    _log.info("loss %.5f at the start", least)
    names = list(GRID)
    for step in range(steps):
        count = int(generator.integers(1, _CHANGES + 1))
        changes = {
            names[i]: GRID[names[i]][int(generator.integers(len(GRID[names[i]])))]
            for i in generator.choice(len(names), count, replace=False)
        }
        settings = replace(best, **changes)
        value = loss(settings)
        if value < least:
            best, least = settings, value
            _log.info("loss %.5f at step %d: %s", least, step, changes)
    return best


def _changed(costs: FloatArray, generator: np.random.Generator) -> FloatArray:
    """Costs (columns,) changed operation by operation, edge by edge, and for the network."""
    operations = (len(costs) - 1) // EDGES
    log = np.tile(_OPERATION_CHANGE * generator.standard_normal(operations), EDGES)
    log += _EDGE_CHANGE * generator.standard_normal(EDGES * operations)
    network = _NETWORK_CHANGE * generator.standard_normal(1)
    changed: FloatArray = costs * np.exp(np.concatenate((log, network)))
    if generator.random() < _WITH_LEVELS:
        slope = generator.standard_normal() + generator.standard_normal(operations)
        step = _LEVEL_CHANGE * np.abs(changed[:-1]).mean()
        changed[:-1] += step * np.outer(LEVELS, slope).ravel()
    return changed


def _loss(estimate: Estimate, true: FloatArray, connected: BoolArray) -> float:
    """Loss of predictions of N queries with true latencies (N,) in ms."""
    result = score(estimate, true, connected)
    assert result.mape is not None
    interval = interval_score(estimate, true)
    relative = _RELATIVE * result.mape / 100
    return 1.0 - result.spearman_mid + relative + _INTERVAL * math.log(interval)


def interval_score(estimate: Estimate, true: FloatArray) -> float:
    """Mean interval score of the 90 % intervals, in the logarithm of latency.

    Width plus 2/α times the distance of what lies outside, least in expectation for the intervals
    that are right (Gneiting and Raftery, doi 10.1198/016214506000001437, section 6.2).
    """
    assert estimate.low is not None
    assert estimate.high is not None
    low, high, ms = (np.log(values) for values in (estimate.low, estimate.high, true))
    outside = np.maximum(low - ms, 0.0) + np.maximum(ms - high, 0.0)
    return float(np.mean(high - low + 2.0 / (1.0 - _CONFIDENCE) * outside))
