"""The answer of every latency predictor."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Prediction(NamedTuple):
    """Predicted milliseconds with the interval that holds the true ones with the asked confidence.

    Floats for one architecture; float64 arrays of shape (N,) for a sequence of N. A named tuple
    because one is made for every prediction, and this is the cheapest immutable record there is.
    """

    ms: float | NDArray[np.float64]
    low: float | NDArray[np.float64]
    high: float | NDArray[np.float64]
