"""How well a space finds: ranks of a task's own networks, and what the first one found is worth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from edgewise_converter.retrieval.encoders import Space, describe
from edgewise_converter.retrieval.probe_zoo import Probes
from edgewise_converter.retrieval.queries import MOST_PICTURES, TaskQueries
from edgewise_converter.retrieval.zoo_table import ZooTable


@dataclass(frozen=True)
class Ranks:
    """Where the best placed network of a query's own task comes among all networks.

    Attributes:
        recall_1: share of queries where it is the first.
        recall_10: share where it is among the first ten.
        median_rank: 1 is the first.
    """

    recall_1: float
    recall_10: float
    median_rank: float


def held_out_queries(
    tasks: Sequence[TaskQueries], space: Space, count: int, seed: int
) -> NDArray[np.float32]:
    """(T, count, 128) queries of 200 held-out pictures of each task, in the space."""
    generator = np.random.default_rng([seed, 8])
    names = space.config.statistics
    found = [
        [each.held_out.statistics(names, MOST_PICTURES, generator) for _ in range(count)]
        for each in tasks
    ]
    with torch.no_grad():
        queries: NDArray[np.float32] = space.queries(torch.from_numpy(np.array(found))).numpy()
    return queries


def in_space(table: ZooTable, space: Space) -> NDArray[np.float32]:
    """(M, 128) all networks in the space."""
    with torch.no_grad():
        described = torch.from_numpy(describe(table, masked=space.config.masked))
        models: NDArray[np.float32] = space.models(described).numpy()
    return models


def expected_accuracy(
    space: Space, query: NDArray[np.float32], models: NDArray[np.float32]
) -> NDArray[np.float32]:
    """(M,) what is expected of each network (M, 128) for one query (128,)."""
    with torch.no_grad():
        repeated = torch.from_numpy(np.repeat(query[None], len(models), 0))
        expected: NDArray[np.float32] = space.expected(repeated, torch.from_numpy(models)).numpy()
    return expected


def cross_modal_ranks(
    table: ZooTable, tasks: Sequence[TaskQueries], space: Space, seed: int = 0
) -> Ranks:
    """Ranks of the networks of the tasks that the space was trained on, for held-out pictures."""
    queries, models = held_out_queries(tasks, space, 4, seed), in_space(table, space)
    ranks = []
    for each, views in zip(tasks, queries, strict=True):
        own = table.rows([each.task])
        for query in views:
            similar = models @ query
            ranks.append(1 + int(np.sum(similar > similar[own].max())))
    return summarise(ranks)


def random_ranks(table: ZooTable, tasks: Sequence[TaskQueries], seed: int = 0) -> Ranks:
    """The same of an order drawn at random."""
    generator = np.random.default_rng([seed, 9])
    ranks = []
    for each in tasks:
        own = table.rows([each.task])
        for _ in range(100):
            ranks.append(1 + int(np.min(generator.permutation(len(table))[own])))
    return summarise(ranks)


def summarise(ranks: Sequence[int]) -> Ranks:
    """Recalls and median of ranks that start at 1."""
    found = np.array(ranks)
    return Ranks(float(np.mean(found <= 1)), float(np.mean(found <= 10)), float(np.median(found)))


def first_found(
    space: Space,
    query: NDArray[np.float32],
    models: NDArray[np.float32],
    allowed: NDArray[np.int64],
    nearest: int,
) -> int:
    """The network that a device retrieves first: expected to be best among the nearest.

    Args:
        space: trained.
        query: (128,).
        models: (M, 128).
        allowed: rows of ``models`` that may be retrieved.
        nearest: how many are ranked by what is expected of them.
    """
    similar = models[allowed] @ query
    near = allowed[np.argsort(-similar, kind="stable")[:nearest]]
    return int(near[np.argmax(expected_accuracy(space, query, models[near]))])


@dataclass(frozen=True)
class Worth:
    """Mean probe accuracy on tasks that the space has not seen, between 0 and 1.

    Attributes:
        retrieved: of the network found first.
        average: of that which is best on average on the tasks trained on.
        random: mean over all networks.
        oracle: of the best network.
    """

    retrieved: float
    average: float
    random: float
    oracle: float


def worth_unseen(
    space: Space,
    table: ZooTable,
    probes: Probes,
    unseen: Sequence[TaskQueries],
    nearest: int,
    seed: int = 0,
) -> Worth:
    """Judge a space by tasks that it has not seen, with networks that are of none of them."""
    names = [each.task for each in unseen]
    kept = ~np.isin(probes.rows, table.rows(names))
    rows, worth = probes.rows[kept], probes.of(names)[kept]
    seen = [name for name in probes.tasks if name not in names]
    best = int(np.argmax(probes.of(seen)[kept].mean(1)))
    queries, models = held_out_queries(unseen, space, 4, seed), in_space(table, space)[rows]
    every = np.arange(len(rows))
    retrieved = [
        worth[first_found(space, query, models, every, nearest), at]
        for at, views in enumerate(queries)
        for query in views
    ]
    return Worth(
        retrieved=float(np.mean(retrieved)),
        average=float(worth[best].mean()),
        random=float(worth.mean()),
        oracle=float(worth.max(0).mean()),
    )
