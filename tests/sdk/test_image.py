"""Resizing: exactly as a slow twin in whole numbers does it, and nearly as Pillow does."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from edgewise import _core
from edgewise.errors import ArgumentError

SIZES = [
    ((84, 84), (84, 84)),
    ((84, 84), (32, 32)),
    ((32, 32), (84, 84)),
    ((28, 28), (84, 84)),
    ((480, 640), (84, 84)),
    ((100, 300), (84, 84)),
    ((85, 83), (84, 84)),
    ((1, 1), (3, 5)),
    ((3, 5), (1, 1)),
    ((7, 1), (2, 9)),
]
WHOLE = 1 << 22


def weights(size: int, out_size: int, result: int) -> list[int]:
    """Of every source pixel: a triangle around the result's centre, in fractions of 2^22."""
    centre, reach = (2 * result + 1) * size, 2 * max(size, out_size)
    heights = [max(0, reach - abs((2 * j + 1) * out_size - centre)) for j in range(size)]
    sums = [WHOLE * sum(heights[: j + 1]) // sum(heights) for j in range(size)]
    return [after - before for before, after in zip([0, *sums], sums, strict=False)]


def resize_twin(image: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """(H, W, C) -> (height, width, C) in Python's whole numbers: rows first, then columns."""
    across = np.array([weights(image.shape[1], width, x) for x in range(width)], object)
    down = np.array([weights(image.shape[0], height, y) for y in range(height)], object)
    between = np.einsum("xj,hjc->hxc", across, image.astype(object))
    between = (between + (1 << 13)) // (1 << 14)
    result = (np.einsum("yh,hxc->yxc", down, between) + (1 << 29)) // (1 << 30)
    return np.asarray(result.astype(np.uint8))


def picture(height: int, width: int, channels: int, seed: int = 0) -> NDArray[np.uint8]:
    generator = np.random.default_rng(seed)
    return generator.integers(0, 256, (height, width, channels), np.uint8)


@pytest.mark.parametrize(("size", "new"), SIZES)
@pytest.mark.parametrize("channels", [1, 3])
def test_is_the_twin(size: tuple[int, int], new: tuple[int, int], channels: int) -> None:
    small = (min(size[0], 90), min(size[1], 120))  # the twin is slow
    image = picture(*small, channels)
    assert np.array_equal(_core.resize(image[None], *new)[0], resize_twin(image, *new))


@pytest.mark.parametrize(("size", "new"), SIZES)
def test_is_within_one_of_pillow(size: tuple[int, int], new: tuple[int, int]) -> None:
    """Pillow rounds to whole levels between its two passes, which is where the one comes from."""
    image = picture(*size, 3)
    theirs = np.asarray(Image.fromarray(image).resize(new[::-1], Image.Resampling.BILINEAR))
    difference = _core.resize(image[None], *new)[0].astype(int) - theirs
    assert np.abs(difference).max() <= 1


def test_pictures_are_resized_each_for_itself() -> None:
    images = np.stack([picture(20, 30, 4, seed) for seed in range(3)])
    whole = _core.resize(images, 9, 8)
    assert whole.shape == (3, 9, 8, 4)
    for at, image in enumerate(images):
        assert np.array_equal(whole[at], _core.resize(image[None], 9, 8)[0])
    assert _core.resize(images[:0], 9, 8).shape == (0, 9, 8, 4)


def test_views_need_not_be_contiguous() -> None:
    image = picture(20, 30, 3)
    flipped = image[::-1, ::2]
    expected = _core.resize(np.ascontiguousarray(flipped)[None], 5, 5)
    assert np.array_equal(_core.resize(flipped[None], 5, 5), expected)


PINNED_SMALL = [
    [[104, 86, 123], [146, 123, 100], [123, 160, 142]],
    [[105, 104, 141], [145, 122, 118], [141, 160, 131]],
]
PINNED_SUM = 2_639_484


def test_what_it_gives_is_pinned() -> None:
    """Host and device, today's and tomorrow's: embedders were trained on exactly these bytes."""
    ramp = (np.arange(5 * 7 * 3) * 37 % 256).astype(np.uint8).reshape(1, 5, 7, 3)
    assert _core.resize(ramp, 2, 3)[0].tolist() == PINNED_SMALL
    assert int(_core.resize(ramp, 84, 84).astype(np.int64).sum()) == PINNED_SUM


@pytest.mark.parametrize(
    ("images", "height", "width", "message"),
    [
        (np.zeros((4, 4, 3), np.uint8), 2, 2, "shape \\(N, H, W, channels\\)"),
        (np.zeros((1, 4, 4, 3), np.float32), 2, 2, "are uint8"),
        (np.zeros((1, 4, 4, 3), np.int8), 2, 2, "are uint8"),
        (np.zeros((1, 4, 4, 5), np.uint8), 2, 2, "1 to 4 channels, not 5"),
        (np.zeros((1, 4, 4, 0), np.uint8), 2, 2, "1 to 4 channels, not 0"),
        (np.zeros((1, 0, 4, 3), np.uint8), 2, 2, "height must be 1 to 65536 pixels, not 0"),
        (np.zeros((1, 4, 0, 3), np.uint8), 2, 2, "width must be 1 to 65536 pixels, not 0"),
        (np.zeros((1, 4, 4, 3), np.uint8), 0, 2, "not 0 and 2"),
        (np.zeros((1, 4, 4, 3), np.uint8), 2, -1, "not 2 and -1"),
        (np.zeros((1, 4, 4, 3), np.uint8), 2, 1 << 40, "must be 1 to 65536"),
    ],
)
def test_bad_input(images: NDArray[np.uint8], height: int, width: int, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        _core.resize(images, height, width)
