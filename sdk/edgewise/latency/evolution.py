"""Evolutionary search over the codes of a space that is too large to look at whole.

Regularities that any space of networks has are all that is used: codes are chosen independently,
and networks with similar codes behave alike. The algorithm is that of once-for-all (Cai et al.
2020, arXiv 1908.09791), with every architecture judged at most once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .._core import Space

    Codes = NDArray[np.uint8]
    Scores = NDArray[np.float64]

POPULATION = 100
"""Architectures a generation."""

GENERATIONS = 200
"""At most; so no more than 20,000 architectures are judged."""

_PATIENCE = 30  # generations without a better one that end the search
_PARENTS = 50  # the best that were ever seen
_MUTATION = 0.05  # probability of each code to be drawn anew, besides the one that always is


def evolve(
    space: Space, judge: Callable[[list[str]], Scores], *, keep: int = 1, seed: int = 0
) -> int:
    """Show `judge` better and better architectures; how many it was shown.

    Generation after generation, half of the children are mutated copies of the best architectures
    seen so far, half mix the codes of two of them, each code taken from either with equal
    probability; what was seen before is replaced by random architectures.

    Args:
        space: which codes there are.
        judge: given canonical architectures (N,), none of which it was given before, their scores
            (N, K) float64: rows are compared as tuples, and the largest is the best.
        keep: the search ends when the best `keep` scores have not changed for 30 generations.
        seed: the same seed shows the same architectures.
    """
    rng = np.random.default_rng(seed)
    pool, elite = _Pool(space), _Elite(keep)
    children = pool.draw(POPULATION, rng)
    for _ in range(GENERATIONS):
        archs, codes = pool.fresh(children, rng)
        if not archs:
            break
        elite.add(codes, judge(archs))
        if elite.unchanged == _PATIENCE:
            break
        half = POPULATION // 2
        parents = elite.codes[:_PARENTS]
        mutated, crossed = pool.mutate(parents, half, rng), cross(parents, half, rng)
        children = np.concatenate([mutated, crossed])
    return len(pool.seen)


def cross(parents: Codes, count: int, rng: np.random.Generator) -> Codes:
    """`count` children (count, L) of pairs of `parents` (N, L), mixed code by code."""
    mothers, fathers = (parents[rng.integers(len(parents), size=count)] for _ in range(2))
    return np.where(rng.random(mothers.shape) < 0.5, mothers, fathers)


class _Elite:
    """The best that were seen, the best first: codes (P, L) and scores (P, K)."""

    def __init__(self, keep: int) -> None:
        self._keep = keep
        self._size = max(_PARENTS, keep)
        self.codes: Codes = np.empty((0, 0), np.uint8)
        self.scores: Scores = np.empty((0, 0))
        self.unchanged = 0
        """For how many additions the best `keep` scores have been the same."""

    def add(self, codes: Codes, scores: Scores) -> None:
        """Let (N, L) codes with (N, K) scores compete."""
        before = self._best()
        codes = np.concatenate([self.codes.reshape(-1, codes.shape[1]), codes])
        scores = np.concatenate([self.scores.reshape(-1, scores.shape[1]), scores])
        order = np.lexsort(-scores.T[::-1])[: self._size]
        self.codes, self.scores = codes[order], scores[order]
        self.unchanged = self.unchanged + 1 if np.array_equal(before, self._best()) else 0

    def _best(self) -> Scores:
        return self.scores[: self._keep]


class _Pool:
    """The codes of a space, and which of its architectures were seen."""

    def __init__(self, space: Space) -> None:
        self.space = space
        self.choices = [np.array(values, np.uint8) for values in space.choices]
        self.seen: set[bytes] = set()

    def draw(self, count: int, rng: np.random.Generator) -> Codes:
        """Random codes, (count, L)."""
        columns = [values[rng.integers(len(values), size=count)] for values in self.choices]
        return np.stack(columns, axis=1)

    def mutate(self, parents: Codes, count: int, rng: np.random.Generator) -> Codes:
        """`count` copies of `parents` with some codes drawn anew, at least one in each."""
        children = parents[rng.integers(len(parents), size=count)]
        changed = rng.random(children.shape) < _MUTATION
        changed[np.arange(count), rng.integers(children.shape[1], size=count)] = True
        return np.where(changed, self.draw(count, rng), children)

    def fresh(self, children: Codes, rng: np.random.Generator) -> tuple[list[str], Codes]:
        """Those never seen before, canonical, and random ones in the place of the others."""
        archs, codes = self._unseen(children)
        if len(archs) < len(children):
            more, filling = self._unseen(self.draw(len(children) - len(archs), rng))
            archs, codes = archs + more, np.concatenate([codes, filling])
        return archs, codes

    def _unseen(self, children: Codes) -> tuple[list[str], Codes]:
        codes = self.space.canonical(children)  # equal networks have equal codes
        archs = self.space.decode(codes)
        kept = []
        for i, row in enumerate(codes):
            key = row.tobytes()
            if key not in self.seen:
                self.seen.add(key)
                kept.append(i)
        return [archs[i] for i in kept], codes[kept]
