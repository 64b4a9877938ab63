"""Searching under a limit, against a search that looks at one architecture after another."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest

import edgewise as sdk
from edgewise.errors import ArchitectureError, ArgumentError
from edgewise.spaces import Space


@pytest.fixture(scope="module")
def accuracy(space: Space) -> dict[str, float]:
    """Better with more operations, with ties and no order that matters."""
    noise = np.random.default_rng(3).integers(0, 40, space.size)
    return {
        arch: round(math.log1p(space.flops(arch)) + 0.1 * float(extra), 1)
        for arch, extra in zip(space.architectures(), noise, strict=True)
    }


def brute_force(
    device: sdk.Device, accuracy: dict[str, float], max_ms: float, k: int, confidence: float
) -> list[tuple[str, float, float, float, float]]:
    found = []
    for arch, value in accuracy.items():
        ms, low, high = device.predict(arch, confidence or 0.9)
        if (high if confidence else ms) <= max_ms:
            found.append((arch, ms, low, high, value))
    return sorted(found, key=lambda row: (-row[4], row[1]))[:k]


@pytest.mark.parametrize("confidence", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("max_ms", [1.2, 3.0, 1e9])
def test_the_twin_finds_the_same(
    device: sdk.Device, accuracy: dict[str, float], max_ms: float, confidence: float
) -> None:
    found = device.search(max_ms, accuracy, k=20, confidence=confidence)
    expected = brute_force(device, accuracy, max_ms, 20, confidence)
    assert [hit.accuracy for hit in found] == [row[4] for row in expected]
    assert [hit.ms for hit in found] == pytest.approx([row[1] for row in expected])
    for hit in found:
        assert (hit.ms, hit.low, hit.high) == pytest.approx(
            device.predict(hit.arch, confidence or 0.9)
        )


def test_mapping_array_and_callable_agree(
    device: sdk.Device, accuracy: dict[str, float], space: Space
) -> None:
    asked: list[str] = []

    def call(arch: str) -> float:
        asked.append(arch)
        return accuracy[arch]

    array = np.array([accuracy[arch] for arch in space.architectures()])
    expected = device.search(3.0, accuracy)
    assert device.search(3.0, array) == expected
    assert device.search(3.0, array.tolist()) == expected
    assert device.search(3.0, call) == expected
    assert len(expected) == 5
    high = np.asarray(device.predict(space.architectures()).high)
    assert len(asked) == int((high <= 3.0).sum())


def test_a_limit_of_memory(
    device: sdk.Device,
    space: Space,
    accuracy: dict[str, float],
    caplog: pytest.LogCaptureFixture,
) -> None:
    def needed(arch: str) -> int:
        peak, weights = space.memory(arch)
        return int(peak[0] + weights[0])

    everything = brute_force(device, accuracy, 6.0, space.size, 0.9)
    limit = int(np.median([needed(row[0]) for row in everything]))
    expected = [row for row in everything if needed(row[0]) <= limit][:30]
    found = device.search(6.0, accuracy, k=30, max_memory=limit)
    assert [hit.accuracy for hit in found] == [row[4] for row in expected]
    assert max(needed(hit.arch) for hit in found) <= limit < needed(everything[0][0])
    assert device.search(0.1, accuracy, max_memory=limit) == []
    said = r"the nearest, \|.*\|, takes .* ms, .* interval, and [0-9,]+ bytes"
    assert re.search(said, caplog.text)


def test_only_what_the_mapping_names_is_considered(device: sdk.Device, space: Space) -> None:
    archs = space.architectures()[40:50]
    found = device.search(1e9, dict.fromkeys(archs, 1.0), k=100)
    assert {hit.arch for hit in found} == set(archs)
    assert [hit.ms for hit in found] == sorted(hit.ms for hit in found)


def test_nothing_fits(
    device: sdk.Device,
    space: Space,
    accuracy: dict[str, float],
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert device.search(1e-9, accuracy) == []
    archs = space.architectures()
    fastest = archs[int(np.argmin(device.predict(archs).high))]
    assert f"nothing fits; the nearest, {fastest}, takes" in caplog.text
    assert device.search(5.0, {}) == []


def test_an_unknown_accuracy_is_not_considered(device: sdk.Device, space: Space) -> None:
    one, two = space.architectures()[10:12]
    assert [h.arch for h in device.search(1e9, {one: math.nan, two: 0.5})] == [two]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"max_ms": 0.0}, ArgumentError, "max_ms"),
        ({"max_ms": math.nan}, ArgumentError, "max_ms"),
        ({"k": 0}, ArgumentError, "k must be"),
        ({"confidence": 1.0}, ArgumentError, "confidence"),
        ({"confidence": -0.1}, ArgumentError, "confidence"),
        ({"max_memory": 0}, ArgumentError, "max_memory must be a positive"),
        ({"max_memory": 2.5e6}, ArgumentError, "max_memory must be a positive"),
        ({"accuracy": [1.0, 2.0]}, ArgumentError, r"shape \(2,\)"),
        ({"accuracy": "best"}, ArgumentError, "accuracy must be"),
        ({"accuracy": {"|none~0|": 1.0}}, ArchitectureError, "at character 8"),
        (
            {"accuracy": {"|none~0|+|none~0|none~1|+|none~0|none~1|none~2|": "high"}},
            ArgumentError,
            "'high', not a number",
        ),
        ({"accuracy": lambda _: None, "max_ms": 1e9}, ArgumentError, "None, not a number"),
    ],
)
def test_impossible_arguments(
    device: sdk.Device, arguments: dict[str, object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        device.search(**{"max_ms": 5.0, "accuracy": {}, **arguments})  # type: ignore[arg-type]
