"""Batches of randomly cropped, flipped and tinted pictures, cheap enough for one core.

One crop size is drawn for a whole batch (Szegedy et al. 2014, arXiv 1409.4842: area and aspect
ratio), its place for each picture, so that one resize serves all of them. Strokes on paper are not
flipped, which would make another character of them; they get ink and paper of any colour.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

_AREA = (0.4, 1.0)
_DRAWN_AREA = (0.65, 1.0)  # half a character is none
_ASPECT = 4 / 3
_CONTRAST, _BRIGHTNESS, _TINT = 0.3, 25.0, 12.0
_AS_DRAWN = 0.4  # share of drawn pictures that keep their ink and paper
_LEVELS, _SHIFT = 110.0, 60.0  # of the darker colour at most, and of each of its parts


def resize(pictures: NDArray[np.uint8], side: int) -> Tensor:
    """(B, H, W, 3) uint8 to (B, 3, side, side) float32 of 0..255, channels last in memory.

    Bilinear; where a side shrinks, over the area that a new pixel covers.
    """
    pixels = torch.from_numpy(pictures).permute(0, 3, 1, 2).float()
    if pixels.shape[2:] == (side, side):
        return pixels
    return F.interpolate(pixels, (side, side), mode="bilinear", antialias=True)


def random_batch(
    images: NDArray[np.uint8],
    rows: NDArray[np.int64],
    side: int,
    generator: np.random.Generator,
    *,
    drawn: bool = False,
) -> Tensor:
    """Augmented pictures.

    Args:
        images: (N, H, W, 3).
        rows: (B,) which of them.
        side: height and width of the result.
        generator: of all draws.
        drawn: they are strokes on paper.

    Returns:
        (B, 3, side, side) float32 pixel values about 0..255.
    """
    area = generator.uniform(*(_DRAWN_AREA if drawn else _AREA))
    height, width = _crop_size(images.shape[1], images.shape[2], area, generator)
    tops = generator.integers(images.shape[1] - height + 1, size=len(rows))
    lefts = generator.integers(images.shape[2] - width + 1, size=len(rows))
    turned = generator.random(len(rows)) < (0.0 if drawn else 0.5)
    crops = np.empty((len(rows), height, width, 3), np.uint8)
    for at, (row, top, left) in enumerate(zip(rows, tops, lefts, strict=True)):
        crop = images[row, top : top + height, left : left + width]
        crops[at] = crop[:, ::-1] if turned[at] else crop
    pixels = resize(crops, side)
    return _tinted(_inked(pixels, generator) if drawn else pixels, generator)


def _crop_size(
    height: int, width: int, area: float, generator: np.random.Generator
) -> tuple[int, int]:
    stretch = np.exp(generator.uniform(-1, 1) * np.log(_ASPECT) / 2)
    side = np.sqrt(area)
    return (
        min(height, round(height * side * stretch)),
        min(width, round(width * side / stretch)),
    )


def _tinted(pixels: Tensor, generator: np.random.Generator) -> Tensor:
    """Contrast about the picture's mean, brightness, and a shift of each colour."""
    count = len(pixels)
    contrast = generator.uniform(1 - _CONTRAST, 1 + _CONTRAST, (count, 1, 1, 1))
    shift = generator.uniform(-_BRIGHTNESS, _BRIGHTNESS, (count, 1, 1, 1))
    shift = shift + generator.uniform(-_TINT, _TINT, (count, 3, 1, 1))
    mean = pixels.mean((1, 2, 3), keepdim=True)
    factor = torch.from_numpy(contrast).float()
    return pixels * factor + (mean * (1 - factor) + torch.from_numpy(shift).float())


def _inked(pixels: Tensor, generator: np.random.Generator) -> Tensor:
    """Most of the pictures with black and white replaced by two colours, either the lighter."""
    count = len(pixels)
    levels = generator.uniform(0, _LEVELS, (2, count))
    levels[1] += 255 - _LEVELS
    turned = generator.random(count) < 0.5
    levels[:, turned] = levels[::-1, turned]
    shifts = generator.uniform(-_SHIFT, _SHIFT, (2, count, 3))
    colours = np.clip(levels[..., None] + shifts, 0, 255)
    as_drawn = generator.random(count) < _AS_DRAWN
    colours[0, as_drawn], colours[1, as_drawn] = 0, 255
    black, white = torch.from_numpy(colours[..., None, None]).float()
    inked: Tensor = black + (white - black) * (pixels / 255)
    return inked
