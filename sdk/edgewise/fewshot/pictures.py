"""Pictures as an app has them, to what an embedder takes: uint8 RGB of one size.

Arrays need nothing; files need Pillow (`pip install 'edgewise[image]'`).
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _core
from ..errors import ArgumentError, PictureError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Picture = NDArray[np.uint8] | str | os.PathLike[str]
    Pictures = Picture | Sequence[Picture]

_CHANNELS = 3
_UNREADABLE = ("refuse", "skip")

_log = logging.getLogger(__name__)


def is_one(images: Any) -> bool:
    """Whether `images` is a single picture: (H, W, 3), or a path."""
    if isinstance(images, (str, os.PathLike)):
        return True
    return isinstance(images, np.ndarray) and images.ndim != 4


def ready(
    images: Any, height: int, width: int, unreadable: str = "refuse"
) -> list[NDArray[np.uint8] | None]:
    """Each picture as (1, height, width, 3); None for one that is skipped and logged.

    Each is brought to that size before the next is read: photographs are large.

    Raises:
        PictureError: one cannot be used, and `unreadable` is `refuse`.
        ArgumentError: `images` is neither a picture nor a sequence of pictures, or `unreadable`
            neither `refuse` nor `skip`.
    """
    if unreadable not in _UNREADABLE:
        raise ArgumentError(f"unreadable must be refuse or skip, not {unreadable!r}")
    if type(images) is np.ndarray and _is_picture(images):  # the usual question, and the quickest
        return [resized(images, height, width)]
    found: list[NDArray[np.uint8] | None] = []
    for pixels in each_picture(images):
        if not isinstance(pixels, PictureError):
            found.append(resized(pixels, height, width))
        elif unreadable == "refuse":
            raise pixels
        else:
            _log.warning("%s; it is skipped", pixels)
            found.append(None)
    return found


def each_picture(images: Any) -> Iterator[NDArray[np.uint8] | PictureError]:
    """The pixels (H, W, 3) of each picture, or what is wrong with it.

    Raises:
        ArgumentError: `images` is neither a picture nor a sequence of pictures.
    """
    if is_one(images):
        images = [images]
    if not isinstance(images, (np.ndarray, Sequence)):
        raise ArgumentError(
            f"pictures are an array (N, H, W, 3), a path, or a sequence of pictures, "
            f"not {type(images).__name__}"
        )
    for number, image in enumerate(images):
        path = isinstance(image, (str, os.PathLike))
        name = os.fspath(image) if path else f"picture {number}"
        try:
            pixels = _read(os.fspath(image)) if path else _checked(_array(image, name), name)
        except PictureError as error:
            yield error
        else:
            yield pixels


def _is_picture(image: NDArray[Any]) -> bool:
    return (
        image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == _CHANNELS
    ) and 0 not in image.shape


def resized(pixels: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """(H, W, 3) to (1, height, width, 3), as in training; proportions may change."""
    if pixels.shape[:2] == (height, width):
        return pixels[None]
    return _core.resize(pixels[None], height, width)


def _array(image: Any, name: str) -> NDArray[Any]:
    try:
        return np.asarray(image)
    except ValueError as error:
        raise PictureError(f"{name} is no array: {error}") from error


def _checked(image: NDArray[Any], name: str) -> NDArray[np.uint8]:
    """PictureError, with the cure, for anything but (H, W, 3) uint8."""
    if image.dtype.kind == "f" and np.isnan(image).any():
        raise PictureError(f"{name} has pixels that are NaN; pixels are uint8, 0 to 255")
    if image.ndim == 2 or (image.ndim == 3 and image.shape[-1] == 1):
        raise PictureError(
            f"{name} is gray, {image.shape}; make it RGB: "
            "np.repeat(image.reshape(*image.shape[:2], 1), 3, axis=2)"
        )
    if image.ndim == 3 and image.shape[-1] == 4:
        raise PictureError(
            f"{name} has an alpha channel, {image.shape}; leave it out: image[..., :3]"
        )
    if image.ndim == 3 and image.shape[0] == _CHANNELS and image.shape[-1] != _CHANNELS:
        raise PictureError(
            f"{name} has its channels first, {image.shape}; "
            "put them last: np.moveaxis(image, 0, -1)"
        )
    if image.ndim != 3 or image.shape[-1] != _CHANNELS or 0 in image.shape:
        raise PictureError(f"{name} has shape {image.shape}; a picture is (height, width, 3)")
    if image.dtype != np.uint8:
        raise PictureError(_wrong_dtype(image, name))
    return image


def _wrong_dtype(image: NDArray[Any], name: str) -> str:
    if image.dtype.kind not in "iuf":
        return f"{name} is {image.dtype}; pixels are uint8, 0 to 255"
    least, most = image.min(), image.max()
    cure = "(255 * image).round().astype(np.uint8)" if most <= 1 else "image.astype(np.uint8)"
    if least < 0 or most > 255:
        cure = "scale them to that range first"
    return (
        f"{name} is {image.dtype} with values {least:g} to {most:g}; "
        f"pixels are uint8, 0 to 255: {cure}"
    )


def _read(path: str) -> NDArray[np.uint8]:
    """Pixels of a file, upright and RGB. PictureError names the file and the cause."""
    try:
        from PIL import Image, ImageOps, UnidentifiedImageError
    except ImportError as error:
        raise ArgumentError(
            "reading pictures from files needs Pillow: pip install 'edgewise[image]', "
            "or give arrays"
        ) from error
    try:
        with Image.open(path) as file:
            return _rgb(ImageOps.exif_transpose(file), Image)
    except FileNotFoundError as error:
        raise PictureError(f"{path}: no such file") from error
    except UnidentifiedImageError as error:
        raise PictureError(f"{path}: is no picture that Pillow can read") from error
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise PictureError(f"{path}: cannot be read as a picture ({reason})") from error


def _rgb(image: Any, pillow: Any) -> NDArray[np.uint8]:
    """A picture of Pillow's as RGB; what is transparent lies on white."""
    if image.mode[0] in "IF":
        raise ValueError(f"its pixels are {image.mode}, not of 8 bits")
    if "A" in image.getbands() or "transparency" in image.info:
        over = image.convert("RGBA")
        image = pillow.alpha_composite(pillow.new("RGBA", over.size, "white"), over)
    return np.asarray(image.convert("RGB"))
