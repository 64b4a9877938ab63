"""Choosing the settings of the `edgewise` prior by leaving device families out.

See ``family_leave_out`` for how.

A handful of families says little about graph semantics and costs that none of them has. So half of
the loss comes from imagined devices: the costs of a training device, changed at random operation by
operation, half under its own graph semantics, half under one drawn at random. A quarter are as
simulators and accelerators of fixed schedules are: an operation costs the same on every edge, with
next to no noise. The others are noisy, their edges differ, and of a quarter of them costs grow or
shrink with depth. They are left out with their family.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewise import _core
from edgewise.spaces import Space, get_space
from edgewise_converter.latency.family_leave_out import Case, FamilyLeaveOut, real_cases
from edgewise_converter.latency.prior import Prior
from edgewise_converter.latency.prior_nasbench201 import (
    EDGES,
    LEVELS,
    DeviceFit,
    PriorSettings,
    build_prior,
)
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
    "noise_deviation": (0.7, 1.0, 1.5, 2.5),
    "smoothing": (0.2, 0.5, 1.0, 3.0),
    "floor": (0.15, 0.25, 0.4),
    "interval_scale": (0.8, 0.9, 1.0, 1.1, 1.25),
}

_CHANGES = 3  # settings changed at once, at most

# Imagined devices: how many of each training device, standard deviations of the logarithms of the
# changes to costs, and the relative noise they may have.
_IMAGINED = 4
_OPERATION_CHANGE = 0.4
_EDGE_CHANGE = 0.05
_NETWORK_CHANGE = 0.3
_OTHER_SEMANTICS = 0.5  # probability
_WITH_LEVELS = 0.25  # probability
_LEVEL_CHANGE = 0.3  # per level, in costs of an average operation
_NOISE = (0.001, 0.005, 0.01, 0.02, 0.04)
_EXACT = 0.25  # probability
_EXACT_NOISE = 0.001
_LEAST_SHARE = 0.02  # of the mean latency: what a near-empty network takes at least


def leave_families_out(
    table: LatencyTable,
    fits: Sequence[DeviceFit],
    info: Mapping[str, DeviceInfo],
    split: Split | None,
    *,
    designs: int,
    seed: int,
) -> FamilyLeaveOut[PriorSettings]:
    """What judges settings of a ``nasbench201`` prior.

    Args:
        table: latencies of the devices.
        fits: costs of the training devices, and of no other.
        info: their families.
        split: pool and query, if the table has any.
        designs: how many halves of the pool references are designed from.
        seed: of the imagined devices.

    Raises:
        ArgumentError: the devices are of fewer than two families.
    """
    of_device = {fit.device: fit for fit in fits}

    def build(devices: Sequence[str], settings: PriorSettings) -> Prior:
        kept = [of_device[device] for device in devices]
        return build_prior(table.space, kept, info, settings)

    cases = real_cases(table, list(of_device), info)
    cases += imagine(get_space(table.space), table.archs, fits, info, seed)
    return FamilyLeaveOut(table, cases, build, split, designs=designs)


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
            exact = bool(generator.random() < _EXACT)
            clean = features[name] @ _changed(fit.costs, generator, exact)
            clean = np.maximum(clean, _LEAST_SHARE * clean.mean())
            relative = _EXACT_NOISE if exact else generator.choice(_NOISE)
            noise = relative * generator.standard_normal(len(clean))
            hardware = f"{fit.device} imagined {number}"
            family = info[fit.device].family
            cases.append(Case(fit.device, family, hardware, True, exact, clean * np.exp(noise)))
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


def _changed(costs: FloatArray, generator: np.random.Generator, exact: bool) -> FloatArray:
    """Costs (columns,) changed operation by operation, edge by edge, and for the network.

    An exact device has the same costs on all edges.
    """
    operations = (len(costs) - 1) // EDGES
    if exact:
        alike = costs[:-1].reshape(EDGES, operations).mean(axis=0)
        costs = np.append(np.tile(alike, EDGES), costs[-1])
    log = np.tile(_OPERATION_CHANGE * generator.standard_normal(operations), EDGES)
    if not exact:
        log += _EDGE_CHANGE * generator.standard_normal(EDGES * operations)
    network = _NETWORK_CHANGE * generator.standard_normal(1)
    changed: FloatArray = costs * np.exp(np.concatenate((log, network)))
    if not exact and generator.random() < _WITH_LEVELS:
        slope = generator.standard_normal() + generator.standard_normal(operations)
        step = _LEVEL_CHANGE * np.abs(changed[:-1]).mean()
        changed[:-1] += step * np.outer(LEVELS, slope).ravel()
    return changed
