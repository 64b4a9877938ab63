"""What a network may take: milliseconds on a device, parameters and bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..arguments import positive_int, positive_number

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

CONFIDENCE = 0.9
"""Of the interval of predicted milliseconds whose upper end must keep to `max_ms`."""


@dataclass(frozen=True)
class Limits:
    """Limits, None where there is none; ArgumentError for impossible ones."""

    max_ms: float | None
    max_params: int | None
    max_bytes: int | None

    def __post_init__(self) -> None:
        """Check them."""
        if self.max_ms is not None:
            positive_number("max_ms", self.max_ms, "milliseconds")
        for name in ("max_params", "max_bytes"):
            value = getattr(self, name)
            if value is not None:
                positive_int(name, value)

    def excess(self, ms: Floats | None, params: Floats, size: Floats) -> Floats:
        """(N,) how many times a limit each of N networks takes, of the limit it misses by most.

        Args:
            ms: (N,) upper ends of predicted milliseconds; may be None where there is no limit.
            params: (N,) parameters.
            size: (N,) bytes.

        Returns:
            At most 1 of those that keep to all limits.
        """
        ratios = [np.zeros(len(params))]
        for taken, limit in (
            (ms, self.max_ms),
            (params, self.max_params),
            (size, self.max_bytes),
        ):
            if limit is not None:
                assert taken is not None
                ratios.append(taken / float(limit))
        most: Floats = np.max(ratios, axis=0)
        return most

    def __str__(self) -> str:
        limits = [
            None if self.max_ms is None else f"{self.max_ms:g} ms",
            None if self.max_params is None else f"{self.max_params:,} parameters",
            None if self.max_bytes is None else f"{self.max_bytes:,} bytes",
        ]
        return " and ".join(limit for limit in limits if limit is not None) or "no limit"
