"""How good an embedder for 84×84 pictures is: few-shot episodes of classes it has not seen."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from edgewise_converter.fewshot.accuracy import accuracies, draw_episodes
from edgewise_converter.fewshot.crops import resize
from edgewise_converter.fewshot.embedder import SIDE
from edgewise_converter.fewshot.episodes import EpisodeShape, Rows
from edgewise_converter.fewshot.scorers import Floats, cosine
from edgewise_converter.images.benchmarks import Benchmark

_BATCH = 128
_WAYS, _QUERIES, _SHOTS = 5, 15, (1, 5)
_EPISODES, _SEED = 2000, 7
_IMAGES = 200
"""Of each validation class: enough for a curve, and a third of the time."""

Embed = Callable[[Tensor], Tensor]
"""(B, 3, H, W) pixel values to (B, D)."""


@dataclass(frozen=True)
class Scores:
    """Where a training stood.

    Attributes:
        epoch: passes over the data so far (in meta-training, episodes).
        seconds: spent on training steps so far.
        loss: mean since the last validation.
        accuracy: by benchmark and shots, percent, of 5-way episodes of the validation classes.
    """

    epoch: float
    seconds: float
    loss: float
    accuracy: dict[str, dict[str, float]]

    @property
    def mean(self) -> float:
        """What the best step is chosen by: the mean of the accuracies."""
        return float(np.mean([list(each.values()) for each in self.accuracy.values()]))


def written(scores: Scores, at: str = "epoch") -> str:
    """One line."""
    accuracy = in_words(scores.accuracy)
    return f"{at} {scores.epoch:.1f}, {scores.seconds:.0f} s, loss {scores.loss:.4f}: {accuracy}"


def in_words(accuracy: Mapping[str, Mapping[str, float]]) -> str:
    """What :func:`validate` gave, in one line."""
    return ", ".join(
        f"{name} " + " / ".join(f"{value:.2f}" for value in by_shots.values())
        for name, by_shots in accuracy.items()
    )


def embed_pictures(
    embed: Embed, benchmark: Benchmark, rows: Sequence[Rows], *, low: bool = False
) -> tuple[Floats, list[int]]:
    """Embed the pictures of some classes at 84×84.

    Args:
        embed: the embedder, in evaluation mode.
        benchmark: whose pictures.
        rows: their indices, one array a class.
        low: compute in bfloat16.

    Returns:
        (M, D) features, class by class, and how many are of each class.
    """
    images, wanted, found = benchmark.images.images, np.concatenate(rows), []
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=low):
        for at in range(0, len(wanted), _BATCH):
            pixels = resize(images[wanted[at : at + _BATCH]], SIDE)
            found.append(embed(pixels).float().numpy())
    return np.concatenate(found), [len(each) for each in rows]


def validate(
    embed: Embed, benchmarks: Sequence[Benchmark], *, low: bool = False
) -> dict[str, dict[str, float]]:
    """Accuracy on the validation classes, by benchmark and by shots; percent."""
    found: dict[str, dict[str, float]] = {}
    for benchmark in benchmarks:
        rows = [each[:_IMAGES] for each in benchmark.rows("val")]
        features, sizes = embed_pictures(embed, benchmark, rows, low=low)
        found[benchmark.name] = {
            str(shots): float(100 * _episodes(features, sizes, shots).mean()) for shots in _SHOTS
        }
    return found


def _episodes(features: Floats, sizes: Sequence[int], shots: int) -> np.ndarray:
    shape = EpisodeShape(min(_WAYS, len(sizes)), shots, _QUERIES)
    episodes = draw_episodes(sizes, shape, _EPISODES, _SEED)
    return accuracies(features, episodes, shape, cosine)
