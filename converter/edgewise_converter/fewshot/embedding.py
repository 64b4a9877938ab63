"""All images of a part of a benchmark through an embedder, once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from edgewise_converter.fewshot.conv4 import standardise
from edgewise_converter.fewshot.episodes import Rows

_BATCH = 200


def embed_all(
    embedder: nn.Module, images: NDArray[np.uint8], rows: Sequence[Rows], *, low: bool = False
) -> tuple[NDArray[np.float32], list[Rows]]:
    """Embed the images of some classes.

    Args:
        embedder: in evaluation mode, (B, 3, H, W) standardised to (B, ...).
        images: (N, H, W, 3).
        rows: indices of the images of each class.
        low: compute in bfloat16.

    Returns:
        (M, D) features, flattened, of all images of those classes; and for each class the indices
        of its images among them.
    """
    found = []
    wanted = np.concatenate(rows)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=low):
        for at in range(0, len(wanted), _BATCH):
            batch = standardise(images[wanted[at : at + _BATCH]])
            # (C, h, w) in that order, however the maps lie in memory
            found.append(embedder(batch).float().flatten(1).numpy())
    ends = np.cumsum([len(each) for each in rows])
    places = [np.arange(end - len(each), end) for each, end in zip(rows, ends, strict=True)]
    return np.concatenate(found), places
