"""Choosing the deviations of a ``prior_blocks`` prior by leaving device families out.

For each family of the training devices, the prior of the others has to make its timings probable:
the deviations are those of greatest marginal likelihood (Rasmussen and Williams, Gaussian Processes
for Machine Learning, 2006, section 5.4), drawn towards the values at the start, since a handful of
families would let many of them collapse to zero. Where there is one family only, hardware is left
out instead.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from edgewise import _core
from edgewise.errors import ArgumentError
from edgewise.spaces import get_space
from edgewise_converter.latency.family_leave_out import Case, FamilyLeaveOut, real_cases
from edgewise_converter.latency.prior import Prior, balanced_weights
from edgewise_converter.latency.prior_blocks import (
    BlockSettings,
    broad_network,
    costs_of,
    describe,
    kinds,
    parts,
    patterns,
    train,
)
from edgewise_converter.latency.tables import DeviceInfo, LatencyTable, Split

FloatArray = NDArray[np.float64]

_log = logging.getLogger(__name__)

_TIMINGS = 250  # of a left-out device that are to be probable
_DRAWN = 0.7  # deviation of the logarithm of a deviation from its value at the start
_RATE = 0.1
_LEAST_NOISE = 0.003
_LEAST_SHARE = 0.02  # of the mean latency: what additive costs come to at least


@dataclass(frozen=True)
class _Fold:
    """One group of devices left out.

    Attributes:
        features: (n, P) of the timed architectures.
        means: (G, P) of the kinds of the other devices.
        names: of ``parts``.
        parts: (parts, n, n) covariances of the timings.
        fixed: (G, n, n) what is not chosen.
        times: (devices, n) in units of each device's mean.
        noise: (devices,) relative.
        weights: (devices,) that sum to one.
    """

    features: Tensor
    means: Tensor
    names: tuple[str, ...]
    parts: Tensor
    fixed: Tensor
    times: Tensor
    noise: Tensor
    weights: Tensor


def choose_deviations(
    table: LatencyTable,
    devices: Sequence[str],
    info: Mapping[str, DeviceInfo],
    start: BlockSettings,
    *,
    steps: int,
    seed: int,
) -> BlockSettings:
    """The settings with deviations chosen on some devices of a table, and no other.

    Raises:
        ArgumentError: the devices are of a single family and hardware.
    """
    folds = list(_folds(table, devices, info, start, seed))
    centre = torch.log(torch.tensor(list(start.deviations.values()), dtype=torch.float64))
    chosen = centre.clone().requires_grad_(True)
    optimiser = torch.optim.Adam([chosen], lr=_RATE)
    for step in range(steps):
        surprise = torch.stack([_surprise(fold, chosen, start) for fold in folds]).mean()
        drawn = (((chosen - centre) / _DRAWN) ** 2).sum() / 2
        chosen.grad = torch.autograd.grad(surprise + drawn, chosen)[0]
        optimiser.step()
        _log.info("step %d: %.2f", step, float(surprise.detach()))
    deviations = torch.exp(chosen.detach()).tolist()
    rounded = {
        name: float(f"{d:.2g}") for name, d in zip(start.deviations, deviations, strict=True)
    }
    return replace(start, deviations=rounded)


def leave_families_out(
    table: LatencyTable,
    devices: Sequence[str],
    info: Mapping[str, DeviceInfo],
    split: Split | None,
    *,
    designs: int,
) -> FamilyLeaveOut[BlockSettings]:
    """What judges settings of a ``prior_blocks`` prior, beside their likelihood.

    Half of the cases are the devices as they were timed, half their additive costs without noise.
    Where there is one family only, hardware is left out instead.

    Args:
        table: latencies.
        devices: of which each has its turn; no other is looked at.
        info: their families and hardware.
        split: pool and query, if the table has any.
        designs: how many halves of the pool references are designed from.

    Raises:
        ArgumentError: the devices are of a single family and hardware.
    """
    if len({info[device].family for device in devices}) == 1:
        info = {name: replace(each, family=each.hardware) for name, each in info.items()}
    features = _core.features(get_space(table.space), table.archs, np.zeros((0, 0)))
    guess = patterns(describe(table.space, features))
    cases = real_cases(table, devices, info)
    for case in list(cases):
        clean = features @ costs_of(table, features, case.device, guess)
        hardware = f"{case.device} without noise"
        ms = np.maximum(clean, _LEAST_SHARE * clean.mean()) * np.nanmean(case.ms)
        cases.append(Case(case.device, case.family, hardware, True, True, ms))

    def build(kept: Sequence[str], settings: BlockSettings) -> Prior:
        return train(table, kept, info, settings)

    return FamilyLeaveOut(table, cases, build, split, designs=designs)


def _folds(
    table: LatencyTable,
    devices: Sequence[str],
    info: Mapping[str, DeviceInfo],
    settings: BlockSettings,
    seed: int,
) -> Iterator[_Fold]:
    group = {device: info[device].family for device in devices}
    if len(set(group.values())) == 1:
        group = {device: info[device].hardware for device in devices}
    if len(set(group.values())) == 1:
        raise ArgumentError("leaving families out needs training devices of two")
    features = _core.features(get_space(table.space), table.archs, np.zeros((0, 0)))
    columns = describe(table.space, features)
    guess = patterns(columns)
    costs = {device: costs_of(table, features, device, guess) for device in devices}
    generator = np.random.default_rng(seed)
    common = table.measured(devices)
    timed = generator.choice(common, min(_TIMINGS, len(common)), replace=False)
    rows = features[timed]
    for name in dict.fromkeys(group.values()):
        kept = [device for device in devices if group[device] != name]
        left = [device for device in devices if group[device] == name]
        known = np.array([costs[device] for device in kept])
        means = kinds(columns, known, kept, info, settings)
        each = parts(columns, known, kept, info)
        names = tuple(settings.deviations)
        network = broad_network(columns, settings)
        fixed = [network + settings.speed**2 * np.outer(mean, mean) for mean in means]
        yield _Fold(
            features=torch.from_numpy(rows),
            means=torch.from_numpy(means),
            names=names,
            parts=torch.from_numpy(np.array([rows @ each[part] @ rows.T for part in names])),
            fixed=torch.from_numpy(np.array([rows @ part @ rows.T for part in fixed])),
            times=torch.from_numpy(
                np.array([table.row(d)[timed] / np.nanmean(table.row(d)) for d in left])
            ),
            noise=torch.tensor([_noise(table, features, d, costs[d]) for d in left]).double(),
            weights=torch.from_numpy(balanced_weights(left, info)),
        )


def _noise(table: LatencyTable, features: FloatArray, device: str, costs: FloatArray) -> float:
    """What additive costs leave unexplained, relative."""
    at = table.measured([device])
    ms = table.row(device)[at]
    error = features[at] @ costs * ms.mean() / ms - 1.0
    return max(float(np.sqrt(np.mean(error**2))), _LEAST_NOISE)


def _surprise(fold: _Fold, logs: Tensor, settings: BlockSettings) -> Tensor:
    """Minus the logarithm of the density of the left-out timings."""
    shared = torch.einsum("p,pij->ij", torch.exp(2.0 * logs), fold.parts)
    total = torch.zeros((), dtype=torch.float64)
    for time, noise, weight in zip(fold.times, fold.noise, fold.weights, strict=True):
        spread = torch.diag((noise * torch.clamp(time, min=settings.floor)) ** 2)
        densities = []
        for mean, fixed in zip(fold.means, fold.fixed, strict=True):
            lower = torch.linalg.cholesky(shared + fixed + spread)
            surprise = (time - fold.features @ mean)[:, None]
            whitened = torch.linalg.solve_triangular(lower, surprise, upper=False)
            densities.append(-0.5 * (whitened**2).sum() - torch.log(torch.diagonal(lower)).sum())
        total = total - weight * (
            torch.logsumexp(torch.stack(densities), 0) - math.log(len(densities))
        )
    return total
