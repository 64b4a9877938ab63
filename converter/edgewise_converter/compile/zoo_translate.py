"""``zoo translate``: a zoo whose space was trained with one embedder, for devices with another.

A query is the mean of its pictures' embeddings at unit length. So what one embedder says of single
pictures, in terms of what another one says of them, is all that the query encoder needs to be read
with the other: a linear map, by ridge regression over pictures of the meta-training tasks. Networks
stay where they are in the space, and none is trained.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewise.bundle import Bundle
from edgewise.errors import ArgumentError
from edgewise.retrieval.dense import Dense, to_unit
from edgewise.retrieval.zoo_file import ZooFile
from edgewise.shipped import fingerprint
from edgewise.storage import locked
from edgewise_converter.compile.zoo_heads import compile_heads
from edgewise_converter.compile.zoo_rewrite import rewrite, stored_tensors
from edgewise_converter.fewshot.embedders import BundleEmbedder
from edgewise_converter.retrieval.queries import MOST_PICTURES, TaskQueries, embed_tasks
from edgewise_converter.retrieval.tasks import Task

Floats = NDArray[np.float64]

_RIDGES = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1)  # of which held-out pictures choose
_QUERIES = 4  # of each task's held-out pictures that the translation is judged by


@dataclass(frozen=True)
class Translation:
    """`other @ matrix + offset` is about what the zoo's own embedder says, both at unit length.

    Attributes:
        matrix: (D of the other, D of the zoo's).
        offset: (D of the zoo's).
        ridge: of the regression, in shares of the mean variance.
    """

    matrix: Floats
    offset: Floats
    ridge: float

    def encoder(self, query: Dense) -> Dense:
        """A linear query encoder, reading statistics of the other embedder."""
        ((weight, bias),) = query.layers
        wide = weight.astype(np.float64)
        folded = (self.matrix @ wide).astype(np.float32)
        return Dense(((folded, (self.offset @ wide + bias).astype(np.float32)),))


def translate_zoo(
    zoo: Bundle,
    tasks: Sequence[Task],
    *,
    before: Bundle,
    after: Bundle,
    command: str,
    output: Path,
) -> dict[str, Any]:
    """Write a zoo for another embedder.

    Args:
        zoo: the bundle.
        tasks: whose pictures both embedders are compared on.
        before: the embedder that the zoo was made with.
        after: the other one.
        command: for the manifest.
        output: where to write.

    Returns:
        What the manifest says of it, beside the rest.

    Raises:
        ArgumentError: the zoo was made with another embedder than `before`, its query encoder is
            not linear in the mean of the embeddings, or `output` is the zoo.
        BundleError: a bundle is damaged.
        StorageError: the disk refuses.
    """
    file = ZooFile(zoo)
    if fingerprint(before) != file.embedder["fingerprint"]:
        raise ArgumentError(
            f"{zoo.path}: was made with another embedder {file.embedder['name']!r} than "
            f"{before.path}"
        )
    if file.statistics != ["mean"] or len(file.index.query.layers) != 1:
        raise ArgumentError(
            f"{zoo.path}: its query encoder is not linear in the mean of a query's embeddings; "
            "train its space anew (edgewise-converter train retrieval --embedder)"
        )
    if output.exists() and output.samefile(zoo.path):
        raise ArgumentError(f"{output}: is the zoo itself; write to another file")
    sets = list(dict.fromkeys(task.images.name for task in tasks))
    own, other = (
        embed_tasks(tasks, BundleEmbedder(each, runtime="auto", precision=None), progress=True)
        for each in (before, after)
    )
    translation = fit_translation(own, other)
    query = translation.encoder(file.index.query)
    about = {
        "from": dict(zoo.manifest["zoo"]["embedder"]),
        "command": command,
        "tasks": len(tasks),
        "sets": sets,
        "ridge": translation.ridge,
        **_agreement(file, query, own, other),
    }
    heads, parity = compile_heads(query, file.index.performance)
    tensors = stored_tensors(file) | query.tensors("query") | heads
    found = {key: [each.as_json() for each in cases] for key, cases in parity.items()}
    metrics = dict(zoo.manifest["metrics"])
    metrics["parity"] = {**metrics.get("parity", {}), **found}
    embedder = {"name": after.name, "fingerprint": fingerprint(after), "dim": query.inputs}
    manifest = {
        "zoo": {**zoo.manifest["zoo"], "embedder": embedder},
        "metrics": metrics,
        "trained_on": list(dict.fromkeys([*zoo.manifest.get("trained_on", []), *sets])),
        "translation": about,
    }
    with locked(output):
        rewrite(output, zoo, manifest, tensors)
    return about


def fit_translation(own: Sequence[TaskQueries], other: Sequence[TaskQueries]) -> Translation:
    """From what two embedders say of the same pictures.

    Args:
        own: of the zoo's embedder, by task.
        other: of the other one, the same tasks and pictures.
    """
    inputs, outputs = _rows(other, "train"), _rows(own, "train")
    held_in, held_out = _rows(other, "held_out"), _rows(own, "held_out")
    mean_in, mean_out = inputs.mean(0), outputs.mean(0)
    centred = inputs - mean_in
    values, vectors = np.linalg.eigh(centred.T @ centred / len(centred))
    cross = vectors.T @ (centred.T @ (outputs - mean_out)) / len(centred)

    def fitted(ridge: float) -> Translation:
        matrix = vectors @ (cross / (values + ridge * values.mean())[:, None])
        return Translation(matrix, mean_out - mean_in @ matrix, ridge)

    def error(found: Translation) -> float:
        return float(np.square(held_in @ found.matrix + found.offset - held_out).sum())

    return min((fitted(ridge) for ridge in _RIDGES), key=error)


def _rows(tasks: Sequence[TaskQueries], part: str) -> Floats:
    """(n, D) embeddings at unit length of all pictures of a part."""
    parts = [getattr(each, part).embeddings for each in tasks]
    return to_unit(np.concatenate(parts)).astype(np.float64)


def _agreement(
    file: ZooFile, query: Dense, own: Sequence[TaskQueries], other: Sequence[TaskQueries]
) -> Mapping[str, float]:
    """How near queries of held-out pictures come to what they were, and what is found by them.

    `expected_lost` is by how much less accuracy is expected, by the query as it was, of the network
    that is found now.
    """
    cosines, same, lost = [], [], []
    for number in range(_QUERIES):
        for before, after in zip(own, other, strict=True):
            # The same generator for both, so the same pictures.
            statistics = [
                each.held_out.statistics(
                    file.statistics, MOST_PICTURES, np.random.default_rng([number, 11])
                )
                for each in (before, after)
            ]
            was = file.index.search(statistics[0], k=len(file.entries))
            place = to_unit(query(statistics[1][None]))[0]
            cosines.append(float(to_unit(file.index.query(statistics[0][None]))[0] @ place))
            expected = dict(zip(was.numbers.tolist(), was.accuracies.tolist(), strict=True))
            now = _first(file, query, statistics[1])
            same.append(now == was.numbers[0])
            lost.append(float(was.accuracies[0]) - expected[now])
    return {
        "mean_cosine": round(float(np.mean(cosines)), 4),
        "least_cosine": round(float(np.min(cosines)), 4),
        "same_first": round(float(np.mean(same)), 4),
        "expected_lost": round(float(np.mean(lost)), 5),
    }


def _first(file: ZooFile, query: Dense, statistics: NDArray[np.float32]) -> int:
    """The network that a device finds first with that query encoder."""
    return int(replace(file.index, query=query).search(statistics, k=1).numbers[0])
