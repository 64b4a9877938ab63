"""Episodes: N classes with a few images each, drawn by number, the same for the same seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgewise.errors import ArgumentError

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class EpisodeShape:
    """How large an episode is.

    Attributes:
        ways: classes in it.
        shots: labelled images of each class.
        queries: further images of each class, to be classified.
    """

    ways: int
    shots: int
    queries: int

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
            ArgumentError: fewer than two classes, or no image in a role.
        """
        for name, least in (("ways", 2), ("shots", 1), ("queries", 1)):
            if getattr(self, name) < least:
                raise ArgumentError(
                    f"an episode needs at least {least} {name}, not {getattr(self, name)}"
                )

    @property
    def images(self) -> int:
        """Images of each class."""
        return self.shots + self.queries


class EpisodeSampler:
    """Draws episodes of some classes; the number of an episode determines it."""

    def __init__(self, rows: Sequence[Rows], shape: EpisodeShape, seed: int) -> None:
        """Draw from these classes.

        Args:
            rows: indices of the images of each class.
            shape: of every episode.
            seed: of all draws.

        Raises:
            ArgumentError: too few classes, or a class with too few images.
        """
        if len(rows) < shape.ways:
            raise ArgumentError(f"{shape.ways} ways asked of {len(rows)} classes")
        short = [at for at, each in enumerate(rows) if len(each) < shape.images]
        if short:
            raise ArgumentError(
                f"class {short[0]} has {len(rows[short[0]])} images, an episode takes "
                f"{shape.shots} + {shape.queries}"
            )
        self.shape = shape
        self._rows = rows
        self._seed = seed

    def draw(self, number: int) -> Rows:
        """The episode of this number.

        Returns:
            (ways, shots + queries) indices of images, all different; the first of each row are the
            labelled ones.
        """
        generator = self._generator(number)
        classes = generator.choice(len(self._rows), self.shape.ways, replace=False)
        return self._images(classes, generator)

    def pair(self, number: int) -> tuple[Rows, Rows]:
        """Two episodes without a class in common.

        Raises:
            ArgumentError: there are fewer than twice as many classes as ways.
        """
        ways = self.shape.ways
        if len(self._rows) < 2 * ways:
            raise ArgumentError(
                f"two episodes of {ways} ways without a common class need {2 * ways} classes, "
                f"there are {len(self._rows)}"
            )
        generator = self._generator(number)
        classes = generator.choice(len(self._rows), 2 * ways, replace=False)
        first = self._images(classes[:ways], generator)
        return first, self._images(classes[ways:], generator)

    def _generator(self, number: int) -> np.random.Generator:
        return np.random.default_rng((self._seed, number))

    def _images(self, classes: NDArray[np.int64], generator: np.random.Generator) -> Rows:
        count = self.shape.images
        picked = [generator.choice(self._rows[at], count, replace=False) for at in classes]
        return np.stack(picked)
