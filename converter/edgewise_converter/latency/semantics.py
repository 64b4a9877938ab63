"""Graph semantics: which operations of an architecture a device's runtime really executes.

Semantics are tables of shape (patterns, positions): for each pattern of `none` in a cell, the share
of the operation on each edge that runs. The core knows three by rule (``all``, ``reachable``,
``live``). Converters follow rules of their own, so where none of the three explains a training
device, a table is learnt from its timings and becomes one more hypothesis about new devices.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from edgewise import _core
from edgewise.spaces import Space

FloatArray = NDArray[np.float64]

# Timings count by relative error, but a near-empty network by no more than one of this share of
# the mean latency: its few microseconds would outweigh everything else.
_FLOOR = 0.25
_RIDGE = 1e-5
_ROUNDS = 4
_PULL = 0.5  # towards the starting table, in timings: decides where the data are silent


@dataclass(frozen=True)
class CostFit:
    """Additive costs of one device under one execution table.

    Attributes:
        costs: (columns,) costs in units of the device's mean latency.
        error: root mean square error, relative to latency.
    """

    costs: FloatArray
    error: float


def fit_costs(features: FloatArray, ms: FloatArray, guess: FloatArray | None = None) -> CostFit:
    """Costs by ridge regression on relative errors.

    Args:
        features: (N, columns) of the core's features of the timed architectures.
        ms: (N,) their latencies in milliseconds.
        guess: (columns, K) patterns of costs; the non-negative mixture of them that fits best
            decides what the timings leave open (by default zero does).
    """
    time = ms / ms.mean()
    weight = 1.0 / np.maximum(time, _FLOOR)
    rows, target = features * weight[:, None], time * weight
    start = np.zeros(rows.shape[1])
    if guess is not None:
        start = guess @ nnls(rows @ guess, target)[0]
    gram = rows.T @ rows / len(time) + _RIDGE * np.eye(rows.shape[1])
    costs = start + np.linalg.solve(gram, rows.T @ (target - rows @ start) / len(time))
    return CostFit(costs, float(np.sqrt(np.mean((rows @ costs - target) ** 2))))


def learn_execution(
    space: Space, archs: list[str], ms: FloatArray, start: FloatArray
) -> FloatArray:
    """An execution table from one device's timings of many architectures.

    Alternates between the costs given the table and, pattern by pattern, the table given the costs:
    the share of each operation that the timings of that pattern ask for, between 0 and 1.

    Args:
        space: the space of the architectures.
        archs: N architectures.
        ms: (N,) latencies in milliseconds.
        start: (patterns, positions) table to begin with, and to stay near where nothing is known.

    Returns:
        (patterns, positions) float64 in [0, 1].
    """
    codes = space.encode(archs)
    positions = codes.shape[1]
    pattern = (codes != 0) @ (1 << np.arange(positions))
    everything = (np.arange(len(start))[:, None] >> np.arange(positions)) & 1
    full = _core.features(space, archs, everything.astype(np.float64))
    time = ms / ms.mean()
    table = start.copy()
    for _ in range(_ROUNDS):
        costs = fit_costs(_core.features(space, archs, table), ms).costs
        # Cost of each position's operation were it to run in full.
        by_choice = (full[:, :-1] * costs[:-1]).reshape(len(archs), positions, -1)
        by_position = by_choice.sum(axis=2)
        for each in np.unique(pattern):
            rows = pattern == each
            edges = np.flatnonzero(everything[each])
            if edges.size == 0:
                continue
            table[each, edges] = _shares(
                by_position[rows][:, edges], time[rows] - costs[-1], time[rows], start[each, edges]
            )
    return table


def _shares(costs: FloatArray, rest: FloatArray, time: FloatArray, start: FloatArray) -> FloatArray:
    """Shares s in [0, 1] with costs @ s near rest, (E,): ridge regression towards ``start``."""
    weight = 1.0 / np.maximum(time, _FLOOR)
    rows, target = costs * weight[:, None], rest * weight
    gram = rows.T @ rows + _PULL * np.eye(len(start))
    shares: FloatArray = np.clip(np.linalg.solve(gram, rows.T @ target + _PULL * start), 0.0, 1.0)
    return shares
