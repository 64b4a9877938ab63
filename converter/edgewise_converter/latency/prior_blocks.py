"""The prior over a device's costs in the spaces that are chains of blocks, ``fbnet`` and ``ofa``.

A block's cost is what its kernels ask for (multiply-accumulates of dense and of depthwise
convolutions, launches, memory traffic), each at a price. Prices differ from device to device, as a
whole and from layer to layer: that is the covariance. A device is of one of several kinds, which
are the means: one for each group of training devices, one for all of them, and some whose costs are
proportional to what the kernels ask for. Which kind a new device is, its timings tell.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from edgewise import _core
from edgewise.errors import ArgumentError
from edgewise.spaces import Kernel, get_space
from edgewise_converter.latency.prior import Covariances, Prior, balanced_weights
from edgewise_converter.latency.semantics import fit_costs
from edgewise_converter.latency.tables import DeviceInfo, LatencyTable

FloatArray = NDArray[np.float64]

RESOURCES = ("dense", "depthwise", "wide", "touched", "launches", "traffic", "weights")
"""What kernels ask for: multiply-accumulates of dense and depthwise convolutions, once more those
of depthwise ones of wide windows, elements that depthwise ones write, kernels, bytes read and
written, bytes of weights."""

_WIDE = 25  # taps: runtimes of CPUs have depthwise loops of their own for windows up to 5x5

# What devices unlike the training devices may spend their time on: about what a CPU does, what one
# does that waits for every kernel to start, and what one does that is bound by arithmetic.
_CPU: Mapping[str, float] = {
    "dense": 0.6,
    "depthwise": 0.2,
    "traffic": 0.05,
    "launches": 0.05,
}
# A CPU whose runtime has none for wider windows, and falls back to a general one.
_WIDE_IS_SLOW: Mapping[str, float] = {
    "dense": 0.25,
    "depthwise": 0.05,
    "wide": 0.5,
    "traffic": 0.05,
    "launches": 0.05,
}
_LAUNCHES: Mapping[str, float] = {"launches": 0.9}
_ARITHMETIC: Mapping[str, float] = {"dense": 0.45, "depthwise": 0.45}
_PROPORTIONAL_NETWORK = 0.1
_FACTORS = 48  # that a covariance is shipped with; the rest of each variance is kept exactly


SCOPES = ("whole", "smooth", "layer", "expansion", "single")
"""How far a price differs: everywhere alike, smoothly from layer to layer, in each layer by itself,
with the expansion, in a single block."""

_SMOOTH_LAYERS = 2.0  # correlation length of what is smooth


@dataclass(frozen=True)
class BlockSettings:
    """Chosen by ``block_selection``, by leaving families out.

    Attributes:
        deviations: standard deviations by the names of :func:`parts`, in shares of the mean
            latency (of `devices` and `cost.*`: relative).
        network: deviation of what every network has. Broad: on some accelerators it is half of
            the latency, which few families would teach.
        speed: of the device's speed, beyond the first guess from its timings.
        spreads: factors on all variances but that of the speed, averaged over by evidence.
        noise: relative standard deviations of a timing, averaged over by evidence.
        noise_centre: the most probable of them.
        noise_deviation: standard deviation of the natural logarithm of noise / noise_centre.
        floor: noise is relative to latency, but to no less than this share of the mean.
        interval_scale: factor on the width of intervals.
        unlike: kinds of devices beside those of the training devices, by what their time goes to.
    """

    deviations: Mapping[str, float]
    network: float = 0.3
    speed: float = 1.0
    spreads: tuple[float, ...] = (0.1, 1.0)
    noise: tuple[float, ...] = (0.0025, 0.005, 0.01, 0.02, 0.04, 0.08, 0.16)
    noise_centre: float = 0.005
    noise_deviation: float = 1.0
    floor: float = 0.25
    interval_scale: float = 1.0
    unlike: tuple[Mapping[str, float], ...] = (_CPU,)


def _deviations(
    *, devices: float, cost: tuple[float, ...], **resources: tuple[float, ...]
) -> dict[str, float]:
    """By the names of :func:`parts`: of each resource, one for each of ``SCOPES``."""
    prices = {
        f"{resource}.{scope}": deviation
        for resource, deviations in resources.items()
        for scope, deviation in zip(SCOPES, deviations, strict=True)
    }
    costs = zip(("cost.smooth", "cost.layer", "cost.single"), cost, strict=True)
    return prices | {"devices": devices} | dict(costs)


START = BlockSettings(
    _deviations(
        dense=(0.15, 0.1, 0.05, 0.03, 0.03),
        depthwise=(0.15, 0.1, 0.05, 0.03, 0.03),
        touched=(0.075, 0.05, 0.025, 0.015, 0.015),
        launches=(0.15, 0.1, 0.05, 0.03, 0.03),
        traffic=(0.075, 0.05, 0.025, 0.015, 0.015),
        weights=(0.075, 0.05, 0.025, 0.015, 0.015),
        devices=0.7,
        cost=(0.1, 0.1, 0.05),
    )
)
"""Where the choice of settings starts, and what it is drawn towards."""


@dataclass(frozen=True)
class Columns:
    """The feature columns of a space, as its prior sees them. P columns.

    Attributes:
        resources: (P, 7) of ``RESOURCES``, each of mean one over the architectures of a table, or
            zero where none asks for it.
        layer: (P,) number of the layer; -1 of what every network has.
        expansion: (P,) number of the kind of expansion.
    """

    resources: FloatArray
    layer: NDArray[np.int64]
    expansion: NDArray[np.int64]

    @property
    def network(self) -> NDArray[np.bool_]:
        """(P,) which columns every network has."""
        return np.asarray(self.layer < 0)


def describe(space: str, features: FloatArray) -> Columns:
    """The columns of ``features`` (A, P) of architectures of a space."""
    columns = _core.feature_columns(get_space(space))
    # Where a block has two columns, the one of sizes has what grows with the resolution.
    split = any(column.kind == "size" for column in columns)
    resources = np.zeros((len(columns), len(RESOURCES)))
    places: list[tuple[int, int] | None] = []
    expansions: list[str] = []
    for row, column in enumerate(columns):
        found = re.match(r"\w+?(_e\w+)?@(\d+)\.(\d+)", column.name)
        expansions.append(found.group(1) or "" if found else "")
        places.append((int(found.group(2)), int(found.group(3))) if found else None)
        if found:
            asked = np.sum([_asks_for(kernel) for kernel in column.kernels], axis=0)
            if split:
                fixed = np.array([name in ("launches", "weights") for name in RESOURCES])
                asked = np.where(fixed == (column.kind == "count"), asked, 0.0)
            resources[row] = asked
    usual = (features @ resources).mean(axis=0)
    resources /= np.where(usual > 0.0, usual, 1.0)
    order = sorted({place for place in places if place is not None})
    layer = [order.index(place) if place is not None else -1 for place in places]
    names = sorted(set(expansions))
    expansion = [names.index(name) for name in expansions]
    return Columns(resources, np.array(layer), np.array(expansion))


def _asks_for(kernel: Kernel) -> FloatArray:
    """(7,) of ``RESOURCES``."""
    depthwise = kernel.op == "conv" and kernel.groups > 1 and kernel.groups == kernel.in_channels
    window = kernel.kernel_height * kernel.kernel_width
    return np.array(
        [
            0.0 if depthwise else kernel.macs,
            kernel.macs if depthwise else 0.0,
            kernel.macs if depthwise and window > _WIDE else 0.0,
            kernel.macs / window if depthwise else 0.0,
            float(kernel.op != "identity"),
            kernel.input_bytes + kernel.output_bytes,
            kernel.weight_bytes,
        ]
    )


def train(
    table: LatencyTable,
    devices: Sequence[str],
    info: Mapping[str, DeviceInfo],
    settings: BlockSettings,
) -> Prior:
    """Learn the prior of a space of blocks; see ``prior_training``.

    Raises:
        ArgumentError: no device, an unknown one, or too few timings.
    """
    if not devices:
        raise ArgumentError("a prior needs at least one training device")
    features = _core.features(get_space(table.space), table.archs, np.zeros((0, 0)))
    columns = describe(table.space, features)
    guess = patterns(columns)
    costs = np.array([costs_of(table, features, device, guess) for device in devices])
    means = kinds(columns, costs, devices, info, settings)
    covariance = compact(
        means, shared_covariance(columns, costs, devices, info, settings), settings
    )
    noise = np.array(settings.noise)
    return Prior(
        space=table.space,
        devices=tuple(devices),
        settings=settings,
        semantics=("live",),
        semantics_log_weight=np.zeros(1),
        execution=np.zeros((1, 0, 0)),
        mean=np.tile(means, (len(settings.spreads), 1)),
        factors=covariance.factors,
        factor_variance=covariance.variance,
        own_variance=covariance.own,
        covariance_log_weight=covariance.log_weight,
        noise=noise,
        noise_log_weight=-0.5
        * (np.log(noise / settings.noise_centre) / settings.noise_deviation) ** 2,
    )


def patterns(columns: Columns) -> FloatArray:
    """(P, K) costs in proportion to each resource, and of each column that every network has.

    Timings leave open how much of a cost belongs to what every network has; these decide it.
    """
    return np.column_stack((columns.resources, np.eye(len(columns.layer))[:, columns.network]))


def costs_of(
    table: LatencyTable, features: FloatArray, device: str, guess: FloatArray | None = None
) -> FloatArray:
    """(P,) costs of a device, in units of its mean latency; ``guess`` as of ``fit_costs``.

    Raises:
        ArgumentError: it has fewer timings than there are costs.
    """
    at = table.measured([device])
    if len(at) < features.shape[1]:
        raise ArgumentError(
            f"{table.source}: device {device!r} has {len(at)} timings; "
            f"training on it takes at least {features.shape[1]}"
        )
    return fit_costs(features[at], table.row(device)[at], guess).costs


def kinds(
    columns: Columns,
    costs: FloatArray,
    devices: Sequence[str],
    info: Mapping[str, DeviceInfo],
    settings: BlockSettings,
) -> FloatArray:
    """Means (G, P): of each group of devices, of all, and of costs in proportions to resources.

    Groups are families, or hardware where there is one family only.
    """
    weights = balanced_weights(devices, info)
    group = [info[device].family for device in devices]
    if len(set(group)) == 1:
        group = [info[device].hardware for device in devices]
    means = []
    for name in dict.fromkeys(group):
        mine = weights * np.array([each == name for each in group])
        means.append(mine / mine.sum() @ costs)
    shares = np.array([[kind.get(name, 0.0) for name in RESOURCES] for kind in settings.unlike])
    proportional = shares @ columns.resources.T
    proportional[:, columns.network] = _PROPORTIONAL_NETWORK / columns.network.sum()
    return np.vstack((means, weights @ costs, proportional))


def parts(
    columns: Columns, costs: FloatArray, devices: Sequence[str], info: Mapping[str, DeviceInfo]
) -> dict[str, FloatArray]:
    """Covariances (P, P) by name, each to be scaled by a variance and added up.

    `resource.scope` is what a price costs, `devices` the spread of the training devices, and
    `cost.scope` changes of all costs of a layer or of a single block.
    """
    weights = balanced_weights(devices, info)
    mean = weights @ costs
    spread = np.sqrt(weights)[:, None] * (costs - mean)
    layer, expansion, one = columns.layer, columns.expansion, np.eye(len(mean))
    scopes = {
        "whole": np.ones_like(one),
        "smooth": np.exp(-0.5 * ((layer[:, None] - layer) / _SMOOTH_LAYERS) ** 2),
        "layer": (layer[:, None] == layer).astype(float),
        "expansion": (expansion[:, None] == expansion).astype(float),
        "single": one,
    }
    size = np.where(columns.network, 0.0, np.abs(mean))
    found = {"devices": spread.T @ spread}
    for scope, kernel in scopes.items():
        for number, resource in enumerate(RESOURCES):
            asked = columns.resources[:, number]
            found[f"{resource}.{scope}"] = kernel * np.outer(asked, asked)
        found[f"cost.{scope}"] = kernel * np.outer(size, size)
    return found


def shared_covariance(
    columns: Columns,
    costs: FloatArray,
    devices: Sequence[str],
    info: Mapping[str, DeviceInfo],
    settings: BlockSettings,
) -> FloatArray:
    """(P, P): of the costs of a device of any kind, its speed left out."""
    each = parts(columns, costs, devices, info)
    covariance = broad_network(columns, settings)
    for name, deviation in settings.deviations.items():
        covariance += deviation**2 * each[name]
    return covariance


def broad_network(columns: Columns, settings: BlockSettings) -> FloatArray:
    """(P, P): of what every network has."""
    share = settings.network**2 / columns.network.sum()
    return np.diag(np.where(columns.network, share, 0.0))


def compact(means: FloatArray, shared: FloatArray, settings: BlockSettings) -> Covariances:
    """The covariances of all kinds: the shared one by its largest factors, and each one's speed.

    Kinds follow each other once for each of ``spreads``: G is their number times that of kinds.
    """
    values, vectors = np.linalg.eigh(shared)
    kept = np.argsort(values)[::-1][: min(_FACTORS, len(values))]
    factors = vectors[:, kept] * np.sqrt(np.maximum(values[kept], 0.0))
    rest = np.maximum(np.diag(shared) - (factors**2).sum(axis=1), 0.0)
    count, spreads = len(means), np.repeat(settings.spreads, len(means))[:, None]
    return Covariances(
        factors=np.column_stack((factors, settings.speed * means.T)),
        variance=np.column_stack(
            (
                np.tile(spreads, (1, factors.shape[1])),
                np.tile(np.eye(count), (len(settings.spreads), 1)),
            )
        ),
        own=spreads * rest,
        log_weight=np.zeros(len(spreads)),
    )


_FBNET = BlockSettings(
    _deviations(
        dense=(0.14, 0.11, 0.04, 0.025, 0.015),
        depthwise=(0.14, 0.093, 0.038, 0.024, 0.018),
        touched=(0.063, 0.052, 0.025, 0.014, 0.012),
        launches=(0.26, 0.13, 0.082, 0.025, 0.014),
        traffic=(0.072, 0.058, 0.024, 0.017, 0.013),
        weights=(0.077, 0.044, 0.021, 0.013, 0.0081),
        devices=0.51,
        cost=(0.09, 0.067, 0.02),
    ),
    unlike=(_CPU, _LAUNCHES, _ARITHMETIC),
)
_OFA = BlockSettings(
    _deviations(
        dense=(0.14, 0.085, 0.043, 0.024, 0.016),
        depthwise=(0.12, 0.067, 0.037, 0.021, 0.015),
        touched=(0.067, 0.046, 0.024, 0.013, 0.011),
        launches=(0.16, 0.078, 0.043, 0.026, 0.017),
        traffic=(0.08, 0.048, 0.024, 0.014, 0.011),
        weights=(0.061, 0.043, 0.023, 0.013, 0.01),
        devices=0.63,
        cost=(0.09, 0.079, 0.026),
    ),
    unlike=(_CPU, _WIDE_IS_SLOW),
)

SETTINGS: Mapping[str, BlockSettings] = MappingProxyType({"fbnet": _FBNET, "ofa": _OFA})
"""Chosen for each space on HELP's meta-training and validation devices: deviations by marginal
likelihood (``block_selection``), the kinds of fbnet by rank correlation with families left out.
That wide windows may be slow was seen in LiteRT on a CPU; ofa's training devices are GPUs, to which
that kind does no harm when they are left out."""
