"""A pre-training from its command to its file: resumable, the curve beside it."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from edgewise.bundle import Bundle
from edgewise.errors import ArgumentError, BundleError
from edgewise_converter.fewshot.base_classes import Base, set_named
from edgewise_converter.fewshot.embedder import Embedder, create_embedder
from edgewise_converter.fewshot.embedder_scores import Scores
from edgewise_converter.fewshot.embedder_weights import embedder_of
from edgewise_converter.fewshot.learner_file import read_tensors, write_tensors
from edgewise_converter.fewshot.pretraining import Pretrainer, PretrainingConfig

_LOG = logging.getLogger(__name__)
_CHECKPOINT = "embedder-training"
_TRAINED = "embedder"

Progress = Callable[[Scores], None]


@dataclass(frozen=True)
class Pretrained:
    """A finished pre-training.

    Attributes:
        embedder: after the last step, in evaluation mode.
        curve: all validations.
        lengths: pairs of a step and how many epochs were intended from there on; more than one
            where a run was made longer or shorter on the way.
        begun: `classes` that it and its first weights learnt from, by set, and what was `before`.
    """

    embedder: Embedder
    curve: list[Scores]
    lengths: list[list[int]]
    begun: dict[str, Any]


def pretrain(
    bases: Sequence[Base],
    config: PretrainingConfig,
    checkpoint: Path | None = None,
    progress: Progress | None = None,
    *,
    start: tuple[Embedder, Mapping[str, Any]] | None = None,
) -> Pretrained:
    """Train an embedder, going on from where an earlier run of the same training stopped.

    Args:
        bases: what to learn from.
        config: everything else. A longer or shorter run may go on from a checkpoint of another
            number of epochs: rate and picture size are functions of the share that is done.
        checkpoint: file that keeps the state, or None.
        progress: told of each validation.
        start: weights to begin with where there is no checkpoint yet, and what their file says of
            them; None for random ones.

    Raises:
        ArgumentError: `start` is of another size, or the checkpoint is unreadable or of another
            training.
        StorageError: it could not be written.
    """
    trainer = Pretrainer(bases, config)
    if start is not None:
        if start[0].widths != trainer.embedder.widths:
            raise ArgumentError(f"the weights to begin with are not of the size {config.size!r}")
        trainer.embedder.load_state_dict(start[0].state_dict())
    identity = _identity(bases, config)
    known = [start[1]] if start else []
    begun = {"classes": classes_of(bases, *known), "before": history(*known) if known else None}
    curve: list[Scores] = []
    lengths: list[list[int]] = []
    if checkpoint is not None and checkpoint.exists():
        tensors, about = read_tensors(checkpoint, _CHECKPOINT)
        for name, value in identity.items():
            if about.get(name) != value:
                raise ArgumentError(f"{checkpoint}: is of a training with another {name}")
        trainer.load_state(tensors)
        curve = [Scores(**each) for each in about["curve"]]
        lengths, begun = about["lengths"], about["begun"]
        _LOG.info("%s: going on from step %d of %d", checkpoint, trainer.step, trainer.steps)
    if not lengths or lengths[-1][1] != config.epochs:
        lengths = [*lengths, [trainer.step, config.epochs]]
    for scores in trainer.run():
        if scores is not None:
            curve.append(scores)
            if progress is not None:
                progress(scores)
        if checkpoint is not None:
            about = {"curve": [asdict(each) for each in curve], "lengths": lengths, "begun": begun}
            about |= identity
            write_tensors(checkpoint, trainer.state(), _CHECKPOINT, about)
    return Pretrained(trainer.embedder.eval(), curve, lengths, begun)


def save_embedder(path: Path, embedder: Embedder, size: str, about: Mapping[str, Any]) -> None:
    """Write a trained embedder.

    Args:
        path: of the file.
        embedder: its weights and statistics.
        size: its name in `SIZES`.
        about: what is known of its training, as JSON values.

    Raises:
        StorageError: it could not be written.
    """
    write_tensors(path, embedder.state_dict(), _TRAINED, {**about, "size": size})


def load_embedder(path: Path) -> tuple[Embedder, dict[str, Any]]:
    """Read an embedder that :func:`save_embedder` wrote, or the weights in a checkpoint.

    Returns:
        The embedder in evaluation mode, and what the file says of it.

    Raises:
        ArgumentError: no such file, not one of an embedder, or one that does not say what it learnt
            from.
    """
    try:
        tensors, about = read_tensors(path, _TRAINED)
    except ArgumentError:
        tensors, about = read_tensors(path, _CHECKPOINT)
        tensors = _weights(tensors)
        about = {**about, **about.get("begun", {}), "size": about["config"]["size"]}
    if "classes" not in about:
        raise ArgumentError(f"{path}: does not say what it learnt from; train it again")
    try:
        embedder = create_embedder(about["size"], 0)
        embedder.load_state_dict(tensors)
    except (KeyError, TypeError, RuntimeError) as error:
        raise ArgumentError(f"{path}: not a trained embedder ({error})") from error
    return embedder.eval(), about


def open_weights(path: Path) -> tuple[Embedder, dict[str, Any]]:
    """As :func:`load_embedder`, and also out of an embedder bundle.

    Raises:
        ArgumentError: no such file, or none of an embedder.
    """
    try:
        return load_embedder(path)
    except ArgumentError as error:
        try:
            bundle = Bundle.open(path, kind="embedder")
        except BundleError:
            raise error from None
        manifest = bundle.manifest
        about = {"classes": _by_set(manifest["trained_on"]), "size": manifest["size"]}
        return embedder_of(bundle), {**manifest["training"], **about}


def _by_set(trained_on: Sequence[str]) -> dict[str, list[str]]:
    """`cifar100/apple`, … as a manifest has them, to {"cifar_fs": ["apple", …]}."""
    found: dict[str, list[str]] = {}
    for each in trained_on:
        source, _, name = each.partition("/")
        found.setdefault(set_named(source), []).append(name)
    return found


def _weights(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    prefix = "embedder."
    return {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}


def _identity(bases: Sequence[Base], config: PretrainingConfig) -> dict[str, Any]:
    settings = asdict(config)
    del settings["epochs"]
    return {
        "config": json.loads(json.dumps(settings)),
        "classes": classes_of(bases),
    }


def classes_of(bases: Sequence[Base], *before: Mapping[str, Any]) -> dict[str, list[str]]:
    """Classes by set: those of a training, after those that its first weights had learnt from.

    Args:
        bases: of this training.
        before: what the files say of which the first weights were.
    """
    found: dict[str, list[str]] = {}
    own = {each.benchmark.name: each.classes for each in bases}
    for classes in (*(each["classes"] for each in before), own):
        for name, some in classes.items():
            found[name] = list(dict.fromkeys([*found.get(name, []), *some]))
    return found


def history(before: Mapping[str, Any]) -> dict[str, Any] | None:
    """What a trained file says of the training whose weights it began with; None: of none."""
    kept = ("command", "config", "lengths", "before")
    return {key: before[key] for key in kept if before.get(key)} or None


def set_threads(count: int) -> None:
    """Let PyTorch use so many threads, and flush numbers too small to matter to zero."""
    torch.set_num_threads(count)
    torch.set_flush_denormal(True)
