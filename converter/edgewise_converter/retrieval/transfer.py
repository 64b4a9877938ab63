"""What a network is worth on an unseen data set: fine-tuned on a few pictures for a few steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import nn

from edgewise_converter.fewshot.conv4 import standardise
from edgewise_converter.retrieval.pictures import batches
from edgewise_converter.retrieval.supernet import FEATURES
from edgewise_converter.retrieval.tasks import Task
from edgewise_converter.spaces.mobile import Classifier

_AT_ONCE = 256


@dataclass(frozen=True)
class Budget:
    """How much a network may learn.

    Attributes:
        steps: of SGD with momentum 0.9.
        batch: pictures of a step.
        rate: at first; it falls to zero along a line.
        decay: of the weights.
    """

    steps: int = 25
    batch: int = 32
    rate: float = 0.05
    decay: float = 1e-4


@dataclass(frozen=True)
class Learnt:
    """What became of a network.

    Attributes:
        steps: (P,) after which it was tested.
        accuracy: (P,) on the task's test pictures then, between 0 and 1.
    """

    steps: tuple[int, ...]
    accuracy: tuple[float, ...]

    def steps_to(self, accuracy: float) -> int | None:
        """The fewest steps after which it was as good as that; None: never."""
        reached = (s for s, a in zip(self.steps, self.accuracy, strict=True) if a >= accuracy)
        return next(reached, None)


def learn(
    network: nn.Module,
    task: Task,
    rows: NDArray[np.int64],
    budget: Budget,
    *,
    seed: int,
    test_at: Sequence[int] = (),
) -> Learnt:
    """Give a network a fresh head for a task and fine-tune all of it.

    Args:
        network: of the supernet; it is changed.
        task: what to learn.
        rows: (n,) pictures of the task to learn from.
        budget: how much.
        seed: of the head and the draws.
        test_at: steps after which it is tested, beside the last.
    """
    torch.manual_seed(seed)
    assert isinstance(network, Classifier)
    network.head = nn.Linear(FEATURES, len(task.classes))
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimiser = torch.optim.SGD(
        network.parameters(), budget.rate, momentum=0.9, weight_decay=budget.decay
    )
    drawn = batches(
        task.images.images,
        rows,
        task.labels(rows),
        batch=budget.batch,
        steps=budget.steps,
        seed=seed,
    )
    steps, accuracy = [], []
    network.train()
    for step, (images, labels) in enumerate(drawn, 1):
        for group in optimiser.param_groups:
            group["lr"] = budget.rate * (1 - (step - 1) / budget.steps)
        optimiser.zero_grad(set_to_none=True)
        F.cross_entropy(network(images), labels).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        if step in test_at or step == budget.steps:
            steps.append(step)
            accuracy.append(test_accuracy(network, task))
            network.train()
    return Learnt(tuple(steps), tuple(accuracy))


def test_accuracy(network: nn.Module, task: Task) -> float:
    """Of a network on the test pictures of a task, between 0 and 1; leaves evaluation mode."""
    network.eval()
    right = 0
    with torch.inference_mode():
        for at in range(0, len(task.test), _AT_ONCE):
            rows = task.test[at : at + _AT_ONCE]
            found = network(standardise(task.images.images[rows])).argmax(1).numpy()
            right += int(np.sum(found == task.labels(rows)))
    return right / len(task.test)
