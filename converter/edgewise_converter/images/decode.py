"""Encoded pictures to arrays of one size."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from edgewise.errors import ArgumentError
from edgewise.fewshot.pictures import resized

Size = tuple[int, int]
"""Height and width, pixels."""


def decode(encoded: bytes | Path, size: Size | None, source: str) -> NDArray[np.uint8]:
    """Decode one picture, turned as its EXIF orientation says.

    Args:
        encoded: the bytes of a PNG, JPEG, WebP ... or the path of such a file.
        size: what to resize it to, as a device does, aspect ratio not kept; None to leave it.
        source: names it in an error.

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        ArgumentError: it cannot be read as a picture.
    """
    try:
        with Image.open(io.BytesIO(encoded) if isinstance(encoded, bytes) else encoded) as picture:
            pixels = np.asarray(ImageOps.exif_transpose(picture).convert("RGB"))
    except FileNotFoundError as error:
        raise ArgumentError(f"{source}: no such file") from error
    # Pillow has no one error of its own: a damaged file may end in any of these.
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise ArgumentError(f"{source}: not a picture that can be read ({error})") from error
    return pixels if size is None else resized(pixels, *size)[0]
