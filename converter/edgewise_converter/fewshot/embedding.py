"""All pictures of some classes through an embedder, once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from edgewise_converter.fewshot.accuracy import accuracies, draw_episodes
from edgewise_converter.fewshot.embedders import Embedder
from edgewise_converter.fewshot.episodes import EpisodeShape, Rows
from edgewise_converter.fewshot.scorers import Floats


@dataclass(frozen=True)
class Embedded:
    """Embeddings of the pictures of some classes, class after class.

    Attributes:
        features: (N, D).
        sizes: how many are of each class.
    """

    features: Floats
    sizes: tuple[int, ...]

    @property
    def labels(self) -> NDArray[np.int64]:
        """(N,) the class of each."""
        return np.repeat(np.arange(len(self.sizes)), self.sizes)


def embed_all(embedder: Embedder, images: NDArray[np.uint8], rows: Sequence[Rows]) -> Embedded:
    """Embed all pictures of some classes.

    Args:
        embedder: what embeds them.
        images: (N, H, W, 3) of its size.
        rows: indices of the pictures of each class.
    """
    wanted = np.concatenate(rows)
    starts = range(0, len(wanted), embedder.batch)
    shown = tqdm(starts, "embedding", unit="batch", leave=False, disable=None, delay=5)
    found = [embedder.embed(images[wanted[at : at + embedder.batch]]) for at in shown]
    return Embedded(np.concatenate(found), tuple(len(each) for each in rows))


def episode_accuracies(
    embedded: Embedded, embedder: Embedder, shape: EpisodeShape, count: int, seed: int
) -> NDArray[np.float64]:
    """Accuracy in each of many episodes: the same for every embedder of the same pictures.

    Returns:
        (count,) between 0 and 1.
    """
    episodes = draw_episodes(embedded.sizes, shape, count, seed)
    return accuracies(embedded.features, episodes, shape, embedder.scorer)
