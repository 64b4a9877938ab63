"""A classifier as a file: each class's sum and number of examples, and which network made them.

The format is the bundle's, with kind `classifier`. Pictures are not in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..bundle import Bundle, bundle_pieces
from ..errors import BundleError
from ..shipped import fingerprint
from ..storage import write_atomic
from .embedder import METRICS, PRECISIONS, Embedder, Network, open_embedder
from .head import HEADS

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
    made_with: dict[str, str]
    """Which network: `name`, `path`, `fingerprint`, and of a zoo's network `entry`, its name."""


def save_classifier(saved: Saved, path: str | Path) -> None:
    """Write a classifier, atomically. Raises StorageError when the disk does not take it."""
    pieces = bundle_pieces(
        kind=_KIND,
        name=f"{len(saved.labels)} classes",
        manifest={
            "head": saved.head,
            "precision": saved.precision,
            "metric": saved.metric,
            "labels": saved.labels,
            "embedder": saved.made_with,
        },
        tensors={"examples": saved.examples, "sums": saved.sums},
    )
    write_atomic(path, pieces)


def load_classifier(path: str | Path) -> Saved:
    """Read a classifier. Raises BundleError for a damaged file, or one that is no classifier."""
    bundle = Bundle.open(path, kind=_KIND)
    manifest = bundle.manifest
    try:
        labels = [str(label) for label in manifest["labels"]]
        examples, sums = bundle.tensor("examples"), bundle.tensor("sums")
        if examples.shape != (len(labels),) or sums.ndim != 2 or len(sums) != len(labels):
            raise ValueError("its tensors do not have one row a class")
        for key, known in (("head", HEADS), ("precision", PRECISIONS), ("metric", METRICS)):
            if manifest[key] not in known:
                raise ValueError(f"{key} {manifest[key]!r} is none of {', '.join(known)}")
        return Saved(
            str(manifest["head"]),
            str(manifest["precision"]),
            str(manifest["metric"]),
            labels,
            examples,
            sums,
            {str(key): str(value) for key, value in manifest["embedder"].items()},
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise BundleError(f"{path}: the classifier is incomplete ({error!r})") from error


def open_network(
    path: str | Path,
    saved: Saved,
    moved: str | Path | Bundle | None,
    *,
    runtime: str,
    threads: int,
) -> Network:
    """The network that the classifier at `path` was made with: of `moved`, or of where it says.

    Raises BundleError for another network than that one; both are named.
    """
    place = moved or saved.made_with.get("path") or "default"
    network: Network
    if "entry" in saved.made_with:
        # Imported here: retrieval stands on this package, and most classifiers know no zoo.
        from ..retrieval.network import open_entry

        network = open_entry(place, saved.made_with["entry"], runtime=runtime, threads=threads)
        found, cure = network.describe()["fingerprint"], "show the classes again"
        if found != saved.made_with.get("fingerprint"):
            raise _another(path, saved, f"{network.name!r} of {network.bundle.path}", found, cure)
        return network
    bundle = open_embedder(place)
    found, cure = fingerprint(bundle), "pass that one as embedder=, or show the classes again"
    if found != saved.made_with.get("fingerprint"):
        raise _another(path, saved, bundle.path, found, cure)
    return Embedder(bundle, runtime=runtime, precision=saved.precision, threads=threads)


def _another(path: str | Path, saved: Saved, opened: str, found: str, cure: str) -> BundleError:
    made_with = saved.made_with
    return BundleError(
        f"{path}: was made with another embedder {made_with.get('name')!r} "
        f"({made_with.get('fingerprint')}) than {opened} ({found}); {cure}"
    )
