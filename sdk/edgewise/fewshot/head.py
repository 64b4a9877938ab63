"""The heads of a classifier behind one interface: the classes it keeps, and what they say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeAlias

import numpy as np

from .. import _core
from ..errors import ArgumentError, BundleError
from ..runtimes import Session
from .embedder import Network, calibration_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

HEADS = ("prototype", "relation")
"""Names that `FewShotClassifier(head=...)` takes."""


Answers: TypeAlias = tuple[list[str], list[float], list[bool]]
"""Labels, probabilities and whether unknown, of N pictures each."""


class Head(Protocol):
    """Classes that may come and go, and what they say of embeddings. Thread-safe."""

    classes: _core.Prototypes
    """What is kept of the classes: sums and counts of their examples' embeddings."""

    def classify(self, embeddings: NDArray[np.float32]) -> Answers | None:
        """The answers to embeddings (N, D); None when there are no classes."""


class PrototypeHead:
    """The nearest class mean, in the core (Snell et al. 2017, arXiv 1703.05175)."""

    def __init__(self, embedder: Network) -> None:
        self.calibration = embedder.calibration
        self.classes = _core.Prototypes(embedder.dim, embedder.metric)

    def classify(self, embeddings: NDArray[np.float32]) -> Answers | None:
        """See `Head.classify`; scores are cosines, or minus squared distances."""
        return self.classes.classify(embeddings, *self.calibration)


class RelationHead:
    """A learnt comparison of a class and a picture (Sung et al. 2018, arXiv 1711.06025).

    The module ``relation.PRECISION.FORMAT`` of the bundle takes the mean of a class's embeddings
    and the embedding of a picture, (1, D) float32 each, to one score. It runs in the embedder's
    runtime, once for every picture and class.
    """

    def __init__(self, embedder: Network) -> None:
        """Raises ArgumentError when the bundle has no such module for the embedder's runtime."""
        self._session = _relation_session(embedder)
        self.calibration = calibration_of(embedder.bundle, "relation")
        # Means of the embeddings as they are, whatever the metric of the prototype head.
        self.classes = _core.Prototypes(embedder.dim, "euclidean")

    def classify(self, embeddings: NDArray[np.float32]) -> Answers | None:
        """See `Head.classify`; scores are what the module answers."""
        labels, scores = self._score(embeddings)
        if not labels:
            return None
        best, probability, unknown, _ = _core.judge(
            scores, self.calibration.temperature, self.calibration.threshold
        )
        return [labels[at] for at in best], probability.tolist(), unknown.tolist()

    def _score(self, embeddings: NDArray[np.float32]) -> tuple[list[str], NDArray[np.float64]]:
        labels, examples, sums = self.classes.snapshot()
        means = (sums / examples[:, None]).astype(np.float32)
        scores = np.empty((len(embeddings), len(labels)))
        for i, embedding in enumerate(embeddings):
            for j, mean in enumerate(means):
                (answer,) = self._session.run(mean[None], embedding[None])
                scores[i, j] = answer.item()
        return labels, scores


def make_head(name: str, embedder: Network) -> Head:
    """The head of that name, without classes.

    Raises ArgumentError for an unknown name, and for `relation` where the bundle has no module.
    """
    if name == "prototype":
        return PrototypeHead(embedder)
    if name == "relation":
        return RelationHead(embedder)
    raise ArgumentError(f"unknown head {name!r}; the heads are {', '.join(HEADS)}")


def _relation_session(embedder: Network) -> Session:
    if not embedder.has("relation"):
        raise ArgumentError(
            f"{embedder.bundle.path}: has no {embedder.precision} relation module for runtime "
            f"{embedder.runtime}; use head='prototype'"
        )
    session = embedder.load("relation")
    row = (1, embedder.dim)
    taken = [tensor.shape for tensor in session.inputs]
    given = [int(np.prod(tensor.shape)) for tensor in session.outputs]
    if taken != [row, row] or given != [1]:
        raise BundleError(
            f"{embedder.bundle.path}: its relation module takes {taken}, not a class and a picture "
            f"of {row} each, or does not give one score"
        )
    return session
