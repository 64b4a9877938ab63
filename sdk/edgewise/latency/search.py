"""Finds accurate architectures that a device runs in time."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..arguments import positive_int
from ..errors import ArgumentError
from .evolution import evolve
from .judge import Found, Judge, Limits, number
from .prediction import Prediction

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .._core import Space

    Accuracy = Mapping[str, float] | Sequence[float] | NDArray[np.floating] | Callable[[str], float]

__all__ = ["Found", "search"]

_log = logging.getLogger(__name__)


def search(
    space: Space,
    predict: Callable[[Sequence[str], float], Prediction],
    max_ms: float,
    accuracy: Accuracy,
    k: int,
    confidence: float,
    max_memory: int | None,
    seed: int,
) -> list[Found]:
    """The `k` most accurate architectures that fit, each once, the best first.

    An architecture fits when the upper end of its interval of the given confidence is within
    `max_ms`, and its memory within `max_memory`. Of equally accurate ones, the faster comes
    first. Where nothing fits the list is empty, and what came nearest is logged.

    A space that can be listed is searched whole, as is a mapping. Any other is searched by
    evolution (see `evolution.py`): at most 20,000 architectures are judged, and `accuracy` is
    asked once about each of those that fit.

    Args:
        space: where to search.
        predict: milliseconds of architectures with their intervals.
        max_ms: limit, milliseconds.
        accuracy: a mapping of architecture to accuracy (others are not considered); a callable,
            asked with canonical strings and only about what fits; or, for a space that can be
            listed, an array (N,) in the order of `space.architectures()`. One whose accuracy is
            NaN is not considered.
        k: how many.
        confidence: of the interval; 0 asks of the prediction alone that it be within the limit.
        max_memory: bytes that a runtime may need for the network: the largest sum of activations
            that live at one time, and the weights.
        seed: of the evolution; the same seed finds the same.

    Raises:
        ArgumentError: impossible arguments.
        ArchitectureError: a key of the mapping is no architecture.
    """
    limits = Limits(max_ms, confidence, max_memory)
    positive_int("k", k)
    if callable(accuracy) and not isinstance(accuracy, Mapping):
        judge = Judge(space, predict, accuracy, limits)
        if space.size:
            judge(space.architectures())
        else:
            judged = evolve(space, judge, keep=k, seed=seed)
            _log.info("judged %d architectures, %d fit", judged, len(judge.found))
    else:
        table = _table(space, accuracy)
        judge = Judge(space, predict, table.__getitem__, limits)
        if table:
            judge(list(table))
    if not judge.found and judge.nearest is not None:
        _log.warning("nothing fits; %s", judge.nearest)
    return judge.best(k)


def _table(
    space: Space, accuracy: Mapping[str, float] | Sequence[float] | NDArray[np.floating]
) -> dict[str, float]:
    """Canonical architecture -> accuracy."""
    if not isinstance(accuracy, Mapping):
        values = _values(space, accuracy)
        return dict(zip(space.architectures(), values, strict=True))
    table: dict[str, float] = {}
    for arch, value in accuracy.items():
        canonical, given = space.parse(arch), number(arch, value)
        if not _same(table.setdefault(canonical, given), given):
            raise ArgumentError(
                f"accuracy holds {canonical} twice, as {table[canonical]} and {given}"
            )
    return table


def _same(one: float, other: float) -> bool:
    return one == other or (math.isnan(one) and math.isnan(other))


def _values(space: Space, accuracy: Sequence[float] | NDArray[np.floating]) -> list[float]:
    """Accuracies in the order of the space's architectures."""
    try:
        values = np.asarray(accuracy, np.float64)
    except (TypeError, ValueError):
        raise ArgumentError(
            "accuracy must be a mapping of architecture to accuracy, an array in the order of "
            f"space.architectures(), or a callable, not {type(accuracy).__name__}"
        ) from None
    if not space.size:
        raise ArgumentError(
            f"{space.name} cannot be listed, so accuracy must be a mapping or a callable"
        )
    if values.shape != (space.size,):
        raise ArgumentError(
            f"accuracy has shape {values.shape}; {space.name} has {space.size} architectures"
        )
    found: list[float] = values.tolist()
    return found
