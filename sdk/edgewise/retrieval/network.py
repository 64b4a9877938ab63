"""A network of a zoo at work: features of pictures, and the classes of its own task."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..arguments import positive_int
from ..bundle import Bundle
from ..errors import ArgumentError, BundleError, RuntimeUnavailableError
from ..fewshot.embedder import Calibration, calibration_of
from ..fewshot.pictures import is_one, ready
from ..runtimes import RUNTIMES, Runtime, Session, get_runtime
from ..shipped import describe
from .entry import Entry
from .zoo_file import ZooFile, open_zoo

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..fewshot.pictures import Pictures


class Answer(NamedTuple):
    """The answer to one picture, or arrays of shape (N,) for N pictures."""

    label: Any
    """A class of the network's own task."""
    probability: Any


class ZooNetwork:
    """A loaded network of a zoo. Thread-safe: runs are serialised.

    It describes pictures as an embedder does, so a `FewShotClassifier` can stand on it.
    """

    metric = "cosine"
    precision = "float32"

    def __init__(self, file: ZooFile, entry: Entry, *, runtime: str, threads: int) -> None:
        """Load it.

        Args:
            file: the zoo.
            entry: of the zoo.
            runtime: name of a runtime; `auto`: the first that works and that there is a model for.
            threads: of the runtime.

        Raises:
            ArgumentError: there is no model for that runtime.
            BundleError: the zoo is damaged, or the model is not what it says.
            RuntimeUnavailableError: the runtime does not work here.
        """
        self.entry, self.bundle = entry, file.bundle
        self.name = entry.name
        self.height, self.width = entry.image
        self.dim = entry.features
        self._file = file
        self._threads = positive_int("threads", threads)
        engine, model = _choose(file, entry, runtime)
        self.runtime = engine.name
        self._session = self._open(engine, model)
        self._check(self._session)
        self._head = file.head(entry)

    @property
    def calibration(self) -> Calibration:
        """Constants of a few-shot head on its features, set on tasks held out."""
        return calibration_of(self.bundle, "zoo")

    def features(self, images: Pictures) -> NDArray[np.float32]:
        """What describes one picture, (1, D), or N, (N, D); not of unit length.

        Raises PictureError, which names it, for a picture that cannot be used.
        """
        return self.embed(picture for picture in self._ready(images))

    def predict(self, images: Pictures) -> Answer:
        """Classify one picture, or N, by the classes of its own task, `entry.labels`.

        Raises PictureError, which names it, for a picture that cannot be used.
        """
        weight, bias = self._head
        logits = (self.features(images) @ weight + bias).astype(np.float64)
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        best = logits.argmax(1)
        probability = powers[np.arange(len(best)), best] / powers.sum(1)
        label = np.array(self.entry.labels, dtype=object)[best]
        if is_one(images):
            return Answer(label[0], float(probability[0]))
        return Answer(label, probability)

    def embed(self, pictures: Iterable[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Pictures of its size, (1, height, width, 3) uint8 each, to (N, D)."""
        rows = [self._session.run(picture.astype(np.float32))[0] for picture in pictures]
        if not rows:
            return np.zeros((0, self.dim), np.float32)
        return np.concatenate(rows).astype(np.float32, copy=False)

    def has(self, module: str) -> bool:  # noqa: ARG002 - embedders may have further modules
        """A zoo's networks have no further modules."""
        return False

    def load(self, module: str) -> Session:
        """There is nothing else to load: raises ArgumentError."""
        raise ArgumentError(f"{self.name}: a network of a zoo has no module {module!r}")

    def describe(self) -> dict[str, str]:
        """What a saved file says of it."""
        fingerprint = self._file.fingerprint(self.entry)
        return {**describe(self.bundle), "entry": self.name, "fingerprint": fingerprint}

    def __repr__(self) -> str:
        return f"<ZooNetwork {self.name} ({self.runtime}), {self.dim} features>"

    def _ready(self, images: Pictures) -> list[NDArray[np.uint8]]:
        found = ready(images, self.height, self.width)
        return [picture for picture in found if picture is not None]

    def _open(self, engine: Runtime, model: bytes) -> Session:
        try:
            return engine.load(model, threads=self._threads)
        except ArgumentError as error:
            raise BundleError(f"{self.bundle.path}: {self.name!r}: {error}") from error

    def _check(self, session: Session) -> None:
        wanted = [(1, self.height, self.width, 3), (1, self.dim)]
        found = [tensor.shape for tensor in (*session.inputs, *session.outputs)]
        if found != wanted or session.inputs[0].dtype != np.float32:
            raise BundleError(
                f"{self.bundle.path}: the model of {self.name!r} has tensors {found}, the manifest "
                f"says {wanted} and pixels are float32"
            )


def _choose(file: ZooFile, entry: Entry, runtime: str) -> tuple[Runtime, bytes]:
    """The first runtime that works here and has a model."""
    for name in RUNTIMES if runtime == "auto" else (runtime,):
        try:
            engine = get_runtime(name)
        except RuntimeUnavailableError:
            continue
        model = file.model(entry, engine.format)
        if model is not None:
            return engine, model
    engine = get_runtime(runtime)  # where none works, this says why
    raise ArgumentError(
        f"{file.bundle.path}: {entry.name!r} has no model for runtimes that read {engine.format}"
    )


def open_entry(zoo: str | Path | Bundle, name: str, *, runtime: str, threads: int) -> ZooNetwork:
    """The network of that name; raises BundleError when there is none, and as `ZooNetwork`."""
    file = ZooFile(open_zoo(zoo))
    for entry in file.entries:
        if entry.name == name:
            return ZooNetwork(file, entry, runtime=runtime, threads=threads)
    raise BundleError(f"{file.bundle.path}: has no network {name!r}")
