"""Which changes to the paper's version help, judged by tasks held out of the meta-training ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import joblib
import numpy as np
import torch
from numpy.typing import NDArray

from edgewise.retrieval.statistics import STATISTICS
from edgewise_converter.retrieval.contrastive import ContrastiveConfig, TrainingData, train_space
from edgewise_converter.retrieval.encoders import SpaceConfig
from edgewise_converter.retrieval.probe_zoo import Probes
from edgewise_converter.retrieval.queries import TaskQueries
from edgewise_converter.retrieval.space_scores import Ranks, Worth, cross_modal_ranks, worth_unseen
from edgewise_converter.retrieval.zoo_table import ZooTable

PAPER = SpaceConfig()
CHANGES: dict[str, dict[str, Any]] = {
    "weighted positives": {"weighted": True},
    "masked topology": {"masked": True},
    "set statistics": {"statistics": STATISTICS},
    "hidden layer": {"hidden": 128},
    "transfer": {"transfer": True},
}
"""What each changes, by name."""

NEAREST = (10, 30, 100, 300, 10_000)
"""How many of the nearest may be ranked by what is expected of them; the last is all."""


@dataclass(frozen=True)
class Judged:
    """A version on tasks that it was not trained on, means over the folds.

    Attributes:
        name: of the version.
        nearest: how many are ranked by what is expected.
        ranks: on held-out pictures of the tasks trained on.
        worth: of what is found for the tasks held out.
    """

    name: str
    nearest: int
    ranks: Ranks
    worth: Worth

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        values = {**asdict(self.ranks), **asdict(self.worth)}
        return {"version": self.name, "nearest": self.nearest} | {
            key: round(value, 4) for key, value in values.items()
        }


def changed(*names: str) -> SpaceConfig:
    """The paper's version with some changes."""
    together: dict[str, Any] = {}
    for name in names:
        together |= CHANGES[name]
    return replace(PAPER, **together)


def versions() -> dict[str, SpaceConfig]:
    """The paper's version, each change by itself, and all that left the query encoder linear."""
    found = {"paper": PAPER} | {name: changed(name) for name in CHANGES}
    linear = [name for name in CHANGES if name != "hidden layer"]
    return found | {" + ".join(linear): changed(*linear)}


def judge(
    table: ZooTable,
    tasks: Sequence[TaskQueries],
    probes: Probes,
    configs: dict[str, SpaceConfig],
    *,
    folds: int = 5,
    seed: int = 0,
    workers: int = 1,
) -> Iterator[Judged]:
    """Train each version without a fifth of the tasks, five times, and score it on these.

    The networks of the tasks held out are out of the zoo as well.

    Args:
        table: of the zoo.
        tasks: all of them.
        probes: what networks are worth on them.
        configs: versions, by name.
        folds: of the tasks.
        seed: of the folds and the trainings.
        workers: folds at a time; -1: as many as there are cores.
    """
    for name, config in configs.items():
        jobs = (
            joblib.delayed(_score)(table, probes, *_split(tasks, fold, folds, seed), config, seed)
            for fold in range(folds)
        )
        scores = np.mean(joblib.Parallel(n_jobs=workers)(jobs), axis=0)
        for row, nearest in zip(scores, NEAREST, strict=True):
            yield Judged(name, nearest, Ranks(*row[:3]), Worth(*row[3:]))


def _score(
    table: ZooTable,
    probes: Probes,
    seen: list[TaskQueries],
    unseen: list[TaskQueries],
    config: SpaceConfig,
    seed: int,
) -> NDArray[np.float64]:
    """(len(NEAREST), 7) ranks and worths of one version on one fold."""
    torch.set_num_threads(1)
    space = train_space(TrainingData(table, seen, probes), config, ContrastiveConfig(seed=seed))
    ranks = asdict(cross_modal_ranks(table, seen, space)).values()
    worths = (worth_unseen(space, table, probes, unseen, nearest) for nearest in NEAREST)
    return np.array([[*ranks, *asdict(worth).values()] for worth in worths])


def _split(
    tasks: Sequence[TaskQueries], fold: int, folds: int, seed: int
) -> tuple[list[TaskQueries], list[TaskQueries]]:
    order = np.random.default_rng([seed, 12]).permutation(len(tasks))
    out = set(order[fold::folds].tolist())
    seen = [each for at, each in enumerate(tasks) if at not in out]
    return seen, [each for at, each in enumerate(tasks) if at in out]
