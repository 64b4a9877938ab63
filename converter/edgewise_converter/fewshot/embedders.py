"""What an evaluation can score: an embedding of pictures, and how queries are rated by it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from edgewise.bundle import Bundle
from edgewise.fewshot.embedder import PRECISIONS
from edgewise.fewshot.embedder import Embedder as DeviceEmbedder
from edgewise.fewshot.embedder import open_embedder as open_bundle
from edgewise.fewshot.pictures import resized
from edgewise_converter.fewshot.conv4 import standardise
from edgewise_converter.fewshot.learner import Learner
from edgewise_converter.fewshot.learner_file import is_learner, load_learner
from edgewise_converter.fewshot.relation import RelationHead
from edgewise_converter.fewshot.scorers import Floats, Scorer, cosine, euclidean, relation
from edgewise_converter.images.decode import Size


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
    """A bundle of kind `embedder`, run as a device runs it, resizing included."""

    size: Size | None = None
    batch = 50

    def __init__(self, bundle: Bundle, *, runtime: str, precision: str | None) -> None:
        """Load one of its models; arguments and errors are those of the device's `Embedder`."""
        self._device = DeviceEmbedder(bundle, runtime=runtime, precision=precision, threads=1)
        self.trained_on = tuple(bundle.manifest["trained_on"])
        self.scorer: Scorer = cosine if self._device.metric == "cosine" else euclidean

    def embed(self, images: NDArray[np.uint8]) -> Floats:
        """(B, H, W, 3) to (B, D)."""
        height, width = self._device.height, self._device.width
        return self._device.embed(resized(picture, height, width) for picture in images)


def open_embedder(name: str, *, runtime: str = "auto", low: bool = False) -> Embedder:
    """Open what can be scored.

    Args:
        name: path of a learner that `train fewshot` wrote, or of an `embedder` bundle (`default`
            is the one that ships), whose precision `PATH:int8` or `PATH:float32` chooses.
        runtime: that runs a bundle.
        low: run a learner in bfloat16.

    Raises:
        ArgumentError: no such file, or it is neither of the two.
        BundleError: it is a bundle of another kind, or damaged.
        RuntimeUnavailableError: the runtime does not work here.
    """
    before, _, after = name.rpartition(":")
    path, precision = (before, after) if after in PRECISIONS else (name, None)
    if is_learner(Path(path)):
        learner, about = load_learner(Path(path))
        return LearnerEmbedder(learner, trained_on=tuple(about["trained_on"]), low=low)
    return BundleEmbedder(open_bundle(path), runtime=runtime, precision=precision)
