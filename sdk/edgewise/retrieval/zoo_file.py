"""A zoo's bundle: what is in it, checked when it is opened, and the models put together from it.

Manifest: `zoo` (image, features, dim, embedder, network_columns, nearest, temperature, unknown,
statistics) and `entries` (see `entry`). Tensors: `index` int8 (N, dim) and `index.scale` (N,),
`kernels` float64 (N, C), `query.*` and `performance.*` (see `dense`), `model.KKKK.FORMAT`, the
skeletons (see `models`), and of entry NNNN `layers`, `weights`, `scales`, `biases` and `head`
(classes, features + 1; the last column is the bias). An entry of another making has whole models,
`whole.NNNN.FORMAT`.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _core
from ..bundle import Bundle
from ..errors import ArgumentError, BundleError
from ..shipped import open_shipped
from .dense import read_dense
from .entry import Entry, read_entry
from .index import Index
from .models import Layers, fill
from .statistics import statistics_size

if TYPE_CHECKING:
    from numpy.typing import NDArray

FORMATS = ("tflite", "onnx")
_MOST_RANKED = 2**31 - 1
_MOST_ASKED = 1e18  # operations or bytes; what is predicted of more would not be finite

_PARTS = ("layers", "weights", "scales", "biases", "head")
_WIDEST = 1 << 16  # numbers of a vector; the core's search takes no more
_EMBEDDER = ("name", "fingerprint", "dim")


def numbered(name: str, number: int) -> str:
    """Name of a tensor that each entry or skeleton has: `head` and 7 make `head.0007`."""
    first, *rest = name.split(".")
    return ".".join([first, f"{number:04d}", *rest])


def open_zoo(zoo: str | Path | Bundle) -> Bundle:
    """The zoo's bundle at a path, or for `default` the one that ships with the package.

    Raises BundleError when there is none, or it is damaged or of another kind.
    """
    return open_shipped("zoo", zoo)


class ZooFile:
    """An open zoo. Thread-safe; every fault is a BundleError that names the file and the cause."""

    def __init__(self, bundle: Bundle) -> None:
        """Check what there is."""
        self.bundle = bundle
        self.about = _about(bundle)
        try:
            self.entries = [
                read_entry(number, about, self.about)
                for number, about in enumerate(bundle.manifest["entries"])
            ]
            self.statistics = [str(name) for name in self.about["statistics"]]
            self.nearest = int(self.about["nearest"])
            self._dim = _width(self.about["dim"])
            columns = [str(name) for name in self.about["network_columns"]]
            self.embedder = {key: str(self.about["embedder"][key]) for key in _EMBEDDER}
            inputs = statistics_size(self.statistics, _width(self.embedder["dim"]))
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise self._incomplete(error) from error
        if not self.entries:
            raise BundleError(f"{bundle.path}: has no networks")
        if len({entry.name for entry in self.entries}) != len(self.entries):
            raise BundleError(f"{bundle.path}: two of its entries have one name")
        if not 1 <= self.nearest <= _MOST_RANKED:
            raise BundleError(f"{bundle.path}: ranks none of the nearest, or more than can be")
        self.kernels = self._kernels(columns)
        self.index = self._index(inputs)

    def model(self, entry: Entry, form: str) -> bytes | None:
        """The model of an entry for runtimes that read a format; None where there is none."""
        if entry.model is None:
            name = numbered(f"whole.{form}", entry.number)
            return self.bundle.blob(name) if name in self.bundle else None
        skeleton = numbered(f"model.{form}", entry.model)
        if skeleton not in self.bundle:
            return None
        try:
            return fill(self.bundle.blob(skeleton), self._layers(entry))
        except ValueError as error:
            raise BundleError(
                f"{self.bundle.path}: the model of {entry.name!r} cannot be put together: {error}"
            ) from error

    def head(self, entry: Entry) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Weight (features, classes) and bias (classes,) from features to a task's classes."""
        head = self._tensor(numbered("head", entry.number)).astype(np.float32)
        if head.shape != (len(entry.labels), entry.features + 1) or not np.isfinite(head).all():
            raise BundleError(f"{self.bundle.path}: the head of {entry.name!r} is {head.shape}")
        return head[:, :-1].T, head[:, -1]

    def fingerprint(self, entry: Entry) -> str:
        """A digest of what makes an entry's network, 16 hexadecimal digits."""
        hashes: dict[str, str] = self.bundle.manifest.get("sha256", {})
        names = [*_PARTS, *(f"whole.{form}" for form in FORMATS)]
        own = {name: hashes.get(numbered(name, entry.number)) for name in names}
        if entry.model is not None:
            own |= {
                f"model.{form}": hashes.get(numbered(f"model.{form}", entry.model))
                for form in FORMATS
            }
        # Not the entry's number, which is another one in another zoo.
        return hashlib.sha256(json.dumps(own, sort_keys=True).encode()).hexdigest()[:16]

    def _layers(self, entry: Entry) -> Layers:
        shapes, weights, scales, biases = (
            self._tensor(numbered(part, entry.number)) for part in _PARTS[:-1]
        )
        if shapes.ndim != 2 or shapes.shape[1] != 3 or shapes.dtype != np.uint32:
            raise ValueError(f"its layers are {shapes.shape}")
        if weights.dtype != np.int8 or scales.dtype != np.float32 or biases.dtype != np.float32:
            raise ValueError("its weights are of another dtype")
        return Layers(shapes, weights, scales, biases)

    def _tensor(self, name: str) -> NDArray[Any]:
        if name not in self.bundle:
            raise BundleError(f"{self.bundle.path}: has no tensor {name!r}")
        return self.bundle.tensor(name)

    def _index(self, inputs: int) -> Index:
        rows, scales = self._tensor("index"), self._tensor("index.scale")
        wanted = (len(self.entries), self._dim)
        if rows.shape != wanted or rows.dtype != np.int8 or scales.shape != wanted[:1]:
            raise BundleError(
                f"{self.bundle.path}: its index is {rows.dtype} {rows.shape}, not int8 {wanted}"
            )
        if not np.isfinite(scales).all():
            raise BundleError(f"{self.bundle.path}: the scales of its index are not finite")
        query = read_dense(self.bundle, "query", inputs, self._dim)
        performance = read_dense(self.bundle, "performance", 3 * self._dim, 1)
        return Index(rows, scales.astype(np.float32), query, performance, self.nearest)

    def _kernels(self, columns: list[str]) -> NDArray[np.float64]:
        """(N, C) in the order of this library's columns."""
        found = self._tensor("kernels")
        known = _core.network_columns()
        unknown = [name for name in columns if name not in known]
        if found.shape != (len(self.entries), len(columns)) or found.dtype != np.float64 or unknown:
            raise BundleError(
                f"{self.bundle.path}: its kernels are {found.shape} of columns that this version "
                f"does not know {unknown}; compile the zoo again, or update edgewise"
            )
        if not ((found >= 0) & (found <= _MOST_ASKED)).all():  # NaN is neither
            raise BundleError(f"{self.bundle.path}: its kernels ask for what no network can")
        rows = np.zeros((len(found), len(known)))
        rows[:, [known.index(name) for name in columns]] = found
        return rows

    def _incomplete(self, error: Exception) -> BundleError:
        if isinstance(error, ArgumentError):  # says it all
            return BundleError(f"{self.bundle.path}: {error}; update edgewise")
        return BundleError(f"{self.bundle.path}: the zoo is incomplete ({error!r})")


def _width(number: Any) -> int:
    """How many numbers a vector has; the file may say anything."""
    width = int(number)
    if not 1 <= width <= _WIDEST:
        raise ValueError(f"vectors of {width} numbers")
    return width


def _about(bundle: Bundle) -> dict[str, Any]:
    about = bundle.manifest.get("zoo")
    if not isinstance(about, dict):
        raise BundleError(
            f"{bundle.path}: is a zoo under construction, which devices do not read: "
            "edgewise-converter compile retrieval"
        )
    return about
