"""The evolutionary search, on a space small enough to know the best answers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

import edgewise as sdk
from edgewise.latency.evolution import GENERATIONS, POPULATION, evolve
from edgewise.latency.judge import Judge, Limits
from edgewise.spaces import Space


@pytest.fixture(scope="module")
def accuracy(space: Space) -> dict[str, float]:
    """Better with more operations, and by something that each architecture has of its own."""
    noise = np.random.default_rng(5).normal(size=space.size)
    return {
        arch: math.log1p(space.flops(arch)) + 0.1 * float(extra)
        for arch, extra in zip(space.architectures(), noise, strict=True)
    }


@pytest.mark.parametrize("max_ms", [2.0, 3.0, 5.0, 1e9])
@pytest.mark.parametrize("seed", [0, 1])
def test_it_finds_what_a_search_of_everything_finds(
    device: sdk.Device, space: Space, accuracy: dict[str, float], max_ms: float, seed: int
) -> None:
    judge = Judge(space, device.predict, accuracy.__getitem__, Limits(max_ms, 0.9, None))
    judged = evolve(space, judge, keep=5, seed=seed)
    best = device.search(max_ms, accuracy, k=10)
    found = judge.best(5)
    assert found[0].arch in {hit.arch for hit in best[:2]}
    assert {hit.arch for hit in found} <= {hit.arch for hit in best}
    assert all(hit.high <= max_ms for hit in judge.found)
    assert judged < space.size * 2 / 3


def test_nothing_is_judged_twice_and_all_is_canonical(space: Space) -> None:
    seen: list[str] = []

    def judge(archs: list[str]) -> NDArray[np.float64]:
        seen.extend(archs)
        return np.array([[float(len(seen))] for _ in archs])  # ever better: it never gives up

    assert evolve(space, judge) == len(seen)
    assert len(set(seen)) == len(seen) <= POPULATION * GENERATIONS
    assert seen == [space.parse(arch) for arch in seen]


def test_a_seed_decides(space: Space) -> None:
    def shown(seed: int) -> list[str]:
        seen: list[str] = []

        def judge(archs: list[str]) -> NDArray[np.float64]:
            seen.extend(archs)
            return np.array([[space.flops(arch)] for arch in archs])

        evolve(space, judge, seed=seed)
        return seen

    assert shown(3) == shown(3)
    assert shown(3) != shown(4)


def test_it_approaches_a_limit_that_no_random_network_keeps(
    device: sdk.Device, space: Space, accuracy: dict[str, float]
) -> None:
    fastest = np.sort(np.asarray(device.predict(space.architectures()).high))
    judge = Judge(space, device.predict, accuracy.__getitem__, Limits(fastest[3], 0.9, None))
    found_so_far: list[int] = []

    def watched(archs: list[str]) -> NDArray[np.float64]:
        scores = judge(archs)
        found_so_far.append(len(judge.found))
        return scores

    evolve(space, watched)
    keeping = int(np.sum(fastest <= fastest[3]))  # many networks are predicted alike
    assert keeping < space.size / 500
    assert found_so_far[0] == 0  # in the first generation, which is drawn at random
    assert 1 <= len(judge.found) <= keeping


def test_scores_compare_as_tuples(space: Space) -> None:
    """The second column decides only between equal first ones."""
    best: tuple[float, float] = (-math.inf, -math.inf)

    def judge(archs: list[str]) -> NDArray[np.float64]:
        nonlocal best
        skips = [-arch.count("skip_connect") for arch in archs]
        scores = np.array([[min(s, -2), space.flops(a)] for s, a in zip(skips, archs, strict=True)])
        best = max([best, *((float(a), float(b)) for a, b in scores)])
        return scores

    evolve(space, judge)
    allowed = (a for a in space.architectures() if a.count("skip_connect") <= 2)
    assert best == (-2.0, max(space.flops(arch) for arch in allowed))
