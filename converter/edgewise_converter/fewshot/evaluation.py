"""Scores of embedders on unseen classes, side by side on the same episodes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgewise.errors import ArgumentError
from edgewise_converter.fewshot.accuracy import Interval, interval
from edgewise_converter.fewshot.embedders import Embedder
from edgewise_converter.fewshot.embedding import Embedded, embed_all, episode_accuracies
from edgewise_converter.fewshot.episodes import EpisodeShape
from edgewise_converter.images.benchmarks import FILES, open_benchmark
from edgewise_converter.images.decode import Size
from edgewise_converter.images.image_set import ImageSet
from edgewise_converter.images.overlaps import seen
from edgewise_converter.images.parquet import load_parquet

CROSS_DOMAIN = "cross_domain"
"""The data set's name that stands for every small set of a folder, one after another."""


@dataclass(frozen=True)
class Question:
    """Where classes are unseen.

    Attributes:
        name: of the benchmark or small set.
        source: name of the file that its classes are named after.
        classes: those asked for.
        left_out: those that are left out, because a model was trained on them.
    """

    name: str
    source: str
    classes: tuple[str, ...]
    left_out: tuple[str, ...]


class Pictures:
    """Image sets of a folder by name, at any size."""

    def __init__(self, folder: Path, cache: Path | None = None) -> None:
        """Look in a folder; `cache` is that of decoded pictures."""
        self.folder = folder
        self._cache = cache

    def names(self, dataset: str) -> list[str]:
        """Names of the sets that a name stands for.

        Raises:
            ArgumentError: there are none.
        """
        if dataset != CROSS_DOMAIN:
            return [dataset]
        benchmarks = set(FILES.values())
        found = sorted(
            path for path in self.folder.glob("*.parquet") if path.name not in benchmarks
        )
        if not found:
            raise ArgumentError(f"{self.folder}: no small set (.parquet) in it")
        return [path.stem for path in found]

    def open(self, name: str, part: str, size: Size | None) -> tuple[ImageSet, tuple[str, ...]]:
        """A set, and its classes in a part; a small set has no parts.

        Raises:
            ArgumentError: there is no such set, or it is damaged.
        """
        small = self.folder / f"{name}.parquet"
        if name not in FILES and small.exists():
            images = load_parquet(small, size=size, cache=self._cache)
            return images, images.classes
        benchmark = open_benchmark(name, self.folder, size=size, cache=self._cache)
        return benchmark.images, benchmark.split.part(part)

    def question(self, name: str, part: str, trained: Iterable[str]) -> Question:
        """Which classes of a set are unseen.

        Args:
            name: of the set.
            part: of a benchmark.
            trained: what the models were trained on, each `set/class`, or `set` for all of one.

        Raises:
            ArgumentError: there is no such set, or no class is left.
        """
        images, classes = self.open(name, part, None)
        trained = set(trained)
        known = seen(trained)
        source = images.name
        out = [c for c in classes if source in trained or f"{source}/{c}" in known]
        kept = tuple(each for each in classes if each not in out)
        if len(kept) < 2:
            raise ArgumentError(
                f"{name}: {len(out)} of its {len(classes)} {part} classes were trained on, "
                f"{len(kept)} are left: nothing to ask"
            )
        return Question(name, source, kept, tuple(out))


@dataclass(frozen=True)
class Score:
    """Accuracy of every model in one setting.

    Attributes:
        shape: of the episodes.
        accuracy: of each model; of one with several files, the mean over them of each episode.
        by_file: the same for each of its files.
        values: (E,) accuracy of each model in each episode, between 0 and 1.
    """

    shape: EpisodeShape
    accuracy: dict[str, Interval]
    by_file: dict[str, list[Interval]]
    values: dict[str, NDArray[np.float64]]

    def difference(self, name: str, other: str) -> Interval:
        """By how much a model is better than another, paired over the episodes."""
        return interval(self.values[name] - self.values[other])


def embed_question(
    pictures: Pictures, question: Question, part: str, models: Mapping[str, Sequence[Embedder]]
) -> dict[str, list[Embedded]]:
    """Embed the pictures of a question by each file of each model."""
    found: dict[str, list[Embedded]] = {}
    for name, files in models.items():
        for embedder in files:
            images, _ = pictures.open(question.name, part, embedder.size)
            rows = images.rows(question.classes)
            found.setdefault(name, []).append(embed_all(embedder, images.images, rows))
    return found


def score(
    embedded: Mapping[str, Sequence[Embedded]],
    models: Mapping[str, Sequence[Embedder]],
    shapes: Iterable[EpisodeShape],
    episodes: int,
    seed: int,
) -> Iterator[Score]:
    """Score models on the same episodes, one setting after another.

    Args:
        embedded: what :func:`embed_question` gave.
        models: the models.
        shapes: the settings, with fewer ways (if five or less) or queries where a set is small;
            left out if that does not help.
        episodes: how many, of each.
        seed: of the draws.
    """
    sizes = next(iter(embedded.values()))[0].sizes
    for shape in shapes:
        fitted = _fitted(shape, sizes)
        if fitted is None:
            continue
        values, by_file = {}, {}
        for name, files in models.items():
            each = [
                episode_accuracies(features, embedder, fitted, episodes, seed)
                for features, embedder in zip(embedded[name], files, strict=True)
            ]
            by_file[name] = [interval(right) for right in each]
            values[name] = np.mean(each, axis=0)
        accuracy = {name: interval(right) for name, right in values.items()}
        yield Score(fitted, accuracy, by_file, values)


def _fitted(shape: EpisodeShape, sizes: Sequence[int]) -> EpisodeShape | None:
    """The shape as far as classes of these sizes allow it."""
    ways = min(shape.ways, len(sizes)) if shape.ways <= 5 else shape.ways
    queries = min(shape.queries, min(sizes) - shape.shots)
    if ways > len(sizes) or queries < 1:
        return None
    return EpisodeShape(ways, shape.shots, queries)
