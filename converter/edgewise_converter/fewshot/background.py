"""The background of an embedder: what a picture has in common with the classes of the training.

A picture may be near a known class by being near much. So its cosines with the directions of the
classes that the embedder learnt from are taken off its best one, before that is held against the
threshold:

    best cosine - share * mean of the `nearest` largest cosines with the background

The idea is test normalisation of speaker verification (Auckenthaler, Carey and Lloyd-Thomas 2000,
"Score normalization for text-independent speaker verification systems", doi
10.1006/dspr.1999.0360), where a score is set against those of a cohort; here only the mean is taken
off, a share of it, and the cohort is what is nearest of the background.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgewise.bundle import Bundle
from edgewise_converter.fewshot.embedder_calibration import Part, auroc, full_cosine, known_scores
from edgewise_converter.fewshot.scorers import Floats

_SHARES = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
_NEAREST = (1, 3, 5, 10, 20, 40)
_LEAST = 1e-12  # length that is divided by


@dataclass(frozen=True)
class Background:
    """Directions as a bundle holds them, and how they are taken off a score.

    Attributes:
        rows: (B, D) int8.
        scales: (B) float32; row i times scale i is a direction, of unit length.
        share: from 0 to below 1.
        nearest: 1 to B.
    """

    rows: NDArray[np.int8]
    scales: NDArray[np.float32]
    share: float
    nearest: int

    def level(self, queries: Floats) -> Floats:
        """What is taken off: (..., D) embeddings to (...)."""
        means = nearest_means(self.rows * self.scales[:, None], queries, [self.nearest])
        level: Floats = np.float32(self.share) * means[..., 0]
        return level

    def rate(self, labelled: Floats, queries: Floats) -> Floats:
        """A ``Scorer``: cosines less the level, which is the same for all classes of a query."""
        return full_cosine(labelled, queries) - self.level(queries)[..., None]

    def tensors(self) -> dict[str, NDArray[np.int8] | NDArray[np.float32]]:
        """As a bundle stores them."""
        return {"background": self.rows, "background.scale": self.scales}

    def rule(self) -> dict[str, str | float | int]:
        """What the manifest's `unknown` says of it."""
        return {"rule": "background", "share": self.share, "nearest": self.nearest}


def stored_background(bundle: Bundle) -> Background | None:
    """What an embedder bundle holds; None where its rule is another one."""
    unknown = bundle.manifest["embedder"]["unknown"]
    if unknown.get("rule") != "background":
        return None
    rows, scales = bundle.tensor("background"), bundle.tensor("background.scale")
    return Background(rows, scales, unknown["share"], unknown["nearest"])


def class_directions(part: Part) -> Floats:
    """(C, D): of each class the mean of its embeddings' directions, at unit length."""
    ends = np.cumsum(part.sizes)[:-1]
    means = [each.mean(0) for each in np.split(_directions(part.features), ends)]
    return _directions(np.stack(means))


def nearest_means(directions: Floats, queries: Floats, nearest: Sequence[int]) -> Floats:
    """Means of the largest cosines of queries with directions.

    Args:
        directions: (B, D) of unit length.
        queries: (..., D) of any length.
        nearest: how many of the largest; each gives a mean.

    Returns:
        (..., len(nearest))
    """
    cosines = -np.sort(-(_directions(queries) @ directions.T), axis=-1)
    means: Floats = np.stack([cosines[..., :count].mean(-1) for count in nearest], axis=-1)
    return means


def choose_background(
    rows: NDArray[np.int8], scales: NDArray[np.float32], parts: Sequence[Part], shots: int
) -> Background | None:
    """The share and the nearest that tell unknown classes best: the mean AUROC of the parts.

    Args:
        rows: (B, D) directions as int8; what is stored is what is tried.
        scales: (B) of the rows.
        parts: embeddings of validation classes of each benchmark.
        shots: labelled pictures of a class.

    Returns:
        The background; None when it is best to have none.
    """
    counts = [count for count in _NEAREST if count <= len(rows)]
    directions = rows * scales[:, None]

    def means(_labelled: Floats, queries: Floats) -> Floats:
        return nearest_means(directions, queries, counts)

    # The same episodes: a mean for each score, (E, 5 × 15, number of counts).
    plain = [known_scores(part, shots) for part in parts]
    levels = [known_scores(part, shots, rate=means) for part in parts]

    def mean_auroc(share: float, at: int) -> float:
        found = []
        for scores, level in zip(plain, levels, strict=True):
            known, unknown = (s - share * m[..., [at]] for s, m in zip(scores, level, strict=True))
            found.append(auroc(known, unknown))
        return float(np.mean(found))

    tried = [(0.0, 0), *((share, at) for at in range(len(counts)) for share in _SHARES)]
    share, at = max(tried, key=lambda each: mean_auroc(*each))
    return Background(rows, scales, share, counts[at]) if share else None


def _directions(vectors: Floats) -> Floats:
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    units: Floats = vectors / np.maximum(lengths, _LEAST)
    return units
