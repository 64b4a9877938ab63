"""A classifier as a file: each class's sum and number of examples, and which embedder made them.

The format is the bundle's, with kind `classifier`. Pictures are not in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..bundle import Bundle, bundle_pieces
from ..errors import BundleError
from ..shipped import describe, fingerprint
from ..storage import write_atomic
from .embedder import open_embedder

if TYPE_CHECKING:
    from numpy.typing import NDArray

_KIND = "classifier"


@dataclass(frozen=True)
class Saved:
    """What is stored of a classifier with C classes of dim D."""

    head: str
    precision: str
    metric: str
    labels: list[str]
    examples: NDArray[np.int64]
    """(C,) how many each class was shown."""
    sums: NDArray[np.float64]
    """(C, D) of their embeddings; for cosine of unit vectors."""


def save_classifier(saved: Saved, embedder: Bundle, path: str | Path) -> None:
    """Write a classifier, atomically. Raises StorageError when the disk does not take it."""
    pieces = bundle_pieces(
        kind=_KIND,
        name=f"{len(saved.labels)} classes",
        manifest={
            "head": saved.head,
            "precision": saved.precision,
            "metric": saved.metric,
            "labels": saved.labels,
            "embedder": describe(embedder),
        },
        tensors={"examples": saved.examples, "sums": saved.sums},
    )
    write_atomic(path, pieces)


def load_classifier(
    path: str | Path, embedder: str | Path | Bundle | None = None
) -> tuple[Saved, Bundle]:
    """Read a classifier and open its embedder: `embedder`, or where the file says.

    Raises BundleError for a damaged file, one that is no classifier, or another embedder than the
    one it was made with; both are named.
    """
    bundle = Bundle.open(path, kind=_KIND)
    manifest = bundle.manifest
    try:
        labels = [str(label) for label in manifest["labels"]]
        examples, sums = bundle.tensor("examples"), bundle.tensor("sums")
        if examples.shape != (len(labels),) or sums.ndim != 2 or len(sums) != len(labels):
            raise ValueError("its tensors do not have one row a class")
        saved = Saved(
            str(manifest["head"]),
            str(manifest["precision"]),
            str(manifest["metric"]),
            labels,
            examples,
            sums,
        )
        made_with = {str(key): str(value) for key, value in manifest["embedder"].items()}
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise BundleError(f"{path}: the classifier is incomplete ({error!r})") from error
    opened = open_embedder(embedder or made_with.get("path") or "default")
    if fingerprint(opened) != made_with.get("fingerprint"):
        raise BundleError(
            f"{path}: was made with another embedder {made_with.get('name')!r} "
            f"({made_with.get('fingerprint')}) than {opened.path} ({fingerprint(opened)}); "
            "pass that one as embedder=, or show the classes again"
        )
    return saved, opened
