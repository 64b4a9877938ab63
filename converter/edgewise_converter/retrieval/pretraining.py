"""Pre-training of the supernet on the training classes of large sets, resumable."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.torch
import torch
from numpy.typing import NDArray
from torch import Tensor

from edgewise.errors import ArgumentError
from edgewise.storage import write_atomic
from edgewise_converter.images.benchmarks import Benchmark
from edgewise_converter.retrieval.choice import draw_choice
from edgewise_converter.retrieval.pictures import batches
from edgewise_converter.retrieval.sandwich import sandwich_step
from edgewise_converter.retrieval.supernet import Supernet

_LOG = logging.getLogger(__name__)

Progress = Callable[[int, float], None]
"""Told of the step and the mean loss since it was told last."""


@dataclass(frozen=True)
class PretrainingConfig:
    """How the supernet is trained.

    Attributes:
        steps: of the sandwich rule.
        batch: pictures of a step.
        rate: of SGD with momentum 0.9 at its most; it falls to zero along half a cosine.
        decay: weight decay.
        between: networks drawn at random in each step.
        keep_every: steps between two checkpoints.
        seed: of initial weights and draws.
    """

    steps: int = 12_000
    batch: int = 64
    rate: float = 0.1
    decay: float = 1e-4
    between: int = 1
    keep_every: int = 250
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
            ArgumentError: one is out of range.
        """
        for name in ("steps", "batch", "keep_every"):
            if getattr(self, name) < 1:
                raise ArgumentError(f"{name} must be positive, not {getattr(self, name)}")


@dataclass(frozen=True)
class Pretrained:
    """A finished pre-training.

    Attributes:
        supernet: after the last step, in evaluation mode.
        lengths: pairs of a step and how many were intended from there on; more than one where a run
            was made longer or shorter on the way.
    """

    supernet: Supernet
    lengths: list[list[int]]


@dataclass(frozen=True)
class Pictures:
    """Pictures of several sets as one: which set each is from, its row there and its label."""

    sets: tuple[NDArray[np.uint8], ...]
    source: NDArray[np.int64]
    rows: NDArray[np.int64]
    labels: NDArray[np.int64]

    @property
    def classes(self) -> int:
        """How many."""
        return int(self.labels.max()) + 1


def base_pictures(benchmarks: list[Benchmark]) -> Pictures:
    """The pictures of the training classes of several benchmarks, labelled one after the other."""
    source, rows, labels, count = [], [], [], 0
    for number, benchmark in enumerate(benchmarks):
        for found in benchmark.rows("train"):
            source.append(np.full(len(found), number))
            rows.append(found)
            labels.append(np.full(len(found), count))
            count += 1
    sets = tuple(benchmark.images.images for benchmark in benchmarks)
    return Pictures(sets, *map(np.concatenate, (source, rows, labels)))


def pretrain(
    pictures: Pictures,
    config: PretrainingConfig,
    checkpoint: Path | None = None,
    progress: Progress | None = None,
) -> Pretrained:
    """Train a supernet, going on from where an earlier run stopped.

    Args:
        pictures: what to learn from.
        config: how. A longer or shorter run may go on from a checkpoint of another number of steps:
            the rate is a function of the share that is done.
        checkpoint: file that keeps the state, or None.
        progress: told at every checkpoint.

    Raises:
        ArgumentError: the checkpoint is unreadable or of another training.
        StorageError: it could not be written.
    """
    torch.manual_seed(config.seed)
    supernet = Supernet(pictures.classes)
    supernet.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimiser = torch.optim.SGD(
        supernet.parameters(), config.rate, momentum=0.9, weight_decay=config.decay
    )
    identity = asdict(config) | {"classes": pictures.classes, "pictures": len(pictures.rows)}
    del identity["steps"]
    step = 0
    lengths: list[list[int]] = []
    if checkpoint is not None and checkpoint.exists():
        step, lengths = _load(checkpoint, identity, supernet, optimiser)
        _LOG.info("%s: going on from step %d", checkpoint, step)
    if not lengths or lengths[-1][1] != config.steps:
        lengths = [*lengths, [step, config.steps]]
    supernet.train()
    losses: list[float] = []
    for images, labels in _batches(pictures, config, step):
        for group in optimiser.param_groups:
            group["lr"] = config.rate * (1 + math.cos(math.pi * step / config.steps)) / 2
        optimiser.zero_grad(set_to_none=True)
        generator = np.random.default_rng([config.seed, 2, step])
        between = [draw_choice(generator) for _ in range(config.between)]
        losses.append(float(sandwich_step(supernet, images, labels, between)))
        optimiser.step()
        step += 1
        if step % config.keep_every == 0 or step == config.steps:
            if checkpoint is not None:
                about = identity | {"step": step, "lengths": lengths}
                _save(checkpoint, about, supernet, optimiser)
            if progress is not None:
                progress(step, float(np.mean(losses)))
            losses = []
    supernet.eval()
    return Pretrained(supernet, lengths)


def _batches(pictures: Pictures, config: PretrainingConfig, start: int) -> Any:
    """Batches over all sets; a batch holds pictures of one set, for sets lie in files of their own.

    The sets take turns in proportion to their sizes.
    """
    counts = np.bincount(pictures.source)
    streams = []
    for number, images in enumerate(pictures.sets):
        own = pictures.source == number
        streams.append((images, pictures.rows[own], pictures.labels[own]))
    turns = np.random.default_rng([config.seed, 3]).choice(
        len(counts), config.steps, p=counts / counts.sum()
    )
    iterators = [
        batches(
            images,
            rows,
            labels,
            batch=config.batch,
            steps=config.steps,
            seed=config.seed + number,
            start=int(np.sum(turns[:start] == number)),
        )
        for number, (images, rows, labels) in enumerate(streams)
    ]
    return (next(iterators[turn]) for turn in turns[start:])


def _save(
    path: Path, about: dict[str, Any], supernet: Supernet, optimiser: torch.optim.Optimizer
) -> None:
    tensors = {name: value.contiguous() for name, value in supernet.state_dict().items()}
    for name, parameter in supernet.named_parameters():
        momentum = optimiser.state.get(parameter, {}).get("momentum_buffer")
        if momentum is not None:
            tensors[f"momentum.{name}"] = momentum.contiguous()
    data = safetensors.torch.save(tensors, metadata={"pretraining": json.dumps(about)})
    write_atomic(path, data, create_parents=True)


def _load(
    path: Path, identity: dict[str, Any], supernet: Supernet, optimiser: torch.optim.Optimizer
) -> tuple[int, list[list[int]]]:
    try:
        with safetensors.safe_open(str(path), framework="pt") as file:
            about = json.loads((file.metadata() or {})["pretraining"])
            tensors: dict[str, Tensor] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (safetensors.SafetensorError, KeyError, ValueError) as error:
        raise ArgumentError(f"{path}: not a checkpoint of a supernet ({error})") from error
    for name, value in identity.items():
        if about.get(name) != value:
            raise ArgumentError(f"{path}: was made with another {name}; delete it or name another")
    supernet.load_state_dict({name: tensors[name] for name in supernet.state_dict()})
    for name, parameter in supernet.named_parameters():
        momentum = tensors.get(f"momentum.{name}")
        if momentum is not None:
            kept = torch.empty_like(parameter).copy_(momentum)
            optimiser.state[parameter]["momentum_buffer"] = kept
    return int(about["step"]), about["lengths"]
