"""Accuracy over many episodes: the same episodes for whatever is scored, drawn on embeddings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgewise.errors import ArgumentError
from edgewise_converter.fewshot.episodes import EpisodeShape, Rows
from edgewise_converter.fewshot.scorers import Floats, Scorer

_CHUNK_FLOATS = 1 << 24


@dataclass(frozen=True)
class Interval:
    """A mean with its 95 % interval: mean ± half."""

    mean: float
    half: float


def interval(values: NDArray[np.float64]) -> Interval:
    """Mean and 95 % interval of independent values, by the normal approximation."""
    half = 1.96 * values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else np.nan
    return Interval(float(values.mean()), float(half))


def draw_episodes(sizes: Sequence[int], shape: EpisodeShape, count: int, seed: int) -> Rows:
    """Draw episodes, all at once.

    Args:
        sizes: images of each class, which are numbered through class by class.
        shape: of every episode.
        count: how many.
        seed: of the draws; the same sizes, shape and seed give the same episodes.

    Returns:
        (count, ways, shots + queries) indices of images; in a row all different.

    Raises:
        ArgumentError: too few classes, or a class with too few images.
    """
    if len(sizes) < shape.ways:
        raise ArgumentError(f"{shape.ways} ways asked of {len(sizes)} classes")
    if min(sizes) < shape.images:
        raise ArgumentError(
            f"a class has {min(sizes)} images, an episode takes {shape.shots} + {shape.queries}"
        )
    generator = np.random.default_rng((seed, shape.ways, shape.shots, shape.queries))
    keys = generator.random((count, len(sizes)), dtype=np.float32)
    classes = np.argsort(keys, axis=1)[:, : shape.ways]
    limits = np.asarray(sizes)[classes]
    starts = np.cumsum(sizes, dtype=np.int64) - np.asarray(sizes)
    rows: Rows = starts[classes][..., None] + _distinct(limits, shape.images, generator)
    return rows


def accuracies(
    features: Floats, episodes: Rows, shape: EpisodeShape, scorer: Scorer
) -> NDArray[np.float64]:
    """Share of right answers in each episode.

    Args:
        features: (N, D) embeddings.
        episodes: (E, ways, shots + queries) indices into them, the labelled first.
        shape: of the episodes.
        scorer: rates the queries.

    Returns:
        (E,) accuracies between 0 and 1.
    """
    truth = np.repeat(np.arange(shape.ways), shape.queries)
    right = []
    for chunk in _chunks(episodes, features.shape[1]):
        found = features[chunk]
        queries = found[:, :, shape.shots :].reshape(len(chunk), -1, features.shape[1])
        answers = scorer(found[:, :, : shape.shots], queries).argmax(2)
        right.append((answers == truth).mean(1))
    return np.concatenate(right)


def _chunks(episodes: Rows, width: int) -> Iterator[Rows]:
    size = max(1, _CHUNK_FLOATS // (episodes[0].size * width))
    for at in range(0, len(episodes), size):
        yield episodes[at : at + size]


def _distinct(limits: Rows, count: int, generator: np.random.Generator) -> Rows:
    """(..., count) different integers below each limit, by Floyd's algorithm."""
    picked = np.empty((*limits.shape, count), np.int64)
    for at in range(count):
        top = limits - count + at
        drawn = (generator.random(limits.shape) * (top + 1)).astype(np.int64)
        taken = (picked[..., :at] == drawn[..., None]).any(-1)
        picked[..., at] = np.where(taken, top, drawn)
    # Floyd's choice is uniform as a set; the first shots of it are not.
    return generator.permuted(picked, axis=-1)
