"""ReLU and max pooling that can be held as they fell: which units are on, which maximum was taken.

A network of ReLUs is smooth but for its kinks, and a second derivative leaves those out: it is that
of the network whose units stay as they are. Differences of gradients see the kinks instead, and are
wrong by them. So the choices are recorded at a point and replayed beside it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
import torch.nn.functional as F
from torch import Tensor


class Tape:
    """The choices of one forward pass, in order."""

    def __init__(self) -> None:
        """An empty tape."""
        self._masks: list[Tensor] = []
        self._at: int | None = None

    def __len__(self) -> int:
        """How many layers were recorded."""
        return len(self._masks)

    def _rewind(self) -> None:
        self._at = 0

    def _rectify(self, maps: Tensor, pool: bool) -> Tensor:
        if self._at is None:
            kept, mask = _recorded(maps, pool)
            self._masks.append(mask)
            return kept
        mask = self._masks[self._at]
        self._at += 1
        # At most one of the four of a window is on, so their sum is the maximum that was taken.
        return 4 * F.avg_pool2d(maps * mask, 2) if pool else maps * mask


_TAPE: ContextVar[Tape | None] = ContextVar("tape", default=None)


def rectify(maps: Tensor, *, pool: bool = False) -> Tensor:
    """ReLU, after 2×2 max pooling if asked for: (B, C, H, W) to (B, C, H // 2, W // 2).

    Within :func:`recording` its choices are kept, within :func:`replaying` they are repeated.
    """
    tape = _TAPE.get()
    if tape is not None:
        return tape._rectify(maps, pool)
    # Pooling first leaves ReLU a quarter of the work; the result is the same.
    return F.relu(F.max_pool2d(maps, 2) if pool else maps)


@contextmanager
def recording() -> Iterator[Tape]:
    """Record the choices of the pass made within, onto a new tape."""
    tape = Tape()
    token = _TAPE.set(tape)
    try:
        yield tape
    finally:
        _TAPE.reset(token)


@contextmanager
def replaying(tape: Tape) -> Iterator[None]:
    """Repeat the choices of a tape in the pass made within."""
    tape._rewind()
    token = _TAPE.set(tape)
    try:
        yield
    finally:
        _TAPE.reset(token)


def _recorded(maps: Tensor, pool: bool) -> tuple[Tensor, Tensor]:
    """What :func:`rectify` gives, and the mask (as `maps`) of the values that it let through."""
    if not pool:
        return F.relu(maps), (maps.detach() > 0).to(maps.dtype)
    largest, where = F.max_pool2d(maps, 2, return_indices=True)
    on = (largest.detach() > 0).to(maps.dtype)
    # The pooling's own derivative puts the mask where the maxima were.
    layout = maps.detach()
    mask = torch.ops.aten.max_pool2d_with_indices_backward(
        on, layout, [2, 2], [2, 2], [0, 0], [1, 1], False, where
    )
    return F.relu(largest), mask
