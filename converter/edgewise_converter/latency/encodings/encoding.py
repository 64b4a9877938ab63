"""The interface of a space's encoding."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
Codes = NDArray[np.uint8]


class Encoding(Protocol):
    """How architectures of one space become numbers. Codes (N, L) are the space's own."""

    @property
    def columns(self) -> int:
        """Columns of what HELP's network reads of a chain; 0: it reads the graph of a cell."""

    def inputs(self, choices: Tensor) -> Tensor:
        """What HELP's network reads, (…, N, F) float32.

        Args:
            choices: (N, K) float32, each code one-hot over what it may be
                (``edgewise.latency.help.one_hot``).

        Raises:
            ArgumentError: HELP has no network for this space.
        """

    def linear(self, codes: Codes) -> FloatArray:
        """(N, P) columns that latency is all but linear in, with thousands of timings."""

    def counts(self, codes: Codes) -> FloatArray:
        """(N, C) how much there is of each kind of operation: few columns, for ten timings."""

    def depth(self, codes: Codes) -> FloatArray:
        """(N,) how many layers or operations there are."""

    def connected(self, codes: Codes) -> BoolArray:
        """(N,) whether anything flows from input to output."""
