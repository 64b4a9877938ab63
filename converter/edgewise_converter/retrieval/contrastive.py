"""Meta-contrastive training of the space that data sets and networks share.

TANS (Lee et al. 2021, arXiv 2103.01495, section 3.2 and 3.3): a data set is to be nearer to a
network that was trained on it than to those of other data sets, and a network nearer to its own
data set, by a margin; the performance predictor learns accuracies at the same time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from edgewise_converter.retrieval.encoders import Space, SpaceConfig, describe
from edgewise_converter.retrieval.probe_zoo import Probes
from edgewise_converter.retrieval.queries import TaskQueries
from edgewise_converter.retrieval.zoo_table import ZooTable

_MARGIN = 0.2
_SHARPNESS = 20.0  # of the weights by accuracy: one in twenty less is e times as rare
_VIEWS = 48  # queries of each task, drawn beforehand


@dataclass(frozen=True)
class ContrastiveConfig:
    """How a space is trained.

    Attributes:
        steps: of Adam.
        batch: tasks of a step.
        rate: at first; it falls to zero along half a cosine.
        decay: of the weights.
        seed: of initial weights and draws.
    """

    steps: int = 3000
    batch: int = 64
    rate: float = 1e-3
    decay: float = 1e-4
    seed: int = 0


@dataclass(frozen=True)
class TrainingData:
    """What a space learns from.

    Attributes:
        table: all networks.
        tasks: those to learn from, of which the networks are.
        probes: what networks are worth on other tasks; None where nothing learns from it.
    """

    table: ZooTable
    tasks: Sequence[TaskQueries]
    probes: Probes | None = None


def train_space(data: TrainingData, space_config: SpaceConfig, config: ContrastiveConfig) -> Space:
    """Train a space.

    Args:
        data: what to learn from.
        space_config: what the space is made of.
        config: how.

    Returns:
        The space, in evaluation mode.
    """
    torch.manual_seed(config.seed)
    generator = np.random.default_rng([config.seed, 7])
    batches = _Batches(data, space_config, config, generator)
    space = Space(space_config, data.tasks[0].train.embeddings.shape[1])
    space.of_query.fit(batches.views.flatten(0, 1))
    space.of_model.fit(batches.described[torch.from_numpy(batches.usable)])
    optimiser = torch.optim.AdamW(space.parameters(), config.rate, weight_decay=config.decay)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, config.steps)
    for _ in range(config.steps):
        statistics, described, accuracy = batches.own()
        queries, models = space.queries(statistics), space.models(described)
        loss = contrastive_loss(queries, models)
        loss = loss + F.mse_loss(space.expected(queries, models), accuracy)
        if space_config.transfer:
            statistics, described, accuracy = batches.other()
            pairs = space.expected(space.queries(statistics), space.models(described))
            loss = loss + F.mse_loss(pairs, accuracy)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
    return space.eval().requires_grad_(requires_grad=False)


def contrastive_loss(queries: Tensor, models: Tensor) -> Tensor:
    """Mean hinge loss of (B, D) pairs of unit length, all others of the batch as negatives.

    Both ways: a query's own network against other networks, a network's own query against other
    queries.
    """
    similar = queries @ models.T
    own = similar.diagonal()
    rivals = ~torch.eye(len(own), dtype=torch.bool)
    by_query = F.relu(_MARGIN - own[:, None] + similar)[rivals]
    by_model = F.relu(_MARGIN - own[None, :] + similar)[rivals]
    return by_query.mean() + by_model.mean()


class _Batches:
    """Draws queries, networks and accuracies."""

    def __init__(
        self,
        data: TrainingData,
        space_config: SpaceConfig,
        config: ContrastiveConfig,
        generator: np.random.Generator,
    ) -> None:
        self._generator, self._batch = generator, min(config.batch, len(data.tasks))
        names, table = [each.task for each in data.tasks], data.table
        self.views = torch.from_numpy(
            np.array(
                [
                    [each.train.draw(space_config.statistics, generator) for _ in range(_VIEWS)]
                    for each in data.tasks
                ]
            )
        )
        self.described = torch.from_numpy(describe(table, masked=space_config.masked))
        self._own = [table.rows([name]) for name in names]
        self.usable = np.concatenate(self._own)
        self._accuracy = table.accuracy
        self._weights = [_weights(table.accuracy[own], space_config.weighted) for own in self._own]
        if data.probes is not None:
            self._worth = worth_elsewhere(table, data.probes, names)

    def own(self) -> tuple[Tensor, Tensor, Tensor]:
        """Queries (B, S) of different tasks, a network (B, 214) of each, its accuracy there."""
        tasks = self._generator.permutation(len(self._own))[: self._batch]
        rows = np.array(
            [self._generator.choice(self._own[at], p=self._weights[at]) for at in tasks]
        )
        return self._tensors(tasks, rows, self._accuracy[rows])

    def other(self) -> tuple[Tensor, Tensor, Tensor]:
        """The same of networks of any task, with what they are worth on the query's."""
        tasks = self._generator.integers(0, len(self._own), 4 * self._batch)
        rows = self._generator.choice(self.usable, 4 * self._batch)
        return self._tensors(tasks, rows, self._worth[rows, tasks])

    def _tensors(
        self, tasks: NDArray[np.int64], rows: NDArray[np.int64], accuracy: NDArray[np.float64]
    ) -> tuple[Tensor, Tensor, Tensor]:
        views = torch.from_numpy(self._generator.integers(0, _VIEWS, len(tasks)))
        return (
            self.views[torch.from_numpy(tasks), views],
            self.described[torch.from_numpy(rows)],
            torch.from_numpy(accuracy.astype(np.float32)),
        )


def worth_elsewhere(table: ZooTable, probes: Probes, tasks: Sequence[str]) -> NDArray[np.float64]:
    """(M, T) what the networks of some tasks are worth on these tasks, NaN for other networks.

    Probed networks as they were probed; another one lacks everywhere what it lacks on its own task
    against the probed one that is best there.
    """
    worth = np.full((len(table), len(tasks)), np.nan)
    known = probes.of(tasks)
    for task in tasks:
        own = table.rows([task])
        probed = np.flatnonzero(np.isin(probes.rows, own))
        best = probed[np.argmax(table.accuracy[probes.rows[probed]])]
        lacks = table.accuracy[own] - table.accuracy[probes.rows[best]]
        worth[own] = np.clip(known[best] + lacks[:, None], 0, 1)
        worth[probes.rows[probed]] = known[probed]
    return worth


def _weights(accuracy: NDArray[np.float64], weighted: bool) -> NDArray[np.float64]:
    weights = np.exp(_SHARPNESS * (accuracy - accuracy.max()) * weighted)
    found: NDArray[np.float64] = weights / weights.sum()
    return found
