"""A trained space as a zoo bundle holds it: networks in their places, encoders as dense layers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewise.bundle import Bundle
from edgewise.errors import ArgumentError
from edgewise.retrieval.dense import Dense
from edgewise.shipped import fingerprint
from edgewise_converter.retrieval.space_file import read_space
from edgewise_converter.retrieval.space_scores import in_space
from edgewise_converter.retrieval.zoo_table import ZooTable

_ABOUT = ("trained_on", "licence", "seed", "command", "metrics")


@dataclass(frozen=True)
class RetrievalSpace:
    """What a zoo's bundle needs of the training.

    Attributes:
        embedding: (M, dim) float32 at unit length, of the networks of the whole zoo.
        entries: (task, number) of each.
        query: from statistics to dim; its direction counts.
        performance: from [query, network, product], 3 dim, to the logit of the accuracy.
        statistics: that queries are made of; see ``edgewise.retrieval.statistics``.
        embedder: `name`, `fingerprint` and `dim` of the embedder that queries are made with.
        nearest: how many of the nearest are ranked.
        temperature: of a few-shot head on a network's features.
        threshold: best scores below it are of no known class.
        about: `trained_on`, `licence`, `seed`, `command`, `metrics` of the training.
    """

    embedding: NDArray[np.float32]
    entries: tuple[tuple[str, int], ...]
    query: Dense
    performance: Dense
    statistics: tuple[str, ...]
    embedder: Mapping[str, Any]
    nearest: int
    temperature: float = 10.0
    threshold: float = -1.0
    about: Mapping[str, Any] = field(default_factory=dict)

    @property
    def dim(self) -> int:
        """Of the space."""
        return int(self.embedding.shape[1])


def retrieval_space(path: Path, table: ZooTable, embedder: Bundle) -> RetrievalSpace:
    """The space of a file, and where it puts the networks of a zoo.

    Args:
        path: that `train retrieval` wrote.
        table: of the zoo.
        embedder: the bundle that the space's queries were made with.

    Raises:
        BundleError: the file is damaged, or holds no space.
        ArgumentError: the space was trained with another embedder.
    """
    space, about = read_space(path)
    found = fingerprint(embedder)
    if about.get("embedder") != found:
        raise ArgumentError(
            f"{path}: was trained with another embedder ({about.get('embedder')}) "
            f"than {embedder.path} ({found})"
        )
    return RetrievalSpace(
        embedding=in_space(table, space),
        entries=tuple(
            (table.tasks[file], int(number))
            for file, number in zip(table.file, table.number, strict=True)
        ),
        query=Dense(tuple(space.query_layers())),
        performance=Dense(tuple(space.performance_layers())),
        statistics=space.config.statistics,
        embedder={"name": embedder.name, "fingerprint": found, "dim": int(about["embedder_dim"])},
        nearest=int(about["nearest"]),
        about={key: about[key] for key in _ABOUT if key in about},
    )
