"""A training from its command to its file: checkpoints on the way, the best step at the end."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from edgewise.errors import ArgumentError
from edgewise_converter.fewshot.learner import Learner
from edgewise_converter.fewshot.learner_file import read_tensors, write_tensors
from edgewise_converter.fewshot.training import Trainer, TrainingConfig, Validation
from edgewise_converter.images.benchmarks import Benchmark

_LOG = logging.getLogger(__name__)
_BEST = "best."

Progress = Callable[[Validation], None]
"""Called after each validation."""


@dataclass(frozen=True)
class Run:
    """A finished training.

    Attributes:
        learner: with the weights of the best step, in evaluation mode.
        best: where that was.
        curve: all validations in order.
    """

    learner: Learner
    best: Validation
    curve: list[Validation]


def train(
    benchmark: Benchmark,
    config: TrainingConfig,
    checkpoints: Path | None = None,
    progress: Progress | None = None,
    start: Learner | None = None,
) -> Run:
    """Train a learner, going on from where an earlier run of the same training stopped.

    Args:
        benchmark: images and classes.
        config: everything else.
        checkpoints: folder that keeps the state at every validation, or None.
        progress: told of each validation.
        start: whose weights to start from, or None for fresh ones.

    Raises:
        ArgumentError: the benchmark is too small, the checkpoint unreadable or of another
            training, or the learner to start from another one.
        StorageError: the checkpoint could not be written.
    """
    trainer = Trainer(benchmark, config, start)
    identity = _identity(benchmark, config, start)
    path = checkpoints / f"fewshot-{_digest(identity)}.safetensors" if checkpoints else None
    curve: list[Validation] = []
    kept: dict[str, Tensor] = {}
    if path is not None and path.exists():
        tensors, curve = _load_checkpoint(path, identity)
        trainer.load_state(tensors)
        kept = {n.removeprefix(_BEST): t for n, t in tensors.items() if n.startswith(_BEST)}
        _LOG.info("%s: going on from episode %d", path, trainer.episode)
    for validation in trainer.run():
        if not kept or validation.score > max(each.score for each in curve):
            kept = {name: t.clone() for name, t in trainer.learner.state_dict().items()}
        curve.append(validation)
        if path is not None:
            best = {f"{_BEST}{name}": value for name, value in kept.items()}
            about = identity | {"curve": [asdict(each) for each in curve]}
            write_tensors(path, trainer.state() | best, "training", about)
        if progress is not None:
            progress(validation)
    trainer.learner.load_state_dict(kept)
    best_at = max(curve, key=lambda each: each.score)
    return Run(trainer.learner.eval(), best_at, curve)


def _identity(
    benchmark: Benchmark, config: TrainingConfig, start: Learner | None
) -> dict[str, Any]:
    """What a checkpoint must agree with to be gone on from."""
    begun = {} if start is None else {"start": _weights_digest(start)}
    return begun | {
        "config": json.loads(json.dumps(asdict(config))),
        "benchmark": benchmark.name,
        "images": list(benchmark.images.images.shape),
        "train": list(benchmark.split.train),
        "val": list(benchmark.split.val),
    }


def _digest(identity: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:12]


def _weights_digest(learner: Learner) -> str:
    digest = hashlib.sha256()
    for value in learner.state_dict().values():
        digest.update(value.contiguous().numpy().tobytes())
    return digest.hexdigest()


def _load_checkpoint(
    path: Path, identity: Mapping[str, Any]
) -> tuple[dict[str, Tensor], list[Validation]]:
    tensors, about = read_tensors(path, "training")
    for name, value in identity.items():
        if about.get(name) != value:
            raise ArgumentError(f"{path}: was made with another {name}; delete it or name another")
    curve = []
    for each in about["curve"]:
        by_shots = {int(shots): value for shots, value in each.pop("accuracy").items()}
        curve.append(Validation(accuracy=by_shots, **each))
    return tensors, curve
