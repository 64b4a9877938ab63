"""Assembles a zoo's bundle: the networks that were chosen, and the space to find them in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewise import _core
from edgewise.bundle import Bundle, write_bundle
from edgewise.errors import ArgumentError
from edgewise.retrieval.models import Layers
from edgewise.retrieval.zoo_file import FORMATS, numbered
from edgewise_converter.compile.parity import worst
from edgewise_converter.compile.zoo_entry import CompiledEntry, compile_entry
from edgewise_converter.compile.zoo_heads import compile_heads
from edgewise_converter.compile.zoo_space import RetrievalSpace
from edgewise_converter.retrieval.licences import may_ship
from edgewise_converter.retrieval.supernet import FEATURES
from edgewise_converter.retrieval.tasks import SIDE, Task
from edgewise_converter.retrieval.zoo_build import task_file

_LEVELS = 127

Chosen = Sequence[tuple[str, int]]
"""Task and number of networks."""


def named_entries(space: RetrievalSpace, path: Path) -> Chosen:
    """The networks of a text file of names such as `cifar100/fish#3`, one a line.

    Raises:
        ArgumentError: no such file, no name in it, or one that the space does not have.
    """
    if not path.is_file():
        raise ArgumentError(f"{path}: no such list of networks; give a file, or how many")
    known = {f"{task}#{number}": (task, number) for task, number in space.entries}
    lines = (line.strip() for line in path.read_text(encoding="utf-8").splitlines())
    names = [name for name in dict.fromkeys(lines) if name]
    for name in names:
        if name not in known:
            raise ArgumentError(f"{path}: the space has no network {name!r}")
    if not names:
        raise ArgumentError(f"{path}: names no network")
    return [known[name] for name in names]


def compile_zoo(
    folder: Path,
    chosen: Chosen,
    *,
    any_licence: bool = False,
    tasks: Mapping[str, Task] | None = None,
    progress: Callable[[], object] | None = None,
) -> list[CompiledEntry]:
    """Compile networks of a folder of task files.

    Args:
        folder: that `zoo build` wrote.
        chosen: of their networks.
        any_licence: also take networks that may not ship with the package.
        tasks: with their pictures, by name, to measure what 8-bit weights cost.
        progress: told of each network.

    Raises:
        ArgumentError: a network that may not ship.
        BundleError: a file is missing, damaged, or has no such network.
        ParityError: a file does not compute what torch computes.
    """
    found = []
    for name, number in chosen:
        bundle = Bundle.open(task_file(folder, name), kind="zoo")
        if not any_licence and not may_ship(bundle.manifest["trained_on"]):
            raise ArgumentError(
                f"{name}: the source of {', '.join(bundle.manifest['trained_on'])} states no "
                "permissive licence; leave it out, or pass --any-licence for a zoo of your own"
            )
        if tasks is not None and name not in tasks:
            raise ArgumentError(f"there are no pictures of task {name!r}")
        found.append(compile_entry(bundle, number, None if tasks is None else tasks[name]))
        if progress is not None:
            progress()
    return found


def write_zoo(
    path: Path,
    name: str,
    entries: Sequence[CompiledEntry],
    space: RetrievalSpace,
    chosen: Chosen,
    **about: Any,
) -> dict[str, Any]:
    """Write the bundle.

    Args:
        path: of the file.
        name: of the zoo.
        entries: compiled.
        space: to find them in.
        chosen: task and number of each entry.
        about: further entries of the manifest: seed, command, versions.

    Returns:
        The metrics that the manifest has.

    Raises:
        StorageError: the disk refuses.
    """
    place = {entry: row for row, entry in enumerate(space.entries)}
    embedding = space.embedding[[place[entry] for entry in chosen]]
    rows, scales = quantised_rows(embedding)
    heads, parity = compile_heads(space.query, space.performance)
    tensors: dict[str, Any] = {
        "index": rows,
        "index.scale": scales,
        "kernels": np.array([entry.kernels for entry in entries]),
        **space.query.tensors("query"),
        **space.performance.tensors("performance"),
        **heads,
    }
    cards, shared = [], dict[bytes, int]()
    for number, entry in enumerate(entries):
        model = shared.setdefault(entry.skeletons["tflite"], len(shared))
        for form, skeleton in entry.skeletons.items():
            tensors[numbered(f"model.{form}", model)] = skeleton
        tensors |= entry_tensors(number, entry.layers, entry.head)
        cards.append({**entry.about, "model": model})
    metrics = {**space.about.get("metrics", {}), **_metrics(entries)}
    metrics["parity"] = {
        "networks": [each.as_json() for each in worst(p for e in entries for p in e.parity)],
        **{key: [each.as_json() for each in found] for key, found in parity.items()},
    }
    own = {key: value for key, value in space.about.items() if key not in ("metrics", "command")}
    sets = [*own.pop("trained_on", []), *(name for card in cards for name in card["trained_on"])]
    manifest = {
        **own,
        "training": {"command": space.about.get("command")},
        **about,
        "trained_on": list(dict.fromkeys(sets)),
        "metrics": metrics,
        "zoo": zoo_about(space),
        "entries": cards,
    }
    manifest.setdefault("licence", _LICENCE)
    deflate = [key for key in tensors if key.startswith("model.")]
    write_bundle(path, kind="zoo", name=name, manifest=manifest, tensors=tensors, deflate=deflate)
    return metrics


_LICENCE = (
    "Trained artefact of edgewise, Apache-2.0. Each network's card names the sets it learnt from "
    "and what their sources state; no picture is contained."
)


def quantised_rows(embedding: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """(N, dim) unit vectors as int8, and the scale (N,) of each."""
    scales = (np.abs(embedding).max(1) / _LEVELS).astype(np.float32)
    scales = np.where(scales > 0, scales, 1).astype(np.float32)
    return np.round(embedding / scales[:, None]).astype(np.int8), scales


def entry_tensors(
    number: int, layers: Layers, head: NDArray[np.float16]
) -> dict[str, NDArray[Any]]:
    """Of an entry whose model is a skeleton."""
    return {
        numbered("layers", number): layers.shapes,
        numbered("weights", number): layers.weights,
        numbered("scales", number): layers.scales,
        numbered("biases", number): layers.biases,
        numbered("head", number): head,
    }


def zoo_about(space: RetrievalSpace) -> dict[str, Any]:
    """The manifest's `zoo`."""
    return {
        "image": [SIDE, SIDE, 3],
        "features": FEATURES,
        "dim": space.dim,
        "embedder": dict(space.embedder),
        "network_columns": _core.network_columns(),
        "nearest": space.nearest,
        "metric": "cosine",
        "temperature": space.temperature,
        "unknown": {"rule": "best_score", "threshold": space.threshold},
        "statistics": list(space.statistics),
        "formats": list(FORMATS),
    }


def _metrics(entries: Sequence[CompiledEntry]) -> Mapping[str, Any]:
    """What 8-bit weights cost, where it was measured."""
    lost = [
        entry.about["test_accuracy"] - entry.about["int8_test_accuracy"]
        for entry in entries
        if "int8_test_accuracy" in entry.about
    ]
    if not lost:
        return {}
    return {
        "int8": {"networks": len(lost), "mean_lost": float(np.mean(lost)), "most_lost": max(lost)}
    }
