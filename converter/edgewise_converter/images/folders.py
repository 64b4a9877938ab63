"""Image sets as plain folders: one of folders, and how mini- and tiered-ImageNet are laid out."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edgewise.errors import ArgumentError
from edgewise_converter.images.cache import decoded, listing_digest
from edgewise_converter.images.decode import Size, decode
from edgewise_converter.images.image_set import ImageSet
from edgewise_converter.images.splits import PARTS, ClassSplit

_SUFFIXES = {".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"}
IMAGENET_SIZE = (84, 84)
"""What few-shot papers resize the pictures of ImageNet to."""


def load_folder(folder: Path, *, size: Size | None = None, cache: Path | None = None) -> ImageSet:
    """A folder of folders: each is a class, named after it; files that are no pictures are left.

    Args:
        folder: the folder.
        size: height and width to resize pictures to; None if all have one size already.
        cache: folder of decoded images, or None for the user's own.

    Raises:
        ArgumentError: no such folder, no class with a picture in it, or an unreadable picture.
        StorageError: the cache could not be written.
    """
    return _load(folder, _classes_of(folder), size, cache)


def load_mini_imagenet(
    folder: Path, *, size: Size | None = IMAGENET_SIZE, cache: Path | None = None
) -> tuple[ImageSet, ClassSplit]:
    """mini-ImageNet as its authors hand it out (Ravi & Larochelle 2017).

    `train.csv`, `val.csv`, `test.csv` with the columns `filename` and `label`, and the pictures in
    the folder `images`.

    Returns:
        The images, and which classes are for training, validation and test.

    Raises:
        ArgumentError: a file is missing or malformed, or a class is in two parts.
        StorageError: the cache could not be written.
    """
    classes: dict[str, list[Path]] = {}
    parts = {}
    for part in PARTS:
        rows = _read_csv(folder / f"{part}.csv")
        for name, label in rows:
            classes.setdefault(label, []).append(folder / "images" / name)
        parts[part] = tuple(dict.fromkeys(label for _, label in rows))
    split = ClassSplit(str(folder), **parts)
    return _load(folder, classes, size, cache), split


def load_tiered_imagenet(
    folder: Path, *, size: Size | None = IMAGENET_SIZE, cache: Path | None = None
) -> tuple[ImageSet, ClassSplit]:
    """tiered-ImageNet unpacked (Ren et al. 2018): `train`, `val`, `test`, folders of class folders.

    Returns:
        The images, and which classes are for training, validation and test.

    Raises:
        ArgumentError: a folder is missing or without pictures, or a class is in two parts.
        StorageError: the cache could not be written.
    """
    found = {part: _classes_of(folder / part) for part in PARTS}
    split = ClassSplit(str(folder), **{part: tuple(found[part]) for part in PARTS})
    classes = {name: files for part in found.values() for name, files in part.items()}
    return _load(folder, classes, size, cache), split


def _classes_of(folder: Path) -> dict[str, list[Path]]:
    if not folder.is_dir():
        raise ArgumentError(f"{folder}: no such folder")
    classes = {}
    for each in sorted(path for path in folder.iterdir() if path.is_dir()):
        files = sorted(path for path in each.rglob("*") if path.suffix.lower() in _SUFFIXES)
        if files:
            classes[each.name] = files
    if not classes:
        raise ArgumentError(f"{folder}: no folder in it has pictures; each class is one folder")
    return classes


def _load(
    folder: Path, classes: dict[str, list[Path]], size: Size | None, cache: Path | None
) -> ImageSet:
    files = [file for each in classes.values() for file in each]
    labels = np.repeat(np.arange(len(classes)), [len(each) for each in classes.values()])
    pictures = (decode(file, size, str(file)) for file in files)
    digest = listing_digest(folder, files)
    images = decoded(folder.name, digest, size, len(files), pictures, cache)
    return ImageSet(folder.name, images, labels.astype(np.int64), tuple(classes))


def _read_csv(path: Path) -> Sequence[tuple[str, str]]:
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = [(row["filename"], row["label"]) for row in csv.DictReader(file)]
    except FileNotFoundError as error:
        raise ArgumentError(f"{path}: no such file") from error
    except (OSError, ValueError) as error:
        raise ArgumentError(f"{path}: not CSV ({error})") from error
    except KeyError as error:
        raise ArgumentError(f"{path}: no column {error}; needed are filename, label") from error
    if not rows or None in {cell for row in rows for cell in row}:
        raise ArgumentError(f"{path}: rows are missing or incomplete")
    return rows
