"""Retrieval for data sets that nothing has seen: what is found against what else one could take.

TANS (Lee et al. 2021, arXiv 2103.01495, section 4): every network is fine-tuned with the same short
budget on the query's pictures and tested on others.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import torch
from numpy.typing import NDArray

from edgewise.retrieval.statistics import query_statistics
from edgewise_converter.fewshot.embedders import open_embedder
from edgewise_converter.retrieval.encoders import Space
from edgewise_converter.retrieval.queries import MOST_PICTURES, TaskQueries, draw_balanced
from edgewise_converter.retrieval.space_scores import first_found, in_space
from edgewise_converter.retrieval.tasks import Task
from edgewise_converter.retrieval.transfer import Budget
from edgewise_converter.retrieval.trials import Trials
from edgewise_converter.retrieval.zoo_build import Tasks
from edgewise_converter.retrieval.zoo_table import ZooTable

_LOG = logging.getLogger(__name__)
_TEST_AT = (5, 10)


@dataclass(frozen=True)
class Peers:
    """What retrieval is compared with, all of it known without the unseen data sets.

    Attributes:
        spaces: by name; what each finds first is tried.
        average: row of the network that is best on average on the tasks trained on.
        best: (F,) row of the best network of each task.
        means: (F, D) mean embedding of each task's pictures, of unit length.
        nearest: how many of the nearest are ranked by what is expected.
        random: networks drawn for each seed.
        oracle: fixed rows that are all tried; the best is the oracle.
    """

    spaces: Mapping[str, Space]
    average: int
    best: NDArray[np.int64]
    means: NDArray[np.float32]
    nearest: int
    random: int
    oracle: NDArray[np.int64]


def nearest_means(tasks: Sequence[TaskQueries]) -> NDArray[np.float32]:
    """(T, D) of unit length: mean embedding of the training pictures of each task."""
    found = np.array([_mean(each.train.embeddings) for each in tasks])
    means: NDArray[np.float32] = found / np.linalg.norm(found, axis=1, keepdims=True)
    return means


def evaluate_unseen(
    folder: Path,
    tasks: Tasks,
    table: ZooTable,
    peers: Peers,
    budget: Budget,
    *,
    embedder: str,
    seeds: int,
    with_oracle: Sequence[str] = (),
    workers: int = -1,
) -> list[dict[str, Any]]:
    """Try everything on every data set; what was tried is not tried again, see ``Trials``.

    Args:
        folder: of a file for each data set and seed.
        tasks: unseen data sets.
        table: of the zoo.
        peers: what to try.
        budget: of all but those from scratch, which get ten times its steps.
        embedder: of the queries, as `open_embedder` takes it.
        seeds: how many queries of each data set.
        with_oracle: names of data sets where the oracle is tried, with the first seed.
        workers: jobs at a time; -1: as many as there are cores.

    Returns:
        What each job found, as :func:`try_all`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    names = [task.name for task in tasks()]
    jobs = []
    for seed in range(seeds):
        for name in names:
            path = folder / f"{name.replace('/', '--')}.{seed}.json"
            oracle = peers.oracle if seed == 0 and name in with_oracle else peers.oracle[:0]
            own = replace(peers, oracle=oracle)
            jobs.append(joblib.delayed(_job)(path, tasks, name, table, own, budget, embedder, seed))
    found: list[dict[str, Any]] = joblib.Parallel(n_jobs=workers)(jobs)
    return found


def _job(
    path: Path,
    tasks: Tasks,
    name: str,
    table: ZooTable,
    peers: Peers,
    budget: Budget,
    embedder: str,
    seed: int,
) -> dict[str, Any]:
    torch.set_num_threads(1)
    (task,) = (task for task in tasks() if task.name == name)
    found = try_all(path, task, table, peers, budget, embedder=embedder, seed=seed)
    _LOG.info("%s, seed %d: %s", name, seed, found["accuracy"])
    return found


def try_all(
    path: Path,
    task: Task,
    table: ZooTable,
    peers: Peers,
    budget: Budget,
    *,
    embedder: str,
    seed: int,
) -> dict[str, Any]:
    """Draw a query of at most 200 pictures, retrieve, fine-tune everything, test.

    Returns:
        `task`, `seed`, `classes`, `accuracy` of each peer, `steps_to_scratch` (the fewest steps
        after which what the last space found is as good as scratch in the end; None: never), and
        `scratch_steps`.
    """
    generator = np.random.default_rng([seed, 10])
    rows = task.train[draw_balanced(task.labels(task.train), MOST_PICTURES, generator)]
    labels = task.labels(rows)
    embeddings = open_embedder(embedder).embed(task.images.images[rows]).astype(np.float32)
    retrieved = {
        name: _retrieve(space, embeddings, labels, table, peers.nearest)
        for name, space in peers.spaces.items()
    }
    row = list(retrieved.values())[-1]
    run = Trials(path, task, rows, table, budget, seed)
    learnt = run.of(row, test_at=_TEST_AT)
    accuracy = {name: run.of(each).accuracy[-1] for name, each in retrieved.items()}
    accuracy["best on average"] = run.of(peers.average).accuracy[-1]
    mean = _mean(embeddings)
    nearest = int(peers.best[np.argmax(peers.means @ mean)])
    accuracy["nearest mean"] = run.of(nearest).accuracy[-1]
    drawn = generator.choice(len(table), peers.random, replace=False)
    accuracy["random"] = float(np.mean([run.of(int(each)).accuracy[-1] for each in drawn]))
    scratch = run.from_scratch(row)
    accuracy["scratch"] = scratch.accuracy[-1]
    if len(peers.oracle):
        accuracy["oracle"] = max(run.of(int(each)).accuracy[-1] for each in peers.oracle)
    return {
        "task": task.name,
        "seed": seed,
        "classes": len(task.classes),
        "accuracy": {name: round(value, 5) for name, value in accuracy.items()},
        "steps_to_scratch": learnt.steps_to(scratch.accuracy[-1]),
        "scratch_steps": scratch.steps[-1],
    }


def _retrieve(
    space: Space,
    embeddings: NDArray[np.float32],
    labels: NDArray[np.int64],
    table: ZooTable,
    nearest: int,
) -> int:
    statistics = query_statistics(embeddings, labels, space.config.statistics)
    with torch.no_grad():
        query: NDArray[np.float32] = space.queries(torch.from_numpy(statistics[None])).numpy()[0]
    return first_found(space, query, in_space(table, space), np.arange(len(table)), nearest)


def _mean(embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(embeddings, axis=1, keepdims=True)
    found: NDArray[np.float32] = (embeddings / np.maximum(lengths, 1e-12)).mean(0)
    return found
