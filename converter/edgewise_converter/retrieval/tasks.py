"""Tasks: labelled image sets in parts for training, validation and test.

As the paper makes them (Lee et al. 2021, "Task-Adaptive Neural Network Search with Meta-Contrastive
Learning", arXiv 2103.01495, section 4): many small data sets, whole or as subsets of the classes of
larger ones. A task for meta-training holds training classes alone; a held-out one holds test
classes alone. Every draw is by seed, and a task is determined by its name, the seed and the files.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgewise.errors import ArgumentError
from edgewise_converter.images.image_set import ImageSet
from edgewise_converter.images.parquet import load_parquet
from edgewise_converter.images.splits import ClassSplit, load_class_splits

SIDE = 32
"""Height and width of every picture, pixels."""

GROUPS = ("meta_train", "validation", "meta_test", "held_out")

_MOST_IMAGES = 3000  # of a task
_LEAST_CLASSES, _MOST_CLASSES = 5, 20  # of a random subset
_RANDOM_SUBSETS = 40  # of each large set, for meta-training
_HELD_OUT_SUBSETS = 10  # of each large set
_SHARES = (0.6, 0.2)  # of training and validation; the rest is for test


@dataclass(frozen=True)
class Task:
    """A data set to find a network for.

    Attributes:
        name: unique among tasks.
        images: the set that its pictures are from.
        classes: its classes, in the order of its labels.
        train: (n,) rows of ``images``.
        validation: the same, by which anything is chosen.
        test: the same, only scored.
    """

    name: str
    images: ImageSet
    classes: tuple[str, ...]
    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    test: NDArray[np.int64]

    def labels(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """(n,) numbers of the classes of this task."""
        index = np.full(len(self.images.classes), -1)
        for at, name in enumerate(self.classes):
            index[self.images.classes.index(name)] = at
        return index[self.images.labels[rows]]


def make_task(name: str, images: ImageSet, classes: Sequence[str], seed: int) -> Task:
    """A task of some classes, each in the same parts; of large ones so many pictures are drawn.

    Raises:
        ArgumentError: fewer than two classes, or one with fewer than five pictures.
    """
    if len(classes) < 2:
        raise ArgumentError(f"task {name!r} has {len(classes)} classes; it takes two")
    generator = np.random.default_rng([seed, zlib.crc32(name.encode())])
    most = _MOST_IMAGES // len(classes)
    parts: tuple[list[NDArray[np.int64]], ...] = ([], [], [])
    for label, rows in zip(classes, images.rows(classes), strict=True):
        if len(rows) < 5:
            raise ArgumentError(f"task {name!r}: class {label!r} has {len(rows)} pictures, not 5")
        drawn = generator.permutation(rows)[: max(most, 5)]
        cuts = np.round(np.cumsum(_SHARES) * len(drawn)).astype(int)
        for part, found in zip(parts, np.split(drawn, cuts), strict=True):
            part.append(found)
    train, validation, test = (np.concatenate(part) for part in parts)
    return Task(name, images, tuple(classes), train, validation, test)


def load_tasks(folder: Path, group: str, *, seed: int = 0, cache: Path | None = None) -> list[Task]:
    """The tasks of a group, from a folder of Parquet files beside `splits.json`.

    Args:
        folder: of the files.
        group: `meta_train`: the small sets so named, and subsets of the training classes of
            CIFAR-100 (its coarse classes, and random ones), of mini-ImageNet and of Omniglot (its
            alphabets). `validation`: the validation classes of CIFAR-100 and of mini-ImageNet, a
            task each, by which settings are chosen. `meta_test`: the small sets so named.
            `held_out`: random subsets of the test classes of CIFAR-100 and mini-ImageNet.
        seed: of the subsets and the parts.
        cache: folder of decoded images, or None for the user's own.

    Raises:
        ArgumentError: an unknown group, or files that are missing or unfit.
    """
    if group not in GROUPS:
        raise ArgumentError(f"unknown group {group!r} of tasks; known are {', '.join(GROUPS)}")
    splits = load_class_splits(folder / "splits.json")
    sources = _Sources(folder, splits, cache, seed)
    if group == "validation":
        return [sources.part(split, name, "val") for split, name in _LARGE]
    if group == "held_out":
        return [
            task
            for split, name in _LARGE
            for task in sources.subsets(split, name, "test", _HELD_OUT_SUBSETS)
        ]
    tasks = [sources.whole(name) for name in _small_sets(folder, group)]
    if group == "meta_train":
        tasks += sources.coarse()
        for split, name in _LARGE:
            tasks += sources.subsets(split, name, "train", _RANDOM_SUBSETS)
        tasks += sources.alphabets()
    return tasks


_LARGE = (("cifar_fs", "cifar100"), ("mini_imagenet", "miniimagenet"))


@dataclass(frozen=True)
class _Sources:
    """Where the pictures come from."""

    folder: Path
    splits: dict[str, ClassSplit]
    cache: Path | None
    seed: int

    def open(self, name: str, label: str = "label") -> ImageSet:
        path = self.folder / f"{name}.parquet"
        return load_parquet(path, size=(SIDE, SIDE), label=label, cache=self.cache)

    def split(self, name: str) -> ClassSplit:
        if name not in self.splits:
            raise ArgumentError(f"{self.folder / 'splits.json'}: no split {name!r}")
        return self.splits[name]

    def whole(self, name: str) -> Task:
        images = self.open(name)
        counts = np.bincount(images.labels, minlength=len(images.classes))
        enough = [c for c, n in zip(images.classes, counts.tolist(), strict=True) if n >= 5]
        return make_task(name, images, enough, self.seed)

    def part(self, split: str, name: str, part: str) -> Task:
        """All classes of a part of a split."""
        classes = self.split(split).part(part)
        return make_task(f"{name}/{part}", self.open(name), classes, self.seed)

    def coarse(self) -> Iterable[Task]:
        """The training classes of each coarse class of CIFAR-100, where there are two."""
        images, coarse = self.open("cifar100"), self.open("cifar100", "coarse_label")
        kept = set(self.split("cifar_fs").train)
        for at, name in enumerate(coarse.classes):
            fine = np.unique(images.labels[coarse.labels == at])
            classes = [images.classes[label] for label in fine if images.classes[label] in kept]
            if len(classes) >= 2:
                yield make_task(f"cifar100/{name}", images, classes, self.seed)

    def subsets(self, split: str, name: str, part: str, count: int) -> Iterable[Task]:
        """Random classes of a part of a split."""
        images, classes = self.open(name), self.split(split).part(part)
        generator = np.random.default_rng([self.seed, zlib.crc32(f"{name}/{part}".encode())])
        most = min(_MOST_CLASSES, len(classes))
        for number in range(count):
            size = int(generator.integers(min(_LEAST_CLASSES, most), most + 1))
            drawn = generator.choice(np.array(classes), size, replace=False).tolist()
            yield make_task(f"{name}/{part}-{number:02d}", images, drawn, self.seed)

    def alphabets(self) -> Iterable[Task]:
        """The alphabets of Omniglot's training classes."""
        images, classes = self.open("omniglot"), self.split("omniglot_by_alphabet").train
        for alphabet in dict.fromkeys(name.split("/")[0] for name in classes):
            letters = [name for name in classes if name.split("/")[0] == alphabet]
            yield make_task(f"omniglot/{alphabet}", images, letters, self.seed)


def _small_sets(folder: Path, group: str) -> list[str]:
    path = folder / "splits.json"
    names = json.loads(path.read_text(encoding="utf-8")).get("retrieval", {}).get(group)
    if not isinstance(names, list):
        raise ArgumentError(f"{path}: 'retrieval' has no list {group!r}")
    return [str(name) for name in names]
