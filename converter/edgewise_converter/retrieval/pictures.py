"""Batches of pictures for training: standardised, and changed a little at random."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from edgewise_converter.fewshot.conv4 import standardise

_SHIFT = 4  # pixels


def batches(
    images: NDArray[np.uint8],
    rows: NDArray[np.int64],
    labels: NDArray[np.int64],
    *,
    batch: int,
    steps: int,
    seed: int,
    start: int = 0,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches for the steps from ``start`` on, the same for a seed wherever one starts.

    Args:
        images: (N, 32, 32, 3) of a set.
        rows: (n,) of them to draw from; every one once an epoch.
        labels: (n,) of the rows.
        batch: pictures of a step.
        steps: how many in all.
        seed: of order, shifts and mirrorings.
        start: steps already taken.

    Yields:
        (batch, 3, 32, 32) standardised float32, and (batch,) int64.
    """
    batch = min(batch, len(rows))
    an_epoch = len(rows) // batch
    for step in range(start, steps):
        epoch, at = divmod(step, an_epoch)
        order = np.random.default_rng([seed, 0, epoch]).permutation(len(rows))
        drawn = order[at * batch : (at + 1) * batch]
        # In the order of the file, which is mapped and not in memory.
        drawn = drawn[np.argsort(rows[drawn])]
        generator = np.random.default_rng([seed, 1, step])
        pictures = standardise(images[rows[drawn]])
        yield _changed(pictures, generator), torch.from_numpy(labels[drawn])


def _changed(pictures: Tensor, generator: np.random.Generator) -> Tensor:
    """Each shifted by up to four pixels. Half of them mirrored would spoil letters and signs."""
    side = pictures.shape[-1]
    padded = F.pad(pictures, (_SHIFT,) * 4, mode="reflect")
    down, right = generator.integers(0, 2 * _SHIFT + 1, (2, len(pictures)))
    moved = [
        padded[at, :, y : y + side, x : x + side]
        for at, (y, x) in enumerate(zip(down, right, strict=True))
    ]
    return torch.stack(moved).contiguous(memory_format=torch.channels_last)
