"""``zoo add``: a user's own network, and the pictures that it was trained for, into a zoo's bundle.

Where such a network lies in the space is decided by its pictures: the query that they make. The
training puts a network where queries of its task lie, and its model encoder has seen no topology
and no functional embedding but those of the supernet's networks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewise import _core
from edgewise.bundle import Bundle
from edgewise.errors import ArgumentError
from edgewise.fewshot.embedder import Embedder, open_embedder
from edgewise.fewshot.pictures import resized
from edgewise.retrieval.dense import to_unit
from edgewise.retrieval.statistics import query_statistics
from edgewise.retrieval.zoo_file import ZooFile, numbered, open_zoo
from edgewise.runtimes import get_runtime
from edgewise.shipped import fingerprint
from edgewise.storage import locked
from edgewise_converter.compile.own_network import OwnNetwork, open_own
from edgewise_converter.compile.zoo_bundle import quantised_rows
from edgewise_converter.compile.zoo_rewrite import rewrite, stored_tensors
from edgewise_converter.images.folders import load_folder
from edgewise_converter.retrieval.queries import draw_balanced
from edgewise_converter.retrieval.tasks import Task, make_task

_QUERY = 200  # pictures that the network's place is found by


@dataclass(frozen=True)
class Addition:
    """What is to be added.

    Attributes:
        name: of the entry, not in the zoo yet.
        network: `.onnx` or `.pt2`; see :func:`open_own`.
        pictures: folder of one folder of pictures for each class.
        labels: classes in the order of the network's answers; None: folders sorted by name.
        mean: that its pictures are standardised with, red, green and blue, of 0 to 1.
        deviation: the same.
        licence: a note for the card.
        seed: of which pictures are for validation and for test.
    """

    name: str
    network: Path
    pictures: Path
    labels: tuple[str, ...] | None = None
    mean: Sequence[float] = (0.0, 0.0, 0.0)
    deviation: Sequence[float] = (1.0, 1.0, 1.0)
    licence: str = "the user's own"
    seed: int = 0


def add_to_zoo(
    zoo: str | Path,
    addition: Addition,
    *,
    embedder: str | Path = "default",
    output: Path | None = None,
) -> dict[str, Any]:
    """Add a network to a zoo's bundle, atomically; two that add at once do so one after the other.

    Args:
        zoo: the bundle.
        addition: what to add.
        embedder: the bundle that the zoo was made with.
        output: where to write; None: over the zoo.

    Returns:
        The entry's card.

    Raises:
        ArgumentError: the name is taken, the embedder is another one, or network and pictures do
            not belong together.
        BundleError: the zoo is damaged.
        StorageError: the disk refuses.
    """
    with locked(open_zoo(zoo).path):
        return _add(zoo, addition, embedder, output)


def _add(
    zoo: str | Path, addition: Addition, embedder: str | Path, output: Path | None
) -> dict[str, Any]:
    bundle = open_zoo(zoo)
    file = ZooFile(bundle)
    if any(entry.name == addition.name for entry in file.entries):
        raise ArgumentError(f"{bundle.path}: has a network {addition.name!r} already")
    own = open_own(addition.network, addition.mean, addition.deviation)
    task = _task(addition, own)
    session = get_runtime("onnxruntime").load(own.model)
    head = own.head.astype(np.float16)

    def accuracy(rows: NDArray[np.int64]) -> float:
        right = 0
        for row, label in zip(rows, task.labels(rows), strict=True):
            (features,) = session.run(task.images.images[row][None].astype(np.float32))
            answer = features[0] @ head[:, :-1].T.astype(np.float32) + head[:, -1]
            right += int(answer.argmax()) == label
        return round(right / len(rows), 5)

    kernels = _core.read_model_bytes(own.model, str(addition.network)).kernels
    card = {
        "name": addition.name,
        "task": addition.name,
        "arch": None,
        "model": None,
        "image": [*own.side, 3],
        "features": own.head.shape[1] - 1,
        "labels": list(task.classes),
        "trained_on": [addition.pictures.name],
        "licence": addition.licence,
        "validation_accuracy": accuracy(task.validation),
        "test_accuracy": accuracy(task.test),
        "parameters": own.parameters,
        "flops": 2 * sum(kernel.macs for kernel in kernels),
        "bytes": len(own.model),
    }
    place = _place(file, task, embedder)
    _write(output or Path(bundle.path), bundle, card, _tensors(file, own, head, place, kernels))
    return card


def _task(addition: Addition, own: OwnNetwork) -> Task:
    images = load_folder(addition.pictures, size=own.side)
    labels = addition.labels or images.classes
    strangers = set(images.classes).symmetric_difference(labels)
    if strangers:
        raise ArgumentError(
            f"{addition.pictures}: classes and labels differ in {sorted(strangers)}"
        )
    if len(labels) != len(own.head):
        raise ArgumentError(
            f"{addition.network}: tells {len(own.head)} classes apart, and {addition.pictures} "
            f"holds {len(labels)}"
        )
    return make_task(addition.name, images, labels, addition.seed)


def _place(file: ZooFile, task: Task, embedder: str | Path) -> NDArray[np.float32]:
    """(dim,) at unit length: the query that the task's training pictures make."""
    bundle = open_embedder(embedder)
    if fingerprint(bundle) != file.embedder["fingerprint"]:
        raise ArgumentError(
            f"{file.bundle.path}: was made with another embedder {file.embedder['name']!r} than "
            f"{bundle.path}"
        )
    loaded = Embedder(bundle, runtime="auto", precision=None, threads=1)
    labels = task.labels(task.train)
    drawn = draw_balanced(labels, _QUERY, np.random.default_rng(0))
    embeddings = loaded.embed(
        resized(np.array(task.images.images[row]), loaded.height, loaded.width)
        for row in task.train[drawn]
    )
    statistics = query_statistics(embeddings, labels[drawn], file.statistics)
    place: NDArray[np.float32] = to_unit(file.index.query(statistics[None]))[0]
    return place


def _tensors(
    file: ZooFile,
    own: OwnNetwork,
    head: NDArray[np.float16],
    place: NDArray[np.float32],
    kernels: Any,
) -> dict[str, Any]:
    """All tensors of the new bundle."""
    number = len(file.entries)
    tensors = stored_tensors(file)
    row, scale = quantised_rows(place[None])
    tensors["index"] = np.concatenate([file.index.rows, row])
    tensors["index.scale"] = np.concatenate([file.index.scales, scale])
    tensors["kernels"] = np.concatenate([file.kernels, _core.network_features(kernels)[None]])
    tensors[numbered("whole.onnx", number)] = own.model
    tensors[numbered("head", number)] = head
    return tensors


def _write(path: Path, bundle: Bundle, card: dict[str, Any], tensors: dict[str, Any]) -> None:
    before = bundle.manifest
    sets = [*before.get("trained_on", []), *card["trained_on"]]
    manifest = {
        "entries": [*before["entries"], card],
        "trained_on": list(dict.fromkeys(sets)),
    }
    rewrite(path, bundle, manifest, tensors)
