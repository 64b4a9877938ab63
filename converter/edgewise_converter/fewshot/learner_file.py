"""Files of tensors with a word about them: trained learners, and the state of trainings."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
from torch import Tensor

from edgewise.errors import ArgumentError
from edgewise.storage import write_atomic
from edgewise_converter.fewshot.learner import Learner, create_learner

_KEY = "fewshot"
_KINDS = {
    _KEY: "trained learner",
    "training": "training checkpoint",
    "embedder": "trained embedder",
    "embedder-training": "checkpoint of an embedder's training",
}


def save_learner(
    path: Path, learner: Learner, trained_on: Sequence[str], about: Mapping[str, Any]
) -> None:
    """Write a learner with what is needed to build it, and what is known of it.

    Args:
        path: of the file.
        learner: the learner.
        trained_on: classes that it was trained on, each `set/class`.
        about: configuration and command.

    Raises:
        StorageError: it could not be written.
    """
    built = {
        "kind": learner.kind,
        "shots": list(learner.head.shots),
        "size": list(learner.size),
        "temperature": getattr(learner.head, "temperature", 1.0),
        "width": learner.embedder.width,
        "relation_loss": getattr(learner.head, "loss", "squared"),
    }
    known = {"learner": built, "trained_on": list(trained_on), **about}
    write_tensors(path, learner.state_dict(), _KEY, known)


def load_learner(path: Path) -> tuple[Learner, dict[str, Any]]:
    """Read what :func:`save_learner` wrote.

    Returns:
        The learner in evaluation mode, and what the file says of it.

    Raises:
        ArgumentError: no such file, or not one of a trained learner.
    """
    tensors, about = read_tensors(path, _KEY)
    try:
        built, _ = about["learner"], about["trained_on"]
        learner = create_learner(
            built["kind"],
            shots=built["shots"],
            size=tuple(built["size"]),
            seed=0,
            temperature=built["temperature"],
            width=built["width"],
            relation_loss=built["relation_loss"],
        )
        learner.load_state_dict(tensors)
    except (KeyError, TypeError, RuntimeError) as error:
        raise ArgumentError(f"{path}: not a trained learner ({error})") from error
    return learner.eval(), about


def is_learner(path: Path) -> bool:
    """Whether a file is one of a trained learner; it need not exist."""
    try:
        with safetensors.safe_open(str(path), framework="pt") as file:
            return _KEY in (file.metadata() or {})
    except (safetensors.SafetensorError, OSError):
        return False


def write_tensors(
    path: Path, tensors: Mapping[str, Tensor], kind: str, about: Mapping[str, Any]
) -> None:
    """Write tensors, and JSON about them under a kind; folders are made.

    Raises:
        StorageError: it could not be written.
    """
    contiguous = {name: value.detach().contiguous() for name, value in tensors.items()}
    data = safetensors.torch.save(contiguous, metadata={kind: json.dumps(about)})
    write_atomic(path, data, create_parents=True)


def read_tensors(path: Path, kind: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what :func:`write_tensors` wrote.

    Raises:
        ArgumentError: no such file, or not one of that kind.
    """
    if not path.exists():
        raise ArgumentError(f"{path}: no such file")
    try:
        with safetensors.safe_open(str(path), framework="pt") as file:
            about = json.loads((file.metadata() or {})[kind])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (safetensors.SafetensorError, OSError, KeyError, ValueError) as error:
        raise ArgumentError(f"{path}: not a {_KINDS[kind]} ({error})") from error
    return tensors, about
