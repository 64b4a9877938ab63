"""What an evaluation can score: an embedding of pictures, and how queries are rated by it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from edgewise.bundle import Bundle
from edgewise.errors import ArgumentError
from edgewise.runtimes import get_runtime
from edgewise_converter.fewshot.conv4 import standardise
from edgewise_converter.fewshot.learner import Learner
from edgewise_converter.fewshot.learner_file import is_learner, load_learner
from edgewise_converter.fewshot.relation import RelationHead
from edgewise_converter.fewshot.scorers import Floats, Scorer, cosine, euclidean, relation
from edgewise_converter.images.decode import Size

PRECISIONS = ("float32", "int8")


class Embedder(Protocol):
    """One embedding.

    Attributes:
        size: height and width of the pictures it takes; None takes any.
        trained_on: classes that it was trained on, each `set/class` (or `set` for all of one).
        scorer: rates queries by its embeddings.
        batch: how many pictures it takes at once.
    """

    @property
    def size(self) -> Size | None: ...

    @property
    def trained_on(self) -> tuple[str, ...]: ...

    @property
    def scorer(self) -> Scorer: ...

    @property
    def batch(self) -> int: ...

    def embed(self, images: NDArray[np.uint8]) -> Floats:
        """(B, H, W, 3) to (B, D)."""
        ...


@dataclass(frozen=True)
class RawPixels:
    """No embedding at all: the pixels themselves, by Euclidean distance."""

    size: Size | None = None
    trained_on: tuple[str, ...] = ()
    scorer: Scorer = euclidean
    batch: int = 1000

    def embed(self, images: NDArray[np.uint8]) -> Floats:
        """(B, H, W, 3) to (B, H·W·3), between 0 and 1."""
        flat: Floats = images.reshape(len(images), -1).astype(np.float32) / np.float32(255)
        return flat


class LearnerEmbedder:
    """A learner in torch."""

    batch = 200

    def __init__(
        self, learner: Learner, *, trained_on: tuple[str, ...] = (), low: bool = False
    ) -> None:
        """Score a learner that is in evaluation mode; `low` computes in bfloat16."""
        self.size: Size | None = learner.size
        self.trained_on = trained_on
        self.scorer = (
            relation(learner.head) if isinstance(learner.head, RelationHead) else euclidean
        )
        self._embedder = learner.embedder
        self._low = low

    def embed(self, images: NDArray[np.uint8]) -> Floats:
        """(B, H, W, 3) to (B, C·h·w), channels first."""
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=self._low):
            features: Floats = self._embedder(standardise(images)).float().flatten(1).numpy()
        return features


class BundleEmbedder:
    """A bundle of kind `embedder`, run by the runtime that a device would use."""

    batch = 1

    def __init__(self, bundle: Bundle, *, runtime: str, precision: str) -> None:
        """Load one of its models.

        Args:
            bundle: of kind `embedder`.
            runtime: as in `edgewise.runtimes.get_runtime`.
            precision: `float32` or `int8`.

        Raises:
            ArgumentError: the bundle has no such model for that runtime.
            RuntimeUnavailableError: the runtime does not work here.
        """
        about = bundle.manifest["embedder"]
        chosen = get_runtime(runtime)
        name = f"embedder.{precision}.{chosen.format}"
        if name not in bundle:
            raise ArgumentError(f"{bundle!r}: no {precision} model for {chosen.name} ({name})")
        self.size: Size | None = (about["image"][0], about["image"][1])
        self.trained_on = tuple(bundle.manifest["trained_on"])
        self.scorer: Scorer = cosine if about["metric"] == "cosine" else euclidean
        self._session = chosen.load(bundle.blob(name))
        self._dtype = self._session.inputs[0].dtype

    def embed(self, images: NDArray[np.uint8]) -> Floats:
        """(1, H, W, 3) to (1, D)."""
        return self._session.run(images.astype(self._dtype))[0].astype(np.float32)


def open_embedder(name: str, *, runtime: str = "auto", low: bool = False) -> Embedder:
    """Open what can be scored.

    Args:
        name: path of a learner that `train fewshot` wrote, or of an `embedder` bundle, whose
            precision `PATH:int8` or `PATH:float32` chooses (float32).
        runtime: that runs a bundle.
        low: run a learner in bfloat16.

    Raises:
        ArgumentError: no such file, or it is neither of the two.
        BundleError: it is a bundle of another kind, or damaged.
        RuntimeUnavailableError: the runtime does not work here.
    """
    before, _, after = name.rpartition(":")
    path, precision = (before, after) if after in PRECISIONS else (name, PRECISIONS[0])
    if is_learner(Path(path)):
        learner, about = load_learner(Path(path))
        return LearnerEmbedder(learner, trained_on=tuple(about["trained_on"]), low=low)
    bundle = Bundle.open(path, kind="embedder")
    return BundleEmbedder(bundle, runtime=runtime, precision=precision)
