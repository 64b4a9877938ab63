"""The search of an int8 index against numpy: the same rows, the same cosines, ties by number."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from numpy.typing import NDArray

from edgewise import _core
from edgewise.errors import ArgumentError

Rows = NDArray[np.int8]
Floats = NDArray[np.float32]


def index(count: int, dim: int, seed: int) -> tuple[Rows, Floats]:
    """Random directions as int8 and scales."""
    drawn = np.random.default_rng(seed).standard_normal((count, dim))
    drawn /= np.linalg.norm(drawn, axis=1, keepdims=True)
    scales = np.abs(drawn).max(1) / 127
    return np.round(drawn / scales[:, None]).astype(np.int8), scales.astype(np.float32)


def twin(
    rows: Rows, scales: Floats, query: Floats, k: int, mask: NDArray[np.bool_] | None = None
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """All cosines in float64, of the query as it is rounded; sorted, those not allowed left out."""
    largest = np.abs(query).max()
    rounded = np.round(query / largest * np.float32(127)).astype(np.int64)
    scale = largest / (127 * np.linalg.norm(query.astype(np.float64)))
    sums = rows.astype(np.int64) @ rounded
    # In single precision, as ties are told apart there.
    cosines = sums.astype(np.float32) * scales * np.float32(scale)
    order = np.lexsort((np.arange(len(rows)), -cosines))
    if mask is not None:
        order = order[mask[order]]
    return order[:k], cosines[order[:k]].astype(np.float64)


@pytest.mark.parametrize("dim", [1, 7, 16, 31, 128, 160, 1000])
@pytest.mark.parametrize("k", [1, 10, 500])
def test_the_rows_are_the_twin_s(dim: int, k: int) -> None:
    rows, scales = index(300, dim, dim)
    generator = np.random.default_rng([dim, k])
    for masked in (False, True):
        query = generator.standard_normal(dim).astype(np.float32) * np.float32(3)
        mask = generator.random(300) < 0.3 if masked else None
        found, cosines = _core.nearest(rows, scales, query, k, mask)
        expected, values = twin(rows, scales, query, k, mask)
        assert np.array_equal(found, expected)
        np.testing.assert_allclose(cosines, values, rtol=1e-6)


def test_cosines_are_those_of_the_directions() -> None:
    rows, scales = index(2000, 128, 3)
    exact = rows * scales[:, None].astype(np.float64)
    query = np.random.default_rng(4).standard_normal(128).astype(np.float32)
    true = exact @ query.astype(np.float64) / np.linalg.norm(query.astype(np.float64))
    found, cosines = _core.nearest(rows, scales, query, 2000)
    assert sorted(found.tolist()) == list(range(2000))
    np.testing.assert_allclose(cosines, true[found], atol=0.01)
    assert np.all(np.diff(cosines) <= 0)
    own, near = _core.nearest(rows, scales, exact[77].astype(np.float32), 1)
    assert own[0] == 77
    assert near[0] == pytest.approx(1, abs=0.005)


def test_of_equals_the_lower_row_is_first() -> None:
    rows, scales = index(50, 24, 5)
    many, much = np.tile(rows, (4, 1)), np.tile(scales, 4)
    query = np.random.default_rng(6).standard_normal(24).astype(np.float32)
    for k in (1, 3, 4, 7, 200):
        found, _ = _core.nearest(many, much, query, k)
        assert found.tolist() == twin(many, much, query, k)[0].tolist()


def test_extremes_do_not_overflow() -> None:
    dim = 1 << 16
    rows = np.full((2, dim), -128, np.int8)
    rows[1] = 127
    found, cosines = _core.nearest(
        rows, np.full(2, 1 / (127 * 256), np.float32), np.full(dim, -3e38, np.float32), 2
    )
    assert found.tolist() == [0, 1]
    np.testing.assert_allclose(cosines, [128 / 127, -1], rtol=1e-6)


def test_many_threads_ask_at_once() -> None:
    rows, scales = index(3000, 128, 8)
    queries = np.random.default_rng(9).standard_normal((16, 128)).astype(np.float32)
    expected = [twin(rows, scales, query, 20)[0] for query in queries]
    wrong: list[int] = []

    def ask(at: int) -> None:
        for _ in range(20):
            if not np.array_equal(_core.nearest(rows, scales, queries[at], 20)[0], expected[at]):
                wrong.append(at)

    threads = [threading.Thread(target=ask, args=(at,)) for at in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_what_cannot_be_asked() -> None:
    rows, scales = index(4, 8, 1)
    query = np.ones(8, np.float32)
    for bad in (rows.astype(np.int16), rows[0], rows[:, ::2]):
        with pytest.raises(ArgumentError, match="int8 of shape"):
            _core.nearest(bad, scales, query, 1)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="scales have shape"):
        _core.nearest(rows, scales[:3], query, 1)
    with pytest.raises(ArgumentError, match="query has shape"):
        _core.nearest(rows, scales, query[:7], 1)
    with pytest.raises(ArgumentError, match="mask has shape"):
        _core.nearest(rows, scales, query, 1, [True])
    for k in (0, -3):
        with pytest.raises(ArgumentError, match="k must be at least 1"):
            _core.nearest(rows, scales, query, k)
    with pytest.raises(ArgumentError, match="no direction"):
        _core.nearest(rows, scales, np.zeros(8), 1)
    with pytest.raises(ArgumentError, match="value 2 is not finite"):
        _core.nearest(rows, scales, np.array([1, 2, np.nan, 0, 0, 0, 0, 0]), 1)
    with pytest.raises(ArgumentError, match="row 1 is not finite"):
        _core.nearest(rows, np.array([1, np.inf, 1, 1]), query, 1)
