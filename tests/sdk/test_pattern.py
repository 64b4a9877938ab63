"""Patterned weights: they look like noise, and a model without them comes back whole."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgewise.bundle import Bundle, write_bundle
from edgewise.errors import ArgumentError, BundleError
from edgewise.pattern import PERIOD, Cut, cut_out, pattern, put_back, stored_weights, weights

LIMIT = 1 << 20
#: Outputs, inputs, window, order: linear, ordinary, depthwise, depthwise as TFLite stores it.
SHAPES = ((10, 64, 1, 0), (16, 3, 9, 1), (24, 1, 25, 0), (24, 1, 25, 2), (1, 1, 1, 0))


def model() -> tuple[bytes, tuple[Cut, ...]]:
    """Layers between other bytes; the first two and the last two touch each other."""
    pieces, cuts = [b"head"], []
    for number, shape in enumerate(SHAPES):
        content = stored_weights(*shape).tobytes()
        cuts.append(Cut(sum(map(len, pieces)), *shape))
        pieces += [content, b"" if number in (0, 3) else bytes(range(7 * number + 1))]
    return b"".join(pieces), tuple(cuts)


def test_pattern_looks_like_noise() -> None:
    values = pattern().astype(np.float64)
    assert len(set(values.tolist())) == PERIOD
    assert values.mean() == pytest.approx(0, abs=1e-6)
    assert values.std() == pytest.approx(1, abs=1e-6)
    correlations = [abs(np.mean(values * np.roll(values, lag))) for lag in range(1, PERIOD)]
    assert max(correlations) < 0.9


def test_weights_have_the_spread_of_he_initialisation_and_no_two_rows_are_alike() -> None:
    rows = weights(200, 1000)
    assert rows.std() == pytest.approx((2 / 1000) ** 0.5, rel=0.01)
    assert len(np.unique(rows, axis=0)) == 2 * PERIOD  # each phase, with either sign of the mean
    assert np.abs(rows).min() > np.finfo(np.float32).tiny


def test_orders_are_the_same_weights_turned() -> None:
    rows = weights(6, 4 * 9).reshape(6, 4, 9)
    np.testing.assert_array_equal(stored_weights(6, 4, 9, 0), rows)
    np.testing.assert_array_equal(stored_weights(6, 4, 9, 1), rows.transpose(0, 2, 1))
    np.testing.assert_array_equal(stored_weights(6, 4, 9, 2), rows.transpose(1, 2, 0))


def test_a_model_comes_back_whole() -> None:
    whole, cuts = model()
    packed = cut_out(whole, cuts)
    assert len(packed) == len(whole) - sum(cut.size for cut in cuts) + 4 + 20 * len(cuts)
    assert put_back(packed, LIMIT) == whole
    assert put_back(cut_out(whole, ()), LIMIT) == whole


def test_a_bundle_keeps_it_without_its_weights(tmp_path: Path) -> None:
    whole, cuts = model()
    path = tmp_path / "b.safetensors"
    arguments = {"kind": "latency", "name": "n", "manifest": {}, "tensors": {"m": whole}}
    write_bundle(path, **arguments, deflate=["m"], patterned={"m": cuts})  # type: ignore[arg-type]
    bundle = Bundle.open(path)
    bundle.verify()
    assert bundle.blob("m") == whole
    assert bundle.tensor("m").nbytes < 300
    with pytest.raises(ArgumentError, match="deflated tensors only, not of 'm'"):
        write_bundle(path, **arguments, patterned={"m": cuts})  # type: ignore[arg-type]


def packed_table(*rows: tuple[int, ...], rest: bytes = b"", count: int | None = None) -> bytes:
    numbers = [len(rows) if count is None else count, *(number for row in rows for number in row)]
    return np.array(numbers, "<u4").tobytes() + rest


HOSTILE = {
    "nothing": (b"", "cut short"),
    "a count without cuts": (packed_table(count=3), "cut short"),
    "an enormous count": (packed_table(count=2**32 - 1), "cut short"),
    "no outputs": (packed_table((0, 0, 1, 1, 0)), "impossible weights"),
    "unknown order": (packed_table((0, 1, 1, 1, 3)), "impossible weights"),
    "too large": (packed_table((0, 2**32 - 1, 2**32 - 1, 1, 0)), "more than"),
    "outside": (packed_table((5, 1, 1, 1, 0), rest=b"1234"), "outside the file"),
    "overlapping": (packed_table((0, 2, 1, 1, 0), (4, 1, 1, 1, 0), rest=b"1234"), "overlap"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_no_packed_model_is_one_clear_error(name: str, tmp_path: Path) -> None:
    packed, cause = HOSTILE[name]
    with pytest.raises(ValueError, match=cause):
        put_back(packed, LIMIT)
    # In a bundle: cut out of nothing, so that the bytes are stored as they are.
    path = tmp_path / "b.safetensors"
    raw = {"kind": "latency", "name": "n", "manifest": {}, "tensors": {"m": packed}}
    write_bundle(path, **raw, deflate=["m"])  # type: ignore[arg-type]
    bundle = Bundle.open(path)
    bundle.manifest["patterned"] = ["m"]
    with pytest.raises(BundleError, match=rf"the weights of 'm' cannot be put back: .*{cause}"):
        bundle.verify()
