"""What a task gives the zoo: its fine-tuned supernet, and networks cut from it and scored."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from edgewise_converter.fewshot.conv4 import standardise
from edgewise_converter.retrieval.choice import Choice, draw_choice, largest, smallest
from edgewise_converter.retrieval.pictures import batches
from edgewise_converter.retrieval.sandwich import recalibrate, sandwich_step
from edgewise_converter.retrieval.supernet import FEATURES, Supernet
from edgewise_converter.retrieval.tasks import SIDE, Task

_RECALIBRATED_ON = 512  # training pictures
_NOISE_PICTURES, _NOISE_SEED = 32, 11
_AT_ONCE = 256


@dataclass(frozen=True)
class FineTuning:
    """How a supernet is fine-tuned on a task, and what is cut from it.

    Attributes:
        steps: of the sandwich rule.
        batch: pictures of a step.
        rate: of SGD with momentum 0.9 at its most; it falls linearly to zero.
        decay: weight decay.
        networks: cut and scored; the largest, the smallest, and others at random.
        seed: of draws.
    """

    steps: int = 100
    batch: int = 32
    rate: float = 0.08
    decay: float = 1e-4
    networks: int = 10
    seed: int = 0


@dataclass(frozen=True)
class Entry:
    """A network of the zoo.

    Attributes:
        choice: what was cut.
        accuracy: on validation and on test pictures of its task, shares of one.
        embedding: (160,) mean penultimate answer to a fixed batch of noise: what it computes.
        statistics: (n,) the batch norms' means and variances, in order; the weights are the task's.
        parameters: how many learnt numbers, the head's left out.
    """

    choice: Choice
    accuracy: tuple[float, float]
    embedding: NDArray[np.float32]
    statistics: NDArray[np.float32]
    parameters: int


def fine_tune(supernet: Supernet, task: Task, settings: FineTuning) -> Supernet:
    """A copy of a pre-trained supernet that has learnt a task's training pictures."""
    torch.manual_seed(settings.seed)
    tuned = supernet.with_classes(len(task.classes))
    tuned.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimiser = torch.optim.SGD(
        tuned.parameters(), settings.rate, momentum=0.9, weight_decay=settings.decay
    )
    tuned.train()
    drawn = batches(
        task.images.images,
        task.train,
        task.labels(task.train),
        batch=settings.batch,
        steps=settings.steps,
        seed=settings.seed,
    )
    generator = np.random.default_rng([settings.seed, 4])
    for step, (images, labels) in enumerate(drawn):
        for group in optimiser.param_groups:
            group["lr"] = settings.rate * (1 - step / settings.steps)
        optimiser.zero_grad(set_to_none=True)
        sandwich_step(tuned, images, labels, [draw_choice(generator)])
        optimiser.step()
    tuned.eval()
    return tuned


def cut_entries(tuned: Supernet, task: Task, settings: FineTuning) -> Iterator[Entry]:
    """Cut networks, each with statistics of its own, and score them."""
    # Other networks for each task: models of many topologies are to be told apart.
    generator = np.random.default_rng([settings.seed, 5, zlib.crc32(task.name.encode())])
    chosen = dict.fromkeys((largest(), smallest()))
    while len(chosen) < settings.networks:
        chosen[draw_choice(generator)] = None
    drawn = generator.permutation(task.train)[:_RECALIBRATED_ON]
    calibration = standardise(task.images.images[np.sort(drawn)])
    for choice in list(chosen)[: settings.networks]:
        network = tuned.cut(choice)
        recalibrate(network, calibration)
        yield Entry(
            choice=choice,
            accuracy=(
                _accuracy(network, task, task.validation),
                _accuracy(network, task, task.test),
            ),
            embedding=functional_embedding(network),
            statistics=statistics_of(network),
            parameters=sum(p.numel() for p in network.features.parameters()),
        )


def functional_embedding(network: nn.Module) -> NDArray[np.float32]:
    """(160,) mean penultimate answer to one fixed batch of noise (TANS, section 3.2)."""
    generator = torch.Generator().manual_seed(_NOISE_SEED)
    noise = torch.randn(_NOISE_PICTURES, 3, SIDE, SIDE, generator=generator)
    features = network.features
    assert isinstance(features, nn.Module)
    with torch.no_grad():
        found: Tensor = features(noise).mean((0, 2, 3))
    assert found.shape == (FEATURES,)
    return found.numpy()


def statistics_of(network: nn.Module) -> NDArray[np.float32]:
    """(n,) means and variances of all batch norms, in order."""
    found = [value.ravel() for value in _statistics(network)]
    return torch.cat(found).numpy().astype(np.float32)


def set_statistics(network: nn.Module, values: NDArray[np.float32]) -> None:
    """Put back what :func:`statistics_of` gave for a network of the same choice."""
    at = 0
    for own in _statistics(network):
        own.copy_(torch.from_numpy(np.array(values[at : at + own.numel()])).reshape(own.shape))
        at += own.numel()
    assert at == len(values)


def _statistics(network: nn.Module) -> Iterator[Tensor]:
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            yield from (module.running_mean, module.running_var)


def _accuracy(network: nn.Module, task: Task, rows: NDArray[np.int64]) -> float:
    labels, right = torch.from_numpy(task.labels(rows)), 0
    with torch.no_grad():
        for start in range(0, len(rows), _AT_ONCE):
            images = standardise(task.images.images[rows[start : start + _AT_ONCE]])
            right += int((network(images).argmax(1) == labels[start : start + _AT_ONCE]).sum())
    return right / len(rows)
