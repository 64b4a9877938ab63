"""Decoded images kept as .npy files, so that decoding happens once and memory is only mapped.

A file is named after what was decoded: a digest of the source's content, and the size. It is
written whole or not at all; a damaged one is made anew.
"""

from __future__ import annotations

import hashlib
import io
import logging
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import platformdirs
from numpy.typing import NDArray
from tqdm import tqdm

from edgewise.errors import ArgumentError
from edgewise.storage import write_atomic
from edgewise_converter.images.decode import Size

_LOG = logging.getLogger(__name__)
_DECODED, _RESIZED = 1, 2  # to be raised when the same source would give other pixels
_CHUNK = 1 << 20


def cache_dir() -> Path:
    """The user's cache folder of decoded images; it need not exist yet."""
    return Path(platformdirs.user_cache_dir("edgewise", appauthor=False)) / "images"


def file_digest(path: Path) -> str:
    """Hexadecimal digest of a file's content.

    Raises:
        ArgumentError: it cannot be read.
    """
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
    except FileNotFoundError as error:
        raise ArgumentError(f"{path}: no such file") from error
    except OSError as error:
        raise ArgumentError(f"{path}: cannot be read ({error.strerror})") from error
    return digest.hexdigest()


def listing_digest(folder: Path, files: Sequence[Path]) -> str:
    """Hexadecimal digest of names, sizes and times of change of files in a folder."""
    digest = hashlib.sha256()
    for path in files:
        try:
            found = path.stat()
        except OSError as error:
            raise ArgumentError(f"{path}: cannot be read ({error.strerror})") from error
        name = path.relative_to(folder).as_posix()
        digest.update(f"{name}\0{found.st_size}\0{found.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def decoded(
    name: str,
    digest: str,
    size: Size | None,
    count: int,
    pictures: Iterable[NDArray[np.uint8]],
    cache: Path | None = None,
) -> NDArray[np.uint8]:
    """The pictures as one mapped array, decoded only if the cache lacks them.

    Args:
        name: of the set, for messages and the file's name.
        digest: of what is decoded.
        size: of every picture, or None for that of the first.
        count: how many pictures there are.
        pictures: decodes them, each (H, W, 3) uint8; not iterated over if the cache has them.
        cache: folder of the cache, or None for :func:`cache_dir`.

    Returns:
        (count, H, W, 3) uint8, read-only.

    Raises:
        ArgumentError: no picture, or one of another size than the first.
        StorageError: the cache could not be written.
    """
    if not count:
        raise ArgumentError(f"{name}: there is no picture in it")
    written = f"own-{_DECODED}" if size is None else f"{size[0]}x{size[1]}-{_RESIZED}"
    path = (cache or cache_dir()) / f"{name}-{digest[:16]}-{written}.npy"
    found = _mapped(path, count, size)
    if found is None:
        _LOG.info("%s: decoding %d pictures into %s", name, count, path)
        write_atomic(path, _npy(name, count, pictures), create_parents=True)
        found = _mapped(path, count, size)
        if found is None:
            raise ArgumentError(f"{path}: was written, but cannot be read back")
    return found


def _mapped(path: Path, count: int, size: Size | None) -> NDArray[np.uint8] | None:
    """The cached array, or None if there is none or it is damaged."""
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    fits = array.ndim == 4 and len(array) == count and array.dtype == np.uint8
    return array if fits and size in (None, array.shape[1:3]) else None


def _npy(name: str, count: int, pictures: Iterable[NDArray[np.uint8]]) -> Iterator[bytes]:
    """The bytes of an .npy file (format 1.0) that holds the pictures."""
    shape: tuple[int, ...] = ()
    # Told only where somebody watches: a log needs no bar.
    for at, picture in enumerate(tqdm(pictures, name, count, unit="picture", disable=None)):
        if not at:
            shape = picture.shape
            header = io.BytesIO()
            layout = {"descr": "|u1", "fortran_order": False, "shape": (count, *shape)}
            np.lib.format.write_array_header_1_0(header, layout)
            yield header.getvalue()
        if picture.shape != shape:
            raise ArgumentError(
                f"{name}: picture {at} is {picture.shape[0]}x{picture.shape[1]}, the first is "
                f"{shape[0]}x{shape[1]}; give a size to resize all to"
            )
        yield picture.tobytes()
