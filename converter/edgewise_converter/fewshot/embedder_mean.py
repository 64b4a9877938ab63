"""The mean of two embedders that were trained on from the same weights."""

from __future__ import annotations

import torch

from edgewise.errors import ArgumentError
from edgewise_converter.fewshot.embedder import Embedder


def mean_of(first: Embedder, second: Embedder, share: float) -> Embedder:
    """The first embedder, with every weight and statistic moved towards the second's.

    Model soups (Wortsman et al. 2022, arXiv 2203.05482): what was trained on from the same weights
    lies in one valley, where a mean is as good as its ends or better.

    Args:
        first: changed in place.
        second: of the same size.
        share: of the second, 0 to 1.

    Raises:
        ArgumentError: two sizes, or a share out of range.
    """
    if first.widths != second.widths:
        raise ArgumentError("two embedders of different sizes have no mean")
    if not 0 <= share <= 1:
        raise ArgumentError(f"share must be from 0 to 1, not {share:g}")
    other = second.state_dict()
    with torch.no_grad():
        for name, value in first.state_dict().items():
            if value.is_floating_point():
                value.lerp_(other[name], share)
    return first
