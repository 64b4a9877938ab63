"""Image sets in Parquet files, as Hugging Face's data sets are stored.

A column `image` holds `{bytes, path}`, a column of integers the labels; the names of the classes
are in the schema's metadata under the key `huggingface`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from edgewise.errors import ArgumentError, EdgewiseError
from edgewise_converter.images.cache import decoded, file_digest
from edgewise_converter.images.decode import Size, decode
from edgewise_converter.images.image_set import ImageSet

_BATCH = 512


def load_parquet(
    path: Path, *, size: Size | None = None, label: str = "label", cache: Path | None = None
) -> ImageSet:
    """Read an image set from a Parquet file.

    Args:
        path: the file.
        size: height and width to resize pictures to; None if all have one size already.
        label: the column of labels (some files have several).
        cache: folder of decoded images, or None for the user's own.

    Raises:
        ArgumentError: no such file, not Parquet, a column or the classes' names are missing, or a
            picture is unreadable; file and picture are named.
        StorageError: the cache could not be written.
    """
    digest = file_digest(path)
    try:
        with pq.ParquetFile(path) as file:
            classes = _class_names(file.schema_arrow, path, label)
            labels = file.read(columns=[label]).column(label)
            if labels.null_count:
                raise ArgumentError(f"{path}: {labels.null_count} pictures have no {label}")
            images = decoded(
                path.stem, digest, size, len(labels), _pictures(file, path, size), cache
            )
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, EdgewiseError):
            raise
        raise ArgumentError(f"{path}: not a Parquet file of images ({error})") from error
    return ImageSet(path.stem, images, labels.to_numpy().astype(np.int64), classes)


def _class_names(schema: Any, path: Path, label: str) -> tuple[str, ...]:
    for column in ("image", label):
        if column not in schema.names:
            raise ArgumentError(
                f"{path}: no column {column!r}; it has {', '.join(schema.names) or 'none'}"
            )
    if not pa.types.is_integer(schema.field(label).type):
        raise ArgumentError(f"{path}: column {label!r} is not of integers")
    try:
        about = json.loads((schema.metadata or {})[b"huggingface"])
        names = about["info"]["features"][label]["names"]
        return tuple(str(name) for name in names)
    except (KeyError, TypeError, ValueError) as error:
        raise ArgumentError(
            f"{path}: the names of the classes of {label!r} are not in the schema's metadata "
            "(key 'huggingface')"
        ) from error


def _pictures(file: Any, path: Path, size: Size | None) -> Iterator[NDArray[np.uint8]]:
    row = 0
    for batch in file.iter_batches(batch_size=_BATCH, columns=["image"]):
        for cell in batch.column(0):
            image = cell.as_py()
            encoded = image.get("bytes") if isinstance(image, dict) else image
            if not isinstance(encoded, bytes):
                raise ArgumentError(f"{path}: row {row}: the picture's bytes are not in the file")
            yield decode(encoded, size, f"{path}: row {row}")
            row += 1
