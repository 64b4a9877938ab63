"""The files of a zoo under construction: the pre-trained supernet, and one file a task.

All are bundles of kind `zoo`, written whole or not at all, so that a build that is killed has lost
no more than the task it was at.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from edgewise.bundle import Bundle, write_bundle
from edgewise.errors import BundleError
from edgewise_converter.retrieval.choice import parse_choice
from edgewise_converter.retrieval.entries import Entry, FineTuning, set_statistics
from edgewise_converter.retrieval.supernet import Supernet
from edgewise_converter.retrieval.tasks import Task
from edgewise_converter.spaces.mobile import Classifier

_PREFIX = "supernet."


def write_supernet(path: Path, supernet: Supernet, **about: Any) -> None:
    """Write a supernet, its weights in half precision; ``about`` goes into the manifest.

    Raises:
        StorageError: the disk refuses.
    """
    manifest = {"classes": supernet.head.out_features, **about}
    write_bundle(path, kind="zoo", name="supernet", manifest=manifest, tensors=_half(supernet))


def read_supernet(path: Path | Bundle) -> Supernet:
    """The supernet of a file, in evaluation mode.

    Raises:
        BundleError: it is damaged or holds none.
    """
    bundle = path if isinstance(path, Bundle) else Bundle.open(path, kind="zoo")
    names = [name for name in bundle.names() if name.startswith(_PREFIX)]
    if "classes" not in bundle.manifest or not names:
        raise BundleError(f"{bundle.path}: holds no supernet")
    supernet = Supernet(int(bundle.manifest["classes"]))
    found = {
        name.removeprefix(_PREFIX): torch.from_numpy(np.array(bundle.tensor(name)))
        for name in names
    }
    try:
        supernet.load_state_dict(found)
    except RuntimeError as error:
        raise BundleError(f"{bundle.path}: holds a supernet of another shape") from error
    return supernet.eval()


def write_task(
    path: Path,
    task: Task,
    tuned: Supernet,
    entries: Sequence[Entry],
    settings: FineTuning,
    *,
    pretrained_on: Sequence[str],
) -> None:
    """Write what a task gives the zoo.

    Args:
        path: of the file.
        task: that was learnt.
        tuned: the supernet after it.
        entries: cut from it.
        settings: of the fine-tuning.
        pretrained_on: sets that the supernet had learnt from before.

    Raises:
        StorageError: the disk refuses.
    """
    manifest = {
        "task": task.name,
        "source": task.images.name,
        "labels": list(task.classes),
        "classes": len(task.classes),
        "trained_on": [*pretrained_on, task.images.name],
        "settings": asdict(settings),
        "entries": [
            {
                "arch": str(entry.choice),
                "validation_accuracy": round(entry.accuracy[0], 5),
                "test_accuracy": round(entry.accuracy[1], 5),
                "parameters": entry.parameters,
            }
            for entry in entries
        ],
    }
    tensors = _half(tuned) | {"embedding": np.array([entry.embedding for entry in entries])}
    for at, entry in enumerate(entries):
        tensors[f"statistics.{at:02d}"] = entry.statistics
    write_bundle(path, kind="zoo", name=task.name, manifest=manifest, tensors=tensors)


def read_network(bundle: Bundle, number: int) -> Classifier:
    """The ``number``-th network of a task's file, as it was scored.

    Raises:
        BundleError: the file has no such network, or is damaged.
    """
    entries = bundle.manifest.get("entries", [])
    if not 0 <= number < len(entries):
        raise BundleError(f"{bundle.path}: has {len(entries)} networks, and none numbered {number}")
    network = read_supernet(bundle).cut(parse_choice(entries[number]["arch"]))
    set_statistics(network, bundle.tensor(f"statistics.{number:02d}"))
    return network


def _half(supernet: Supernet) -> dict[str, Any]:
    """Weights in half precision; counters of batches as they are."""
    return {
        _PREFIX + name: value.half().numpy() if value.is_floating_point() else value.numpy()
        for name, value in supernet.state_dict().items()
    }
