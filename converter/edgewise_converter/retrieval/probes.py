"""What networks are worth on pictures of other tasks, without training them: a probe.

A ridge classifier on the features of a query's pictures, tested on others of the same task. It
takes a moment where fine-tuning takes seconds: all pairs of networks and tasks can be tried.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from edgewise_converter.fewshot.conv4 import standardise
from edgewise_converter.retrieval.queries import draw_balanced
from edgewise_converter.retrieval.tasks import Task

_SHOWN, _TESTED = 80, 80  # pictures of each task
_RIDGE = 0.1  # of the mean squared feature
_AT_ONCE = 256


@dataclass(frozen=True)
class ProbeSet:
    """Pictures of a task that networks are probed with.

    Attributes:
        images: (n, 32, 32, 3) uint8, those shown first.
        labels: (n,).
        shown: how many are shown, the rest is tested.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    shown: int


def probe_set(task: Task, seed: int = 0) -> ProbeSet:
    """Pictures of a task's training part to show, and of its validation part to test."""
    generator = np.random.default_rng([seed, 6, zlib.crc32(task.name.encode())])
    parts = []
    for part, count in ((task.train, _SHOWN), (task.validation, _TESTED)):
        drawn = draw_balanced(task.labels(part), count, generator)
        parts.append(part[drawn])
    rows = np.concatenate(parts)
    return ProbeSet(task.images.images[rows], task.labels(rows), len(parts[0]))


def probe(network: nn.Module, sets: Sequence[ProbeSet]) -> NDArray[np.float64]:
    """(T,) accuracy of a network's features on each of T sets."""
    pictures = np.concatenate([each.images for each in sets])
    features = described(network, pictures)
    ends = np.cumsum([len(each.images) for each in sets])
    found = []
    for own, each in zip(np.split(features, ends[:-1]), sets, strict=True):
        scores = ridge_scores(own[: each.shown], each.labels[: each.shown], own[each.shown :])
        found.append(float(np.mean(scores.argmax(1) == each.labels[each.shown :])))
    return np.array(found)


def described(network: nn.Module, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(n, F) features of a network for (n, 32, 32, 3) pictures."""
    features = network.features
    assert isinstance(features, nn.Module)
    found: list[Tensor] = []
    with torch.inference_mode():
        for at in range(0, len(pictures), _AT_ONCE):
            found.append(features(standardise(pictures[at : at + _AT_ONCE])).mean((2, 3)))
    return torch.cat(found).numpy()


def ridge_scores(
    shown: NDArray[np.float32], labels: NDArray[np.int64], asked: NDArray[np.float32]
) -> NDArray[np.float32]:
    """(n, C) scores of a ridge classifier of (m, F) features and (m,) labels from 0 to C - 1."""
    centre = shown.mean(0)
    rows, others = shown - centre, asked - centre
    targets = np.eye(int(labels.max()) + 1, dtype=np.float32)[labels]
    counts = targets.sum(0)
    gram = rows @ rows.T
    ridge = _RIDGE * max(float(np.trace(gram)), 1e-12) / len(gram)
    gram[np.diag_indices(len(gram))] += np.float32(ridge)
    solved = np.linalg.solve(gram, targets - counts / len(labels))
    scores: NDArray[np.float32] = others @ (rows.T @ solved) + counts / len(labels)
    return scores
