"""The prior over a device's costs in ``transformer``.

Only averages over layers are known of an architecture, so there are few costs, and few devices to
learn them from: means of families, the spread of the devices, and every cost broad by itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgewise import _core
from edgewise.errors import ArgumentError
from edgewise.spaces import get_space
from edgewise_converter.latency.prior import Prior, balanced_weights
from edgewise_converter.latency.prior_blocks import costs_of
from edgewise_converter.latency.tables import DeviceInfo, LatencyTable

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Settings:
    """Set by reason rather than by search: two other kinds of hardware cannot choose them.

    Attributes:
        relative: deviation of each cost, relative to it.
        absolute: the same in shares of the mean latency, added.
        speed: of the device's speed, beyond the first guess from its timings.
        noise: relative standard deviations of a timing, averaged over by evidence.
        floor: noise is relative to latency, but to no less than this share of the mean.
        interval_scale: factor on the width of intervals.
    """

    relative: float = 0.5
    absolute: float = 0.05
    speed: float = 1.0
    noise: tuple[float, ...] = (0.005, 0.01, 0.02, 0.04, 0.08)
    floor: float = 0.25
    interval_scale: float = 1.0


def train(
    table: LatencyTable,
    devices: Sequence[str],
    info: Mapping[str, DeviceInfo],
    settings: Settings,
) -> Prior:
    """Learn the prior of the space; see ``prior_training``.

    Raises:
        ArgumentError: no device, an unknown one, or too few timings.
    """
    if not devices:
        raise ArgumentError("a prior needs at least one training device")
    features = _core.features(get_space(table.space), table.archs, np.zeros((0, 0)))
    costs = np.array([costs_of(table, features, device) for device in devices])
    weights = balanced_weights(devices, info)
    mean = weights @ costs
    spread = np.sqrt(weights)[:, None] * (costs - mean)
    own = (settings.relative * np.abs(mean) + settings.absolute) ** 2
    noise = np.array(settings.noise)
    factors = np.column_stack((spread.T, settings.speed * mean))
    return Prior(
        space=table.space,
        devices=tuple(devices),
        settings=settings,
        semantics=("live",),
        semantics_log_weight=np.zeros(1),
        execution=np.zeros((1, 0, 0)),
        mean=mean[None],
        factors=factors,
        factor_variance=np.ones((1, factors.shape[1])),
        own_variance=own[None],
        covariance_log_weight=np.zeros(1),
        noise=noise,
        noise_log_weight=np.zeros(len(noise)),
    )
