"""NAS-Bench-201: HELP's cell graph, and which operations of a cell matter."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from torch import Tensor

from edgewise.spaces import Space, get_space
from edgewise_converter.latency.cell_network import OPERATIONS, cell_graphs
from edgewise_converter.latency.encodings.encoding import BoolArray, Codes, FloatArray

_SPACE = "nasbench201"
_NONE = 0


class CellEncoding:
    """The six operations of a cell, of which some may be dead."""

    columns = 0

    def inputs(self, choices: Tensor) -> Tensor:
        """Graphs (3, N, 39), see ``cell_network``."""
        return cell_graphs(choices.reshape(choices.shape[0], -1, OPERATIONS))

    def linear(self, codes: Codes) -> FloatArray:
        """(N, 52): operations by edge, all of them, then those alive, which are counted too."""
        alive = live(codes)
        parts = (one_hot(codes), one_hot(codes, alive), operation_counts(codes, alive))
        return np.hstack(parts)

    def counts(self, codes: Codes) -> FloatArray:
        """(N, 4): operations by kind. Leaving out dead ones serves ten timings worse."""
        return operation_counts(codes)

    def depth(self, codes: Codes) -> FloatArray:
        """(N,): live operations of a cell."""
        depth: FloatArray = live(codes).sum(axis=1).astype(np.float64)
        return depth

    def connected(self, codes: Codes) -> BoolArray:
        """(N,): whether any operation is live."""
        return np.asarray(live(codes).any(axis=1))


def live(codes: Codes) -> BoolArray:
    """Which operations matter, (N, 6): fed something else than zeros, and used by the output."""
    edges = np.arange(codes.shape[1])
    present = (codes != _NONE) @ (1 << edges)
    kept = np.array(_live_patterns())[present]
    alive: BoolArray = np.asarray(kept[:, None] >> edges & 1, dtype=np.bool_)
    return alive


def one_hot(codes: Codes, alive: BoolArray | None = None) -> FloatArray:
    """(N, 24): for each edge, which of the four operations other than none it holds.

    With ``alive`` (N, 6), operations that are not alive count as none.
    """
    kept = codes if alive is None else np.where(alive, codes, _NONE)
    hot: FloatArray = (kept[:, :, None] == np.arange(1, OPERATIONS)).astype(np.float64)
    return hot.reshape(len(codes), -1)


def operation_counts(codes: Codes, alive: BoolArray | None = None) -> FloatArray:
    """(N, 4): how many operations of each kind other than none."""
    hot = one_hot(codes, alive).reshape(len(codes), -1, OPERATIONS - 1)
    counts: FloatArray = hot.sum(axis=1)
    return counts


@lru_cache(maxsize=1)
def _live_patterns() -> tuple[int, ...]:
    """For each set of edges that are not none, the set that is live; bit e stands for edge e.

    Which operation it is makes no difference, so the core is asked once per set.
    """
    space = get_space(_SPACE)
    bits = np.arange(space.encode(space.architectures()[0]).shape[1])
    patterns = np.arange(1 << len(bits))
    archs = space.decode((patterns[:, None] >> bits & 1).astype(np.uint8))
    return tuple(
        sum({1 << edge for stage, cell, edge in _positions(space, arch) if (stage, cell) == (0, 0)})
        for arch in archs
    )


def _positions(space: Space, arch: str) -> list[tuple[int, int, int]]:
    """Positions of an architecture's live operations."""
    kernels = space.lower(arch, "live")
    return [kernel.position for kernel in kernels if kernel.op != "add" and kernel.position[2] >= 0]
