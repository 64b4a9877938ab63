"""Few-shot benchmarks by name: which file, which split; or the folder of one's own copy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgewise.errors import ArgumentError
from edgewise_converter.images.decode import Size
from edgewise_converter.images.folders import (
    IMAGENET_SIZE,
    load_mini_imagenet,
    load_tiered_imagenet,
)
from edgewise_converter.images.image_set import ImageSet
from edgewise_converter.images.parquet import load_parquet
from edgewise_converter.images.splits import PARTS, ClassSplit, load_class_splits

FILES = {
    "cifar_fs": "cifar100.parquet",
    "fc100": "cifar100.parquet",
    "mini_imagenet": "miniimagenet.parquet",
    "omniglot_by_alphabet": "omniglot.parquet",
}
"""Benchmarks that lie in one folder of Parquet files beside `splits.json`."""


@dataclass(frozen=True)
class Benchmark:
    """Images and their split by class.

    Attributes:
        name: as it was asked for.
        images: all of them.
        split: which classes are for what.
    """

    name: str
    images: ImageSet
    split: ClassSplit

    def rows(self, part: str) -> tuple[NDArray[np.int64], ...]:
        """Indices of the images of each class of a part (`train`, `val`, `test`)."""
        return self.images.rows(self.split.part(part))


def open_benchmark(
    name: str, folder: Path, *, size: Size | None = None, cache: Path | None = None
) -> Benchmark:
    """Open a benchmark.

    Args:
        name: one of `FILES`, in a folder of Parquet files; or `mini_imagenet` / `tiered_imagenet`
            in a folder of its own layout (see ``folders``).
        folder: where it lies.
        size: height and width of the pictures; None for their own (84×84 for the folder layouts).
        cache: folder of decoded images, or None for the user's own.

    Raises:
        ArgumentError: unknown name, or what lies in the folder is not that benchmark.
        StorageError: the cache could not be written.
    """
    resized = size or IMAGENET_SIZE
    if name == "tiered_imagenet":
        return Benchmark(name, *load_tiered_imagenet(folder, size=resized, cache=cache))
    if name == "mini_imagenet" and (folder / "train.csv").exists():
        return Benchmark(name, *load_mini_imagenet(folder, size=resized, cache=cache))
    if name not in FILES:
        known = ", ".join((*FILES, "tiered_imagenet"))
        raise ArgumentError(f"unknown benchmark {name!r}; known are {known}")
    splits = load_class_splits(folder / "splits.json")
    if name not in splits:
        raise ArgumentError(f"{folder / 'splits.json'}: no split {name!r}")
    images = load_parquet(folder / FILES[name], size=size, cache=cache)
    for part in PARTS:
        images.rows(splits[name].part(part))  # refuses a split of other classes at once
    return Benchmark(name, images, splits[name])
