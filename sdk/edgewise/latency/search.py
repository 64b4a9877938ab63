"""Finds accurate architectures that a device runs in time."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..arguments import positive_int
from ..errors import ArgumentError
from .prediction import Prediction

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .._core import Space

    Accuracy = Mapping[str, float] | Sequence[float] | NDArray[np.floating] | Callable[[str], float]


class Found(NamedTuple):
    """An architecture that fits: predicted milliseconds, their interval, and its accuracy."""

    arch: str
    ms: float
    low: float
    high: float
    accuracy: float


def search(
    space: Space,
    predict: Callable[[Sequence[str], float], Prediction],
    max_ms: float,
    accuracy: Accuracy,
    k: int,
    confidence: float,
    max_memory: int | None,
    seed: int,  # noqa: ARG001 - part of the interface of every space
) -> list[Found]:
    """The `k` most accurate architectures that fit, the best first; empty if nothing fits.

    An architecture fits when the upper end of its interval of the given confidence is within
    `max_ms`. Of equally accurate ones, the faster comes first.

    Args:
        space: searched whole.
        predict: milliseconds of architectures with their intervals.
        max_ms: limit, milliseconds.
        accuracy: a mapping of architecture to accuracy (others are not considered), an array
            (N,) in the order of `space.architectures()`, or a callable, asked only about
            architectures that fit. One whose accuracy is NaN is not considered.
        k: how many.
        confidence: of the interval; 0 asks of the prediction alone that it be within the limit.
        max_memory: not supported yet.
        seed: for spaces too large to search whole; changes nothing here.

    Raises:
        ArgumentError: impossible arguments.
        ArchitectureError: a key of the mapping is no architecture.
    """
    _check(max_ms, k, confidence, max_memory)
    archs, values = _candidates(space, accuracy)
    if not archs:
        return []
    predicted = predict(archs, confidence or 0.9)
    ms, low, high = (np.asarray(column) for column in predicted)
    fits = (high if confidence else ms) <= max_ms
    if values is None:
        assert callable(accuracy)
        asked = zip(archs, fits.tolist(), strict=True)
        values = np.array([accuracy(arch) if fit else math.nan for arch, fit in asked])
    chosen = np.flatnonzero(fits & ~np.isnan(values))
    best = chosen[np.lexsort((ms[chosen], -values[chosen]))][:k]
    return [
        Found(archs[i], float(ms[i]), float(low[i]), float(high[i]), float(values[i])) for i in best
    ]


def _check(max_ms: float, k: int, confidence: float, max_memory: int | None) -> None:
    if not max_ms > 0:
        raise ArgumentError(f"max_ms must be a positive number of milliseconds, not {max_ms!r}")
    positive_int("k", k)
    if not 0 <= confidence < 1:
        raise ArgumentError(f"confidence must be at least 0 and below 1, not {confidence!r}")
    if max_memory is not None:
        raise ArgumentError("max_memory is not supported yet; leave it None")


def _candidates(space: Space, accuracy: Accuracy) -> tuple[list[str], NDArray[np.float64] | None]:
    """Architectures to consider, canonical, and their accuracies unless a callable gives them."""
    if isinstance(accuracy, Mapping):
        archs = [space.parse(arch) for arch in accuracy]
        return archs, np.array([_number(*item) for item in accuracy.items()], np.float64)
    archs = space.architectures()
    if callable(accuracy):
        return archs, None
    try:
        values = np.asarray(accuracy, np.float64)
    except (TypeError, ValueError):
        raise ArgumentError(
            "accuracy must be a mapping of architecture to accuracy, an array in the order of "
            f"space.architectures(), or a callable, not {type(accuracy).__name__}"
        ) from None
    if values.shape != (len(archs),):
        raise ArgumentError(
            f"accuracy has shape {values.shape}; {space.name} has {len(archs)} architectures"
        )
    return archs, values


def _number(arch: str, value: object) -> float:
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise ArgumentError(f"the accuracy of {arch} is {value!r}, not a number") from None
