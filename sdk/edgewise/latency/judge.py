"""What a search asks of an architecture, and what it remembers of those it has seen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..arguments import positive_int, positive_number
from ..errors import ArgumentError
from .prediction import Prediction

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .._core import Space

    FloatArray = NDArray[np.float64]
    IntArray = NDArray[np.int64]

_USUAL = 0.9  # confidence of the interval that is reported when the limit asks for none


class Found(NamedTuple):
    """An architecture that fits: predicted milliseconds, their interval, and its accuracy."""

    arch: str
    ms: float
    low: float
    high: float
    accuracy: float


@dataclass(frozen=True)
class Limits:
    """What an architecture has to keep to; ArgumentError for impossible ones."""

    max_ms: float
    confidence: float
    """Of the interval whose upper end must be within `max_ms`; 0: the prediction itself."""
    max_memory: int | None
    """Bytes of peak activations and weights together."""

    def __post_init__(self) -> None:
        positive_number("max_ms", self.max_ms, "milliseconds")
        if not 0 <= self.confidence < 1:
            raise ArgumentError(
                f"confidence must be at least 0 and below 1, not {self.confidence!r}"
            )
        if self.max_memory is not None:
            positive_int("max_memory", self.max_memory)

    def compare(
        self, needed_ms: FloatArray, needed_bytes: IntArray | None
    ) -> tuple[NDArray[np.bool_], FloatArray]:
        """Which of N architectures fit, and by what factor each takes its scarcest; both (N,)."""
        fits, excess = needed_ms <= self.max_ms, needed_ms / self.max_ms
        if needed_bytes is not None and self.max_memory is not None:
            fits &= needed_bytes <= self.max_memory
            excess = np.maximum(excess, needed_bytes / self.max_memory)
        return fits, excess


class Nearest(NamedTuple):
    """Of the architectures that do not fit, the one that misses the limits least."""

    arch: str
    ms: float
    high: float
    memory: int | None
    """Bytes; None where no limit was set."""
    excess: float
    """By what factor it misses the limit that it misses most."""

    def __str__(self) -> str:
        memory = "" if self.memory is None else f", and {self.memory:,} bytes"
        return (
            f"the nearest, {self.arch}, takes {self.ms:.4g} ms, {self.high:.4g} at the upper end "
            f"of its interval{memory}"
        )


class Judge:
    """Judges architectures, each once, and remembers those that fit."""

    def __init__(
        self,
        space: Space,
        predict: Callable[[Sequence[str], float], Prediction],
        accuracy: Callable[[str], float],
        limits: Limits,
    ) -> None:
        self._space = space
        self._predict = predict
        self._accuracy = accuracy
        self._limits = limits
        self.found: list[Found] = []
        """Those that fit and have an accuracy, in the order of asking."""
        self.nearest: Nearest | None = None

    def __call__(self, archs: list[str]) -> FloatArray:
        """Scores of canonical architectures, (N, 3): rows compare as tuples, the largest is best.

        The columns are: 0 where it fits, or else how far it misses the limits (negative); its
        accuracy; its negative milliseconds. What has no accuracy (NaN) is worse than all else.
        """
        confidence = self._limits.confidence
        predicted = self._predict(archs, confidence or _USUAL)
        ms, low, high = (np.asarray(column) for column in predicted)
        memory = None if self._limits.max_memory is None else memory_bytes(self._space, archs)
        fits, excess = self._limits.compare(high if confidence else ms, memory)
        scores = np.stack([np.where(fits, 0.0, -excess), np.zeros(len(archs)), -ms], axis=1)
        for i in np.flatnonzero(fits).tolist():
            accuracy = number(archs[i], self._accuracy(archs[i]))
            if np.isnan(accuracy):
                scores[i, 0] = -np.inf
            else:
                scores[i, 1] = accuracy
                row = (float(ms[i]), float(low[i]), float(high[i]), accuracy)
                self.found.append(Found(archs[i], *row))
        if not fits.all():
            i = int(np.argmin(np.where(fits, np.inf, excess)))
            if self.nearest is None or excess[i] < self.nearest.excess:
                held = None if memory is None else int(memory[i])
                numbers = float(ms[i]), float(high[i])
                self.nearest = Nearest(archs[i], *numbers, held, float(excess[i]))
        return scores

    def best(self, k: int) -> list[Found]:
        """The `k` most accurate that fit; of equally accurate ones the faster comes first."""
        return sorted(self.found, key=lambda hit: (-hit.accuracy, hit.ms))[:k]


def memory_bytes(space: Space, archs: Sequence[str]) -> IntArray:
    """What a runtime needs for each architecture at batch 1 and float32, (N,) bytes.

    The largest sum of activations that live at one time, and the weights.
    """
    peak, weights = space.memory(archs)
    return peak + weights


def number(arch: str, value: object) -> float:
    """`value`, the accuracy of `arch`, as a float; ArgumentError when it is none."""
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise ArgumentError(f"the accuracy of {arch} is {value!r}, not a number") from None
