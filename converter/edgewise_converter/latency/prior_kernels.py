"""The prior over a device's costs in a space of blocks of which nobody has published timings.

What a block costs is what its kernels ask for, each at a price (``prior_networks``): prices are
known up to a factor each, for several kinds of devices. Beyond that, prices differ from layer to
layer, and every cost has a share of its own. Nothing here is learnt from timings.

The deviations of ``KernelSettings`` were chosen by the width and coverage of intervals after ten
timings (``benchmarks/kernel_prior.py``): of FBNet's devices for meta-training and validation, whose
own prior was not used, and of a hundred random networks of ``supernet`` on one machine. Halving or
doubling one of them gains little. Prices learnt on those devices made no clear difference to
families left out, so they stay those set by reason.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgewise import _core
from edgewise.bundle import write_bundle
from edgewise.errors import ArgumentError
from edgewise.spaces import get_space
from edgewise_converter.latency.prior import Prior
from edgewise_converter.latency.prior_networks import LICENCE, PRICES, TOGETHER, kinds

FloatArray = NDArray[np.float64]

#: Spaces whose every block has one cost.
SPACES = ("fbnet", "supernet")

_TYPICAL = 512  # architectures whose mean latency is a device's unit
_CANDIDATES = 4096  # that references are chosen from
_SEED = 0
_LEAST = 1e-9  # eigenvalues, of the largest, that are rounding
_SMOOTH_LAYERS = 2.0  # correlation length of what is smooth from layer to layer


@dataclass(frozen=True)
class KernelSettings:
    """How far a device may be from its kind.

    Attributes:
        prices: factor on the deviations of prices as of ``prior_networks.PRICES``.
        smooth: deviation of each price from layer to layer, in shares of it.
        layer: deviation of all costs of a layer, in shares of them.
        single: of a single cost.
        network: of what every network has, in shares of the mean latency.
        speed: of the device's speed, beyond the first guess from its timings.
        noise: relative standard deviations of a timing, averaged over by evidence.
        floor: noise is relative to latency, but to no less than this share of the mean.
        interval_scale: factor on the width of intervals.
    """

    prices: float = 0.5
    smooth: float = 0.5
    layer: float = 0.1
    single: float = 0.05
    network: float = 0.2
    speed: float = 1.0
    noise: tuple[float, ...] = (0.0025, 0.005, 0.01, 0.02, 0.04, 0.08)
    floor: float = 1.0
    interval_scale: float = 1.0


@dataclass(frozen=True)
class KernelColumns:
    """The feature columns of a space of blocks, by what their kernels ask for. P columns.

    Attributes:
        asked: (P, C) of ``_core.network_columns``; what every network has, counts once.
        layer: (P,) number of the layer; -1 of what every network has.
        typical: (P,) mean features of a network of the space.
    """

    asked: FloatArray
    layer: NDArray[np.int64]
    typical: FloatArray


def describe(space: str) -> KernelColumns:
    """The columns of a space of ``SPACES``."""
    core = get_space(space)
    columns = _core.feature_columns(core)
    asked = np.array([_core.network_features(column.kernels) for column in columns])
    found = [re.search(r"@(\d+)\.(\d+)", column.name) for column in columns]
    places = [(int(at.group(1)), int(at.group(2))) if at else None for at in found]
    order = sorted({place for place in places if place is not None})
    layer = np.array([order.index(place) if place is not None else -1 for place in places])
    once = _core.network_columns().index("network")
    asked[:, once] = layer < 0
    features = _core.features(core, core.draw(_TYPICAL, _SEED), np.zeros((0, 0)))
    return KernelColumns(asked, layer, features.mean(axis=0))


def kernel_prior(
    space: str, settings: KernelSettings | None = None, prices: FloatArray | None = None
) -> Prior:
    """The prior of a space, from prices of kernels.

    Args:
        space: its name, one of ``SPACES``.
        settings: deviations; those that ship by default.
        prices: (G, C) of each kind of device; those of ``prior_networks`` by default.

    Raises:
        ArgumentError: the space's features are not blocks of one cost each.
    """
    if space not in SPACES:
        raise ArgumentError(
            f"no prior by prices of kernels for space {space!r}; there is one for "
            f"{', '.join(SPACES)}"
        )
    settings = settings or KernelSettings()
    columns = describe(space)
    given = kinds() if prices is None else prices
    # A device's unit is its mean latency.
    given = given / (given @ (columns.typical @ columns.asked))[:, None]
    count = len(given)
    factors = [_factors(_covariance(columns, kind, settings)) for kind in given]
    noise = np.array(settings.noise)
    return Prior(
        space=space,
        devices=(),
        settings=settings,
        semantics=("live",),
        semantics_log_weight=np.zeros(1),
        execution=np.zeros((1, 0, 0)),
        mean=given @ columns.asked.T,
        factors=np.hstack(factors),
        factor_variance=np.repeat(np.eye(count), [f.shape[1] for f in factors], axis=1),
        own_variance=np.zeros((count, len(columns.layer))),
        covariance_log_weight=np.zeros(count),
        noise=noise,
        noise_log_weight=np.zeros(len(noise)),
    )


def _factors(covariance: FloatArray) -> FloatArray:
    """(P, F) whose product with itself is a covariance (P, P)."""
    values, vectors = np.linalg.eigh(covariance)
    kept = values > _LEAST * values[-1]
    factors: FloatArray = vectors[:, kept] * np.sqrt(values[kept])
    return factors


def _covariance(columns: KernelColumns, prices: FloatArray, settings: KernelSettings) -> FloatArray:
    """(P, P) of the costs of a kind's devices."""
    names = _core.network_columns()
    paid = columns.asked * prices  # (P, C)
    cost = paid.sum(axis=1)
    size = np.outer(cost, cost)
    layer, there = columns.layer, columns.layer >= 0
    blocks = np.outer(there, there)
    near = np.exp(-0.5 * ((layer[:, None] - layer) / _SMOOTH_LAYERS) ** 2) * blocks
    whole = paid * (settings.prices * np.array([PRICES[name][1] for name in names]))
    together = np.array([[share * (name in group) for name in names] for group, share in TOGETHER])
    shared = paid @ together.T
    covariance = settings.speed**2 * size + whole @ whole.T + shared @ shared.T
    covariance += settings.smooth**2 * near * (paid @ paid.T)
    covariance += settings.layer**2 * (layer[:, None] == layer) * blocks * size
    own = np.where(there, settings.single * cost, settings.network)
    return np.asarray(covariance + np.diag(own**2))


def write_kernel_part(space: str, path: Path, *, references: int, command: str) -> None:
    """Write the prior and the references designed under it: a part that ``compile`` takes.

    Raises:
        ArgumentError: as :func:`kernel_prior`, or more references than candidates.
        StorageError: the disk refuses.
    """
    prior, core = kernel_prior(space), get_space(space)
    candidates = core.decode(core.draw(_CANDIDATES, _SEED))
    chosen = prior.core().design(candidates, references)
    write_bundle(
        path,
        kind="latency",
        name="edgewise prior",
        manifest={
            "space": space,
            "trained_on": [],
            "seed": _SEED,
            "command": command,
            "licence": LICENCE,
            "metrics": {},
            "references": [candidates[at] for at in chosen],
            "settings": asdict(prior.settings),
        },
        tensors=prior.tensors(),
    )
