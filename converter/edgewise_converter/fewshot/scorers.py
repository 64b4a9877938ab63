"""How the queries of an episode are rated, given embeddings that were computed before."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from edgewise_converter.fewshot.relation import RelationHead

Floats = NDArray[np.float32]
Scorer = Callable[[Floats, Floats], Floats]
"""(E, N, K, D) labelled and (E, M, D) query embeddings to (E, M, N) scores, highest is nearest."""


def euclidean(labelled: Floats, queries: Floats) -> Floats:
    """Negative squared distance to a class's mean, but for what is the same for all classes."""
    means = labelled.mean(2)
    products = queries @ means.transpose(0, 2, 1)
    return 2 * products - np.square(means).sum(2)[:, None]  # type: ignore[no-any-return]


def cosine(labelled: Floats, queries: Floats) -> Floats:
    """Cosine to the mean of a class's unit vectors, but for what is the same for all classes."""
    units = labelled / np.maximum(np.linalg.norm(labelled, axis=3, keepdims=True), 1e-12)
    means = units.mean(2)
    means /= np.maximum(np.linalg.norm(means, axis=2, keepdims=True), 1e-12)
    return queries @ means.transpose(0, 2, 1)  # type: ignore[no-any-return]


def relation(head: RelationHead) -> Scorer:
    """Scores by a relation module in evaluation mode; embeddings are its maps, flattened."""

    def score(labelled: Floats, queries: Floats) -> Floats:
        with torch.inference_mode():
            found = [
                head.relate(*_convolved(head, classes, asked))
                for classes, asked in zip(labelled, queries, strict=True)
            ]
        return torch.stack(found).numpy()

    return score


def _convolved(
    head: RelationHead, labelled: Floats, queries: Floats
) -> tuple[torch.Tensor, torch.Tensor]:
    shape = (head.of_class.in_channels, head.side, head.side)
    classes = torch.from_numpy(labelled.mean(1)).reshape(-1, *shape)
    asked = torch.from_numpy(queries).reshape(-1, *shape)
    return head.of_class(classes), head.of_query(asked)
