"""Queries: a few labelled pictures of a task, embedded once, and drawn again and again."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from edgewise.retrieval.statistics import query_statistics
from edgewise_converter.fewshot.embedders import Embedder
from edgewise_converter.retrieval.tasks import Task

MOST_PICTURES = 200  # of a query
_LEAST_PICTURES = 20
_KEPT = 240  # pictures of a part that are embedded


def draw_balanced(
    labels: NDArray[np.int64], count: int, generator: np.random.Generator
) -> NDArray[np.int64]:
    """Rows of at most so many pictures, classes as equal as they can be; each class has one.

    Args:
        labels: (n,) of the pictures to draw from.
        count: how many to draw.
        generator: of the draw.
    """
    order = generator.permutation(len(labels))
    turn = np.empty(len(labels), np.int64)  # which of its class each is, in that order
    for label in np.unique(labels):
        own = order[labels[order] == label]
        turn[own] = np.arange(len(own))
    classes = len(np.unique(labels))
    return order[np.argsort(turn[order], kind="stable")][: max(count, classes)]


@dataclass(frozen=True)
class Embedded:
    """Embedded pictures of a part of a task.

    Attributes:
        embeddings: (n, D) float32.
        labels: (n,).
    """

    embeddings: NDArray[np.float32]
    labels: NDArray[np.int64]

    def statistics(
        self, names: Sequence[str], count: int, generator: np.random.Generator
    ) -> NDArray[np.float32]:
        """(S,) of a query of so many pictures."""
        rows = draw_balanced(self.labels, count, generator)
        return query_statistics(self.embeddings[rows], self.labels[rows], names)

    def draw(self, names: Sequence[str], generator: np.random.Generator) -> NDArray[np.float32]:
        """(S,) of a query of 20 to 200 pictures, small ones as likely as large ones."""
        low, high = np.log([_LEAST_PICTURES, MOST_PICTURES])
        return self.statistics(names, round(np.exp(generator.uniform(low, high))), generator)


@dataclass(frozen=True)
class TaskQueries:
    """What queries of a task are drawn from: pictures for training, and others held out."""

    task: str
    train: Embedded
    held_out: Embedded


def embed_tasks(
    tasks: Sequence[Task], embedder: Embedder, *, progress: bool = False
) -> list[TaskQueries]:
    """Embed up to 240 training and 240 validation pictures of each task.

    Args:
        tasks: the tasks.
        embedder: the one that a device has.
        progress: show a bar.
    """
    shown = tqdm(tasks, "embedding", unit="task", leave=False, disable=None if progress else True)
    return [
        TaskQueries(
            task.name,
            _embed(task, task.train, embedder),
            _embed(task, task.validation, embedder),
        )
        for task in shown
    ]


def _embed(task: Task, rows: NDArray[np.int64], embedder: Embedder) -> Embedded:
    generator = np.random.default_rng([len(rows), zlib.crc32(task.name.encode())])
    kept = np.sort(rows[draw_balanced(task.labels(rows), _KEPT, generator)])
    images = task.images.images
    parts = [
        embedder.embed(images[kept[at : at + embedder.batch]])
        for at in range(0, len(kept), embedder.batch)
    ]
    return Embedded(np.concatenate(parts).astype(np.float32), task.labels(kept))
