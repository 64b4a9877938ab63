"""The part of a zoo that is searched: directions of its networks, and how well each would do.

The nearest networks by cosine (the core, int8), ranked by the accuracy that is expected of them
(Lee et al. 2021, arXiv 2103.01495, section 3.4).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .. import _core
from .dense import Dense, to_unit

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Ranked(NamedTuple):
    """Networks by number, the best first; (n,) each."""

    numbers: NDArray[np.int64]
    cosines: NDArray[np.float32]
    accuracies: NDArray[np.float32]
    """Expected of each, shares of one."""


@dataclass(frozen=True)
class Index:
    """Directions of N networks, dim D, with what reads queries and compares."""

    rows: NDArray[np.int8]
    """(N, D); a row times its scale is at unit length."""
    scales: NDArray[np.float32]
    """(N,)"""
    query: Dense
    """From S statistics to D numbers, whose direction counts."""
    performance: Dense
    """From a query, a network's direction and their product, 3 D, to a number: sigmoid of it is the
    accuracy that is expected."""
    nearest: int
    """How many of the nearest are ranked."""

    def search(
        self, statistics: NDArray[np.float32], k: int, mask: NDArray[np.bool_] | None = None
    ) -> Ranked:
        """The `k` best for a query of statistics (S,), where the mask (N,) allows; maybe fewer."""
        query = to_unit(self.query(statistics[None]))[0]
        # No more than there are: a caller's k may be beyond what the core's numbers hold.
        wanted = min(max(k, self.nearest), len(self.rows))
        numbers, cosines = _core.nearest(self.rows, self.scales, query, wanted, mask)
        expected = self.expect(query, numbers)
        # Stable, and nearest first before: of equals the nearer stays first.
        order = np.argsort(-expected, kind="stable")[:k]
        return Ranked(numbers[order], cosines[order], expected[order])

    def expect(self, query: NDArray[np.float32], numbers: NDArray[np.int64]) -> NDArray[np.float32]:
        """(n,) accuracies that are expected of networks for a query (D,) of unit length."""
        networks = self.rows[numbers] * self.scales[numbers, None]
        asked = np.broadcast_to(query, networks.shape)
        pairs = np.concatenate([asked, networks, query * networks], axis=1)
        logits = self.performance(pairs)[:, 0].astype(np.float64)
        return (0.5 * (1 + np.tanh(0.5 * logits))).astype(np.float32)  # sigmoid, never overflowing
