"""The answer of every latency predictor."""

from __future__ import annotations

from typing import Any, NamedTuple


class Prediction(NamedTuple):
    """Predicted milliseconds with the interval that holds the true ones with the asked confidence.

    Floats for one architecture; float64 arrays of shape (N,) for a sequence of N. (Typed `Any`: a
    union would ask every caller to tell apart what its own argument has decided.) A named tuple,
    because one is made for every prediction, and this is the cheapest immutable record there is.
    """

    ms: Any
    low: Any
    high: Any
