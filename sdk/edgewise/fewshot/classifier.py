"""The few-shot classifier: classes from a few pictures each, changed at any time.

A class is the mean of its examples' embeddings (Snell et al. 2017, arXiv 1703.05175). The head is
the core's; nothing is trained here, and the pictures are not kept.
"""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .. import _core
from ..bundle import Bundle
from ..errors import ArgumentError, BundleError, NotCalibratedError
from .classifier_file import Saved, load_classifier, open_network, save_classifier
from .embedder import Embedder, Network, open_embedder
from .head import HEADS, Answers, make_head
from .pictures import is_one, ready

if TYPE_CHECKING:
    from .pictures import Pictures


class Classification(NamedTuple):
    """The answer to one picture, or arrays of shape (N,) for N pictures.

    (Typed `Any`: a union would ask every caller to tell apart what its own argument has decided.)
    """

    label: Any
    """The nearest class, also of what is unknown; None for a picture that was skipped."""
    probability: Any
    """Of that class, if the picture is of one of the classes; NaN for one that was skipped."""
    is_unknown: Any
    """Whether the picture is like none of the classes."""


class FewShotClassifier:
    """Classifies pictures by classes that were shown a moment ago.

    All methods may be called from any number of threads.
    """

    def __init__(
        self,
        embedder: str | Path | Bundle | Network = "default",
        head: str = "prototype",
        runtime: str = "auto",
        *,
        precision: str | None = None,
        threads: int = 1,
    ) -> None:
        """Start without classes.

        Args:
            embedder: path of an `embedder` bundle; `default` is the one that ships. A network that
                is loaded already (of a zoo) is taken as it is, runtime, precision and threads too.
            head: `prototype`, or `relation` where the bundle has such a module.
            runtime: `litert`, `tflite`, `onnxruntime`, or `auto`, the first of them that works
                and that the bundle has a model for.
            precision: `float32` or `int8`; None leaves it to the bundle.
            threads: of the runtime.

        Raises:
            ArgumentError: an unknown head, or no such model in the bundle.
            BundleError: the bundle is missing, damaged, or of another kind.
            RuntimeUnavailableError: the runtime does not work here; the message has the cure.
        """
        if head not in HEADS:  # before a network is loaded for it
            raise ArgumentError(f"unknown head {head!r}; the heads are {', '.join(HEADS)}")
        self._embedder: Network
        if isinstance(embedder, (str, os.PathLike, Bundle)):
            self._embedder = Embedder(
                open_embedder(embedder), runtime=runtime, precision=precision, threads=threads
            )
        else:
            self._embedder = embedder
        self._head_name, self._head = head, make_head(head, self._embedder)

    def add(self, label: str, images: Pictures, *, unreadable: str = "refuse") -> None:
        """Show examples of a class, which need not exist; again: more examples.

        Args:
            label: name of the class.
            images: (N, H, W, 3) uint8, one (H, W, 3), a path, or a sequence of pictures and paths.
            unreadable: `refuse` all when one cannot be used, or `skip` those and log which.

        Raises:
            PictureError: a picture that cannot be used, named, with the cure; nothing was added.
            ArgumentError: no pictures, an empty label, or a file without Pillow.
        """
        if not label or type(label) is not str:
            raise ArgumentError(f"a label is a string that is not empty, not {label!r}")
        try:
            label.encode()
        except UnicodeEncodeError as error:  # of a file name that is no UTF-8, say
            raise ArgumentError(f"label {label!r} cannot be written: {error.reason}") from error
        embedder = self._embedder
        pictures = ready(images, embedder.height, embedder.width, unreadable)
        usable = [pixels for pixels in pictures if pixels is not None]
        if not usable:
            raise ArgumentError(f"class {label!r} is given no picture that can be used")
        self._classes.add(label, embedder.embed(usable))

    def predict(self, images: Pictures, *, unreadable: str = "refuse") -> Classification:
        """Classify one picture, or N: then label, probability and is_unknown have shape (N,).

        `images` and `unreadable` as of `add`; a picture that is skipped has label None.

        Raises:
            NotCalibratedError: there is no class yet.
            PictureError: a picture that cannot be used, named, with the cure.
        """
        embedder = self._embedder
        pictures = ready(images, embedder.height, embedder.width, unreadable)
        usable = [pixels for pixels in pictures if pixels is not None]
        answers = self._head.classify(embedder.embed(usable))
        if answers is None:
            raise NotCalibratedError("there is no class yet: show one first, add(label, images)")
        if not is_one(images):
            return _arrays(answers, [pixels is not None for pixels in pictures])
        if not usable:
            return Classification(None, math.nan, True)
        return Classification(*(values[0] for values in answers))

    @property
    def _classes(self) -> _core.Prototypes:
        return self._head.classes

    def remove(self, label: str) -> None:
        """Forget a class. Raises ArgumentError when there is no such class."""
        if not self._classes.remove(label):
            raise ArgumentError(f"there is no class {label!r}; there are {self.labels}")

    @property
    def labels(self) -> list[str]:
        """The classes, in the order in which they were first shown."""
        return self._classes.labels

    @property
    def info(self) -> dict[str, Any]:
        """`embedder`, `precision`, `runtime`, `head`, `metric`, and `examples` by label."""
        labels, examples, _ = self._classes.snapshot()
        return {
            "embedder": self._embedder.name,
            "precision": self._embedder.precision,
            "runtime": self._embedder.runtime,
            "head": self._head_name,
            "metric": self._embedder.metric,
            "examples": dict(zip(labels, examples.tolist(), strict=True)),
        }

    def save(self, path: str | Path) -> None:
        """Write the classes to a small file, atomically; no picture is in it.

        Raises StorageError when the disk refuses.
        """
        labels, examples, sums = self._classes.snapshot()
        embedder = self._embedder
        save_classifier(
            Saved(
                self._head_name,
                embedder.precision,
                self._classes.metric,
                labels,
                examples,
                sums,
                embedder.describe(),
            ),
            path,
        )

    @classmethod
    def load(
        cls,
        path: str | Path,
        *,
        embedder: str | Path | Bundle | None = None,
        runtime: str = "auto",
        threads: int = 1,
    ) -> FewShotClassifier:
        """Read what `save` wrote.

        Args:
            path: the file.
            embedder: the bundle that it was made with, an embedder's or a zoo's, when that has
                moved.
            runtime: as when it was made, or another.
            threads: of the runtime.

        Raises:
            BundleError: the file is damaged or no classifier, or its embedder is another one.
            RuntimeUnavailableError: the runtime does not work here.
        """
        saved = load_classifier(path)
        network = open_network(path, saved, embedder, runtime=runtime, threads=threads)
        classifier = cls(network, saved.head)
        if saved.labels:
            classifier._head.classes = _restored(path, saved, classifier._classes)
        return classifier

    def __repr__(self) -> str:
        about = self.info
        return (
            f"<FewShotClassifier {about['embedder']} ({about['precision']}, {about['runtime']}), "
            f"{len(about['examples'])} classes>"
        )


def _restored(path: str | Path, saved: Saved, empty: _core.Prototypes) -> _core.Prototypes:
    """The classes of a file, which must be such as `empty` takes; BundleError if they cannot be."""
    if (saved.metric, saved.sums.shape[1]) != (empty.metric, empty.dim):
        raise BundleError(
            f"{path}: holds {saved.metric} classes of {saved.sums.shape[1]} values, its embedder "
            f"gives {empty.dim} for {empty.metric} ones"
        )
    try:
        return _core.Prototypes.restore(saved.metric, saved.labels, saved.examples, saved.sums)
    except ArgumentError as error:
        raise BundleError(f"{path}: {error}") from error


def _arrays(answers: Answers, usable: list[bool]) -> Classification:
    """(N,) each, of N pictures of which the M that are usable have answers."""
    mask = np.array(usable, dtype=bool)
    label = np.full(len(mask), None, dtype=object)
    probability = np.full(len(mask), np.nan)
    is_unknown = np.ones(len(mask), dtype=bool)
    label[mask], probability[mask], is_unknown[mask] = answers
    return Classification(label, probability, is_unknown)
