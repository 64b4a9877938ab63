"""Numbers that describe an architecture to the predictors of the host, all from the core."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from edgewise.errors import ArgumentError
from edgewise.spaces import Space, get_space
from edgewise_converter.latency.help_network import OPERATIONS, cell_graphs

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
Codes = NDArray[np.uint8]

_SPACE = "nasbench201"
_NONE = 0


def graph_space(name: str) -> Space:
    """The space, if HELP's cell graph describes its architectures.

    Raises:
        ArgumentError: another space.
    """
    if name != _SPACE:
        raise ArgumentError(f"space {name!r} is not supported here; supported is {_SPACE!r}")
    return get_space(name)


def graphs(codes: Codes) -> Tensor:
    """Input of HELP's network, (3, N, 39) float32, of operation codes (N, 6)."""
    kinds = torch.from_numpy(codes.astype(np.int64))
    return cell_graphs(torch.nn.functional.one_hot(kinds, OPERATIONS))


def live(codes: Codes) -> BoolArray:
    """Which operations matter, (N, 6): fed something else than zeros, and used by the output."""
    edges = np.arange(codes.shape[1])
    present = (codes != _NONE) @ (1 << edges)
    kept = np.array(_live_patterns())[present]
    alive: BoolArray = np.asarray(kept[:, None] >> edges & 1, dtype=np.bool_)
    return alive


def connected(codes: Codes) -> BoolArray:
    """Whether anything flows from input to output, (N,), of operation codes (N, 6)."""
    return np.asarray(live(codes).any(axis=1))


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


def flops(space: Space, archs: Sequence[str]) -> FloatArray:
    """Floating-point operations of each network as written, dead operations too, (N,)."""
    return np.array([space.flops(arch, "all") for arch in archs])


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
