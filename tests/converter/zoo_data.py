"""A folder of pictures as the real one is, but small, and a supernet that has learnt a little."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from edgewise_converter.images.benchmarks import open_benchmark
from edgewise_converter.images.image_set import ImageSet
from edgewise_converter.retrieval.pretraining import PretrainingConfig, base_pictures, pretrain
from edgewise_converter.retrieval.zoo_files import write_supernet

from .fewshot_data import write_set

LARGE = {
    "cifar_fs": "cifar100",
    "mini_imagenet": "miniimagenet",
    "omniglot_by_alphabet": "omniglot",
}
SMALL_SETS = ("stripes", "letters", "signs")


def pictures(name: str, classes: int, each: int, seed: int) -> ImageSet:
    """Classes told apart by their colours."""
    generator = np.random.default_rng(seed)
    colours = generator.integers(40, 215, (classes, 1, 1, 3))
    labels = np.repeat(np.arange(classes), each)
    noise = generator.normal(0, 20, (len(labels), 32, 32, 3))
    images = np.clip(colours[labels] + noise, 0, 255).astype(np.uint8)
    return ImageSet(name, images, labels, tuple(f"{name} {at}" for at in range(classes)))


def write_data(folder: Path) -> None:
    """Write a folder as the real one is, but small."""
    for at, name in enumerate(SMALL_SETS):
        write_set(folder / f"{name}.parquet", pictures(name, 3, 20, at))
    splits: dict[str, object] = {
        "retrieval": {"meta_train": list(SMALL_SETS[:2]), "meta_test": list(SMALL_SETS)}
    }
    for split, name in LARGE.items():
        base = pictures(name, 12, 10, 9)
        if name == "omniglot":
            classes = tuple(f"{'ABC'[at % 3]}/{at}" for at in range(12))
            base = ImageSet(name, base.images, base.labels, classes)
        coarse = ("warm", "cold") if name == "cifar100" else ()
        write_set(folder / f"{name}.parquet", base, coarse=coarse)
        named = base.classes
        splits[split] = {"train": named[:6], "val": named[6:8], "test": named[8:]}
    (folder / "splits.json").write_text(json.dumps(splits))


def write_quick_supernet(path: Path, data: Path) -> None:
    """Write a supernet that has learnt a little."""
    base = base_pictures([open_benchmark("cifar_fs", data, cache=data / "cache")])
    found = pretrain(base, PretrainingConfig(steps=6, batch=16)).supernet
    write_supernet(path, found, trained_on=["made up"])
