"""Architectures as arrays of codes, and drawing them, in every space."""

from __future__ import annotations

import numpy as np
import pytest

from edgewise import ArchitectureError, ArgumentError
from edgewise.spaces import Space, get_space, space_names


@pytest.fixture(scope="module", params=space_names())
def each(request: pytest.FixtureRequest) -> Space:
    return get_space(request.param)


def test_drawing(each: Space) -> None:
    codes = each.draw(3000, seed=1)
    assert codes.dtype == np.uint8
    assert codes.shape == (3000, len(each.choices))
    assert len({row.tobytes() for row in codes}) == 3000
    np.testing.assert_array_equal(codes, each.draw(3000, seed=1))
    np.testing.assert_array_equal(codes[:50], each.draw(50, seed=1))
    assert (codes != each.draw(3000, seed=2)).any()
    archs = each.decode(codes)
    assert len(set(archs)) == 3000
    np.testing.assert_array_equal(each.encode(archs), codes)
    assert [each.parse(arch) for arch in archs[:100]] == archs[:100]
    assert each.draw(0, seed=1).shape == (0, len(each.choices))
    with pytest.raises(ArgumentError, match="count is -1"):
        each.draw(-1, seed=1)


@pytest.mark.parametrize("name", ["nasbench201", "fbnet"])
def test_draws_are_even(name: str) -> None:
    codes = get_space(name).draw(9000, seed=7)
    for column, choices in zip(codes.T, get_space(name).choices, strict=True):
        counts = np.bincount(column, minlength=len(choices))
        expected = len(codes) / len(choices)
        assert np.abs(counts - expected).max() < 6 * np.sqrt(expected)


def test_draws_of_ofa_are_even_where_they_count() -> None:
    codes = get_space("ofa").draw(9000, seed=7)
    for column, choices in [(0, 3), (5, 3), (21, 3), (40, 3), (44, 3), (45, 25)]:
        counts = np.unique(codes[:, column], return_counts=True)[1]
        assert len(counts) == choices
        assert np.abs(counts - 9000 / choices).max() < 6 * np.sqrt(9000 / choices)


def test_a_space_can_be_drawn_whole() -> None:
    space = get_space("nasbench201")
    assert sorted(space.decode(space.draw(space.size, 3))) == sorted(space.architectures())
    with pytest.raises(ArgumentError, match="has 15625 architectures, not 15626"):
        space.draw(15626, 3)


def test_arrays_of_any_integer_type(each: Space) -> None:
    codes = each.draw(500, seed=4)
    assert each.encode(codes) is codes
    for given in (
        codes.astype(np.int64),
        codes.astype(np.uint16),
        codes.astype(">i4"),
        np.asfortranarray(codes),
        codes[::-1][::-1],
        np.repeat(codes, 2, axis=0)[::2],
    ):
        np.testing.assert_array_equal(each.encode(given), codes)
    assert each.encode(codes[:0]).shape == codes[:0].shape
    locked = codes.copy()
    locked.flags.writeable = False
    np.testing.assert_array_equal(each.encode(locked), codes)


@pytest.mark.parametrize("kind", [np.uint8, np.int64])
def test_codes_that_are_no_architecture(each: Space, kind: type[np.integer]) -> None:
    for position, choices in enumerate(each.choices):
        for value in (max(choices) + 1, 255, 0 if 0 not in choices else 254):
            codes = each.draw(9, seed=5).astype(kind)
            codes[6, position] = value
            message = f"row 6: {each.name}: position {position} holds {value}; .*it may be"
            with pytest.raises(ArchitectureError, match=message):
                each.encode(codes)
    if kind is np.int64:
        for value in (-1, 256 + min(each.choices[0]), 2**40):
            codes = each.draw(9, seed=5).astype(kind)
            codes[8, 0] = value
            message = f"row 8: {each.name}: position 0 holds {value}, which is no code"
            with pytest.raises(ArchitectureError, match=message):
                each.encode(codes)


def test_arrays_of_another_shape_or_type(each: Space) -> None:
    codes = each.draw(4, seed=6)
    for wrong in (codes[0], codes[:, :-1], codes[None], np.zeros((0,), np.uint8)):
        with pytest.raises(ArchitectureError, match=r"are integers of shape \(N, \d+\)"):
            each.encode(wrong)
    for wrong in (codes.astype(float), codes.astype(bool)):
        with pytest.raises(ArchitectureError, match="an architecture is a string or a dict"):
            each.encode(wrong)


def test_ofa_names_what_a_position_may_hold() -> None:
    codes = get_space("ofa").draw(1, seed=1)
    codes[0, 45] = 226
    message = "row 0: ofa: position 45 holds 226; it may be 128, 132, ..., 224"
    with pytest.raises(ArchitectureError, match=message):
        get_space("ofa").encode(codes)


def test_codes_that_do_not_matter_are_not_looked_at_but_must_be_valid() -> None:
    space = get_space("ofa")
    codes = space.draw(1, seed=1)
    codes[0, 40:45] = 2
    codes[0, 3] = 7
    assert space.encode(codes)[0, 3] == 3
    codes[0, 3] = 4
    with pytest.raises(ArchitectureError, match="position 3 holds 4; it may be 3, 5, 7"):
        space.encode(codes)
