"""Linear fits that the baselines share.

Errors count relative to the latency, since timings are noisy in proportion, but to no less than a
quarter of the mean: a network that does nothing takes next to no time, and must not rule the fit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

_PENALTIES = tuple(10.0**exponent for exponent in np.arange(-4.0, 2.5, 0.5))
_SLIGHT = 1e-2
_FLOOR = 0.25
_FREE = 1e-9


@dataclass(frozen=True)
class Line:
    """``ms = offset + slope * x``, and its root mean square error where it was fitted."""

    offset: float
    slope: float
    error: float

    def __call__(self, x: FloatArray) -> FloatArray:
        """Milliseconds at x (N,)."""
        return self.offset + self.slope * x


def fit_line(x: FloatArray, ms: FloatArray) -> Line:
    """The line through (N,) points with the least error; through the origin if it would fall."""
    weight = _weight(ms)
    design = np.column_stack((np.ones_like(x), x)) * weight[:, None]
    (offset, slope), *_ = np.linalg.lstsq(design, ms * weight, rcond=None)
    if slope < 0:
        offset, slope = 0.0, (design[:, 1] @ (ms * weight)) / (design[:, 1] @ design[:, 1])
    residual = design @ np.array([offset, slope]) - ms * weight
    return Line(float(offset), float(slope), float(np.sqrt((residual**2).mean())))


@dataclass(frozen=True)
class Ridge:
    """``ms = features @ weights + offset``, and its leave-one-out error where it was fitted."""

    weights: FloatArray
    offset: float
    error: float

    def __call__(self, features: FloatArray) -> FloatArray:
        """Milliseconds, (N,), at features (N, P)."""
        answer: FloatArray = features @ self.weights + self.offset
        return answer


def fit_ridge(features: FloatArray, ms: FloatArray) -> Ridge:
    """Ridge regression of ms (n,) on features (n, P), with the penalty that leaves one out best.

    The intercept is free.
    """
    weight = _weight(ms)
    scale = float(features.std()) or 1.0
    design = np.column_stack((features / scale, np.ones(len(ms)))) * weight[:, None]
    target = ms * weight
    fits = []
    for penalty in _PENALTIES:
        damping = np.full(design.shape[1], penalty)
        damping[-1] = _FREE
        inverse = np.linalg.inv(design.T @ design + np.diag(damping))
        found = inverse @ design.T @ target
        leverage = np.einsum("ij,jk,ik->i", design, inverse, design)
        left_out = (target - design @ found) / np.maximum(1.0 - leverage, _FREE)
        fits.append(Ridge(found[:-1] / scale, float(found[-1]), float((left_out**2).mean())))
    return min(fits, key=lambda fit: fit.error)


def d_optimal(features: FloatArray, count: int) -> NDArray[np.int64]:
    """Rows of features (N, P) that tell a linear model most: greedy D-optimal design, (count,)."""
    design = np.column_stack((features, np.ones(len(features))))
    inverse = np.eye(design.shape[1]) / _SLIGHT
    chosen: list[int] = []
    for _ in range(count):
        gain = np.einsum("ij,jk,ik->i", design, inverse, design)
        gain[chosen] = -np.inf
        best = int(np.argmax(gain))
        chosen.append(best)
        image = inverse @ design[best]
        inverse -= np.outer(image, image) / (1.0 + design[best] @ image)
    return np.array(chosen, dtype=np.int64)


def _weight(ms: FloatArray) -> FloatArray:
    weight: FloatArray = 1.0 / np.maximum(ms, _FLOOR * ms.mean())
    return weight
