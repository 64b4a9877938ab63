"""What every loader returns: images, their labels, the names of the classes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgewise.errors import ArgumentError


@dataclass(frozen=True)
class ImageSet:
    """Labelled images of one size.

    Attributes:
        name: what it is called in messages and results.
        images: (N, H, W, 3) uint8 RGB, usually mapped from a file and read-only.
        labels: (N,) int64, indices into the classes.
        classes: their names, all different.
    """

    name: str
    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    classes: tuple[str, ...]

    def __post_init__(self) -> None:
        """Check that the parts fit together.

        Raises:
            ArgumentError: wrong shape or dtype, a label without a class, or a name twice.
        """
        images, labels = self.images, self.labels
        if images.ndim != 4 or images.shape[3] != 3 or images.dtype != np.uint8:
            raise ArgumentError(
                f"{self.name}: images are {images.dtype} {images.shape}, "
                "expected uint8 (N, H, W, 3)"
            )
        if labels.shape != images.shape[:1] or labels.dtype != np.int64:
            raise ArgumentError(
                f"{self.name}: labels are {labels.dtype} {labels.shape}, expected int64 "
                f"({len(images)},), one for each image"
            )
        wrong = np.flatnonzero((labels < 0) | (labels >= len(self.classes)))
        if wrong.size:
            raise ArgumentError(
                f"{self.name}: image {wrong[0]} has label {labels[wrong[0]]}, "
                f"but there are {len(self.classes)} classes"
            )
        if len(set(self.classes)) != len(self.classes):
            raise ArgumentError(f"{self.name}: two classes have the same name")

    def __len__(self) -> int:
        """How many images there are."""
        return len(self.labels)

    def rows(self, classes: Iterable[str]) -> tuple[NDArray[np.int64], ...]:
        """Indices of the images of each of the classes, in their order; one array a class.

        Raises:
            ArgumentError: a class is not in this set.
        """
        index = {name: at for at, name in enumerate(self.classes)}
        wanted = list(classes)
        missing = [name for name in wanted if name not in index]
        if missing:
            raise ArgumentError(f"{self.name}: no class {missing[0]!r}; it has {len(index)} others")
        order = np.argsort(self.labels, kind="stable")
        bounds = np.searchsorted(self.labels[order], np.arange(len(self.classes) + 1))
        return tuple(order[bounds[at] : bounds[at + 1]] for at in map(index.__getitem__, wanted))
