"""Temperature and threshold of few-shot heads on a zoo's networks, set on validation classes.

Of each set of validation classes, the networks that are expected to do best on it are asked, since
those are what a device would retrieve. The rules are those of the embedder's own calibration.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgewise.bundle import Bundle
from edgewise_converter.fewshot.embedder_calibration import (
    Part,
    auroc,
    calibration_error,
    fit_temperature,
    fit_threshold,
    known_scores,
)
from edgewise_converter.fewshot.embedders import Embedder
from edgewise_converter.retrieval.encoders import Space
from edgewise_converter.retrieval.probes import described
from edgewise_converter.retrieval.queries import embed_tasks
from edgewise_converter.retrieval.space_scores import (
    expected_accuracy,
    held_out_queries,
    in_space,
)
from edgewise_converter.retrieval.tasks import Task
from edgewise_converter.retrieval.zoo_files import read_network
from edgewise_converter.retrieval.zoo_table import ZooTable

_NETWORKS = 8  # of each task
_PICTURES = 60  # of each class
_SHOTS, _EPISODES = 5, 300


@dataclass(frozen=True)
class HeadCalibration:
    """Constants of a head, and how well they do where they were set, means over networks.

    Attributes:
        temperature: probabilities are softmax(temperature × cosine).
        threshold: a picture whose best cosine is below is of no known class.
        calibration_error: expected calibration error, 15 bins.
        auroc: chance that a known picture's best cosine is above an unknown one's.
        networks: how many were asked.
    """

    temperature: float
    threshold: float
    calibration_error: float
    auroc: float
    networks: int


def calibrate_heads(
    table: ZooTable,
    rows: Sequence[int],
    space: Space,
    tasks: Sequence[Task],
    embedder: Embedder,
) -> HeadCalibration:
    """Set the constants for some networks of a zoo.

    Args:
        table: of the zoo.
        rows: the networks that a bundle is to hold.
        space: in which they are found.
        tasks: of validation classes, ten or more each.
        embedder: of the queries.
    """
    models = in_space(table, space)[list(rows)]
    queries = held_out_queries(embed_tasks(tasks, embedder), space, 1, 0)[:, 0]
    parts = []
    for task, query in zip(tasks, queries, strict=True):
        best = np.argsort(-expected_accuracy(space, query, models), kind="stable")[:_NETWORKS]
        parts += [_part(table, rows[at], task) for at in best.tolist()]
    return calibrate_parts(parts)


def calibrate_parts(parts: Sequence[Part]) -> HeadCalibration:
    """The same, of features of pictures of ten classes or more."""
    pairs = [known_scores(part, _SHOTS, _EPISODES) for part in parts]
    temperature = fit_temperature([known for known, _ in pairs])
    return HeadCalibration(
        temperature=temperature,
        threshold=fit_threshold(pairs),
        calibration_error=float(
            np.mean([calibration_error(known, temperature) for known, _ in pairs])
        ),
        auroc=float(np.mean([auroc(*pair) for pair in pairs])),
        networks=len(parts),
    )


def _part(table: ZooTable, row: int, task: Task) -> Part:
    """What a network answers to pictures of each class."""
    network = read_network(
        Bundle.open(table.files[table.file[row]], kind="zoo"), int(table.number[row])
    )
    network.eval()
    rows = np.concatenate([task.train, task.validation, task.test])
    labels = task.labels(rows)
    own = [np.sort(rows[labels == label])[:_PICTURES] for label in range(len(task.classes))]
    images: NDArray[np.uint8] = task.images.images[np.concatenate(own)]
    return Part(described(network, images), [len(each) for each in own])
