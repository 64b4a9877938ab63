"""The prior over prices of kernels, for networks of no space: what a model file holds.

A network's latency is the sum of what its kernels ask for (`edgewise._core.network_columns`),
each at a price. Tables of spaces cannot teach prices, since they hold a handful of kernels each; so
they are set by reason for three kinds of devices and checked on random networks
(`benchmarks/well_known.py --networks validation`), never on a network that somebody designed.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewise import _core
from edgewise.bundle import write_bundle

FloatArray = NDArray[np.float64]

PRICES: Mapping[str, tuple[float, float]] = MappingProxyType(
    {
        "dense": (1.0, 0.35),
        "pointwise": (1.0, 0.35),
        "grouped": (1.2, 0.8),
        "depthwise3": (3.0, 0.5),
        "depthwise5": (3.0, 0.5),
        "depthwise7": (6.0, 2.0),
        "touched": (4.0, 1.0),
        "thin": (1.5, 0.7),
        "linear": (0.5, 1.0),
        "product": (1.5, 1.0),
        "conv_weights": (2.0, 1.0),
        "linear_weights": (3.0, 0.6),
        "traffic": (1.0, 1.0),
        "elementwise": (2.0, 1.0),
        "function": (3.0, 1.0),
        "relu": (2.0, 1.0),
        "moved": (5.0, 1.0),
        "pooled": (5.0, 1.0),
        "reduced": (2.0, 1.0),
        "launches": (0.1, 1.5),
        "other_traffic": (5.0, 2.0),
        "others": (5.0, 3.0),
        "network": (1.0, 3.0),
    }
)
"""Of each column on a processor: price, in what a million multiply-accumulates of a dense
convolution cost, and its deviation, in shares of the price."""

_FETCHED = (
    "conv_weights",
    "linear_weights",
    "traffic",
    "elementwise",
    "function",
    "relu",
    "moved",
    "pooled",
    "reduced",
)
_KINDS: Mapping[str, Mapping[str, float]] = MappingProxyType(
    {
        # Fast at arithmetic, slow to start a kernel: graphics processors at batch 1.
        "launches": MappingProxyType({"launches": 40.0, "network": 20.0}),
        # Arithmetic is cheap beside what has to be fetched and written.
        "memory": MappingProxyType(dict.fromkeys(_FETCHED, 5.0)),
    }
)
"""Other kinds of devices, by what differs from a processor's prices: factors."""

_TYPICAL = 500.0  # price of a middling network; devices of scale 1 take 1 for it
_SPEED = 1.0  # deviation of the speed, beyond the first guess from the timings
#: Prices that are high or low together, and by how much.
TOGETHER: tuple[tuple[tuple[str, ...], float], ...] = (
    (("depthwise3", "depthwise5", "depthwise7", "touched"), 0.3),
    (("dense", "thin", "grouped"), 0.2),
    (("traffic", "elementwise", "function", "relu", "moved", "pooled", "reduced"), 0.4),
)
_NOISE = (0.01, 0.02, 0.04, 0.08)
_FLOOR = 0.05
_UNEXPLAINED = 0.12  # relative deviation of a network unlike those timed
#: On the random networks nine tenths are covered on average, 57 to 100 % by runtime and day.
_INTERVAL_SCALE = 0.7

LICENCE = "Part of edgewise, Apache-2.0. Set by reason; learnt from no data."


def network_tensors() -> dict[str, NDArray[Any]]:
    """The tensors "network.*" of a bundle, see `NetworkPrior` of the core."""
    means = kinds()
    relative = np.array([PRICES[name][1] for name in _core.network_columns()])
    together = np.array([_shared(names, share) for names, share in TOGETHER])
    base = means[0]
    factors = np.column_stack(((together * base).T, _SPEED * means.T))
    count = len(means)
    variance = np.column_stack((np.ones((count, len(together))), np.eye(count)))
    noise = np.array(_NOISE)
    return {
        "network.semantics": np.frombuffer(b"live", dtype=np.uint8),
        "network.semantics_log_weight": np.zeros(1),
        "network.mean": means,
        "network.factors": factors,
        "network.factor_variance": variance,
        "network.own_variance": (relative * means) ** 2,
        "network.covariance_log_weight": np.zeros(count),
        "network.noise": noise,
        "network.noise_log_weight": np.zeros(len(noise)),
        "network.settings": np.array([_FLOOR, _INTERVAL_SCALE]),
        "network.unexplained": np.array([_UNEXPLAINED]),
    }


def kinds() -> FloatArray:
    """(G, P) prices of each kind of device, a processor first."""
    columns = _core.network_columns()
    usual = np.array([PRICES[name][0] for name in columns]) / _TYPICAL
    others = [[differs.get(name, 1.0) for name in columns] for differs in _KINDS.values()]
    return np.vstack([usual, *(usual * np.array(factors) for factors in others)])


def _shared(names: tuple[str, ...], share: float) -> FloatArray:
    return np.array([share * (name in names) for name in _core.network_columns()])


def write_networks(path: Path, *, command: str) -> None:
    """Write the bundle from which devices predict model files.

    Raises:
        StorageError: the disk refuses.
    """
    write_bundle(
        path,
        kind="latency",
        name="latency of model files",
        manifest={
            "trained_on": [],
            "seed": None,
            "command": command,
            "licence": LICENCE,
            "metrics": {},
        },
        tensors=network_tensors(),
    )
