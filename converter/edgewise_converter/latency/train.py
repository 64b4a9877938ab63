"""Meta-training runs: resumable, and the best episode chosen by validation devices alone."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from edgewise.errors import ArgumentError
from edgewise.storage import write_atomic
from edgewise_converter.latency.help_predictor import (
    Episodes,
    Help,
    HelpData,
    Validation,
    relative_residual,
)
from edgewise_converter.latency.meta_training import Learner, MetaTrainer, TrainingConfig

_LOG = logging.getLogger(__name__)

Progress = Callable[[int, float], None]
"""Called after each validation with the episode and its score."""


@dataclass(frozen=True)
class TrainedHelp:
    """A finished run.

    Attributes:
        help: the learner of the best episode.
        best_episode: after how many episodes it was best.
        best_score: its score on the validation devices.
    """

    help: Help
    best_episode: int
    best_score: float


def train_help(
    data: HelpData,
    config: TrainingConfig,
    checkpoints: Path | None = None,
    label: str = "help",
    progress: Progress | None = None,
) -> TrainedHelp:
    """Meta-train, going on from where an earlier run of the same training stopped.

    Args:
        data: table, devices, references, protocol.
        config: sizes, rates, seed.
        checkpoints: folder that keeps the state at every validation, or None.
        label: how the file in it starts; the rest stands for data and configuration.
        progress: told of each validation.

    Raises:
        ArgumentError: the checkpoint is unreadable, or of other data.
        StorageError: the checkpoint could not be written.
    """
    trainer = MetaTrainer(config, Episodes(data, config))
    validation = Validation(data, config)
    best, best_episode, best_score = trainer.learner.copy(), 0, -1.0
    identity = _identity(data, config)
    checkpoint = checkpoints / f"{label}-{_digest(identity)}.safetensors" if checkpoints else None
    if checkpoint is not None and checkpoint.exists():
        tensors, best_episode, best_score = _load(checkpoint, identity)
        trainer.load_state(tensors)
        best = Learner.from_tensors(_strip(tensors, "best."))
        _LOG.info("%s: going on from episode %d", checkpoint, trainer.episode)
    for episode in trainer.run():
        if episode % config.validate_every and episode != config.episodes:
            continue
        score = validation(trainer.learner.copy())
        if score > best_score:
            best, best_episode, best_score = trainer.learner.copy(), episode, score
        if checkpoint is not None:
            _save(
                checkpoint, trainer, best, identity | {"episode": best_episode, "score": best_score}
            )
        if progress is not None:
            progress(episode, score)
    residual = relative_residual(best, data, validation.targets)
    return TrainedHelp(Help(best, residual), best_episode, best_score)


def _identity(data: HelpData, config: TrainingConfig) -> dict[str, Any]:
    """What a checkpoint must agree with to be gone on from."""
    return {
        "config": asdict(config),
        "train": list(data.train),
        "valid": list(data.valid),
        "reference": data.reference.tolist(),
        "protocol": data.protocol,
    }


def _digest(identity: dict[str, Any]) -> str:
    text = json.dumps(identity, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _save(path: Path, trainer: MetaTrainer, best: Learner, about: dict[str, Any]) -> None:
    tensors = trainer.state() | {f"best.{name}": value for name, value in best.tensors().items()}
    contiguous = {name: value.contiguous() for name, value in tensors.items()}
    data = safetensors.torch.save(contiguous, metadata={"training": json.dumps(about)})
    write_atomic(path, data, create_parents=True)


def _load(path: Path, identity: dict[str, Any]) -> tuple[dict[str, Tensor], int, float]:
    try:
        with safetensors.safe_open(str(path), framework="pt") as file:
            about = json.loads((file.metadata() or {})["training"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (safetensors.SafetensorError, KeyError, ValueError) as error:
        raise ArgumentError(f"{path}: not a training checkpoint ({error})") from error
    for name, value in identity.items():
        if about.get(name) != json.loads(json.dumps(value)):
            raise ArgumentError(f"{path}: was made with another {name}; delete it or name another")
    return tensors, int(about["episode"]), float(about["score"])


def _strip(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): value
        for name, value in tensors.items()
        if name.startswith(prefix)
    }


def use_one_thread() -> None:
    """One thread: the products are small, and the results then do not depend on the machine."""
    torch.set_num_threads(1)
