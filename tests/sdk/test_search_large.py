"""Searching spaces that cannot be listed, where the best answer is known to lie below a bound."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pytest
from numpy.typing import NDArray

from edgewise.errors import ArgumentError
from edgewise.latency.judge import Found, memory_bytes
from edgewise.latency.prediction import Prediction
from edgewise.latency.search import search
from edgewise.spaces import Space, get_space

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class World:
    """A device and a task where milliseconds and accuracy are sums over codes."""

    space: Space
    cost: list[FloatArray]
    gain: list[FloatArray]

    @staticmethod
    def of(space: Space, seed: int) -> World:
        rng = np.random.default_rng(seed)
        sizes = [len(values) for values in space.choices]
        cost = [rng.uniform(0.05, 1.0, size) for size in sizes]
        gain = [np.sqrt(c) * rng.uniform(0.7, 1.3, len(c)) for c in cost]
        return World(space, cost, gain)

    @cached_property
    def gain_of(self) -> list[dict[int, float]]:
        """The gain of each value of each code."""
        pairs = zip(self.space.choices, self.gain, strict=True)
        return [dict(zip(values, gain.tolist(), strict=True)) for values, gain in pairs]

    def total(self, table: Sequence[FloatArray], archs: Sequence[str]) -> FloatArray:
        codes = self.space.encode(archs)
        columns = zip(table, self.space.choices, codes.T, strict=True)
        each = [values[np.searchsorted(choices, code)] for values, choices, code in columns]
        total: FloatArray = np.sum(each, axis=0)
        return total

    def predict(self, archs: Sequence[str], confidence: float) -> Prediction:
        ms = self.total(self.cost, archs)
        return Prediction(ms, ms / (1 + confidence / 10), ms * (1 + confidence / 10))

    def accuracy(self, arch: str) -> float:
        codes = self.space.encode(arch)[0].tolist()
        return sum(gain[code] for gain, code in zip(self.gain_of, codes, strict=True))

    def limit(self, share: float) -> float:
        """Milliseconds between those of the cheapest and of the dearest network."""
        low, high = sum(min(c) for c in self.cost), sum(max(c) for c in self.cost)
        return float(low + share * (high - low))

    def bound(self, max_ms: float) -> float:
        """No network within the limit is more accurate: a knapsack, its weights rounded down."""
        steps = 2000
        best = np.full(steps + 1, -np.inf)
        best[0] = 0.0
        for cost, gain in zip(self.cost, self.gain, strict=True):
            reached = np.full(steps + 1, -np.inf)
            for c, g in zip((cost * steps / max_ms).astype(int), gain, strict=True):
                if c <= steps:
                    reached[c:] = np.maximum(reached[c:], best[: steps + 1 - c] + g)
            best = reached
        return float(best.max())


def find(
    world: World, max_ms: float, k: int = 5, max_memory: int | None = None, seed: int = 0
) -> list[Found]:
    return search(world.space, world.predict, max_ms, world.accuracy, k, 0.9, max_memory, seed)


@pytest.mark.parametrize("share", [0.1, 0.3, 0.6])
def test_it_comes_near_the_bound(share: float) -> None:
    world = World.of(get_space("fbnet"), seed=1)
    max_ms = world.limit(share)
    found = find(world, max_ms)
    bound = world.bound(max_ms / 1.09)
    assert 0.97 * bound <= found[0].accuracy <= bound
    # far better than luck: as many random networks as it may look at
    drawn = world.space.decode(world.space.draw(20_000, 0))
    fit = world.total(world.cost, drawn) * 1.09 <= max_ms
    lucky = world.total(world.gain, drawn)[fit].max(initial=0.0)
    assert found[0].accuracy > 1.05 * lucky


@pytest.mark.parametrize("name", ["fbnet", "ofa", "transformer"])
def test_what_it_finds(name: str) -> None:
    world = World.of(get_space(name), seed=2)
    max_ms = world.limit(0.4)
    found = find(world, max_ms, k=20)
    archs = [hit.arch for hit in found]
    assert len(set(archs)) == 20
    assert archs == [world.space.parse(arch) for arch in archs]
    assert [hit.accuracy for hit in found] == sorted((h.accuracy for h in found), reverse=True)
    for hit in found:
        assert hit.high <= max_ms
        assert hit.accuracy == pytest.approx(world.accuracy(hit.arch))
        predicted = world.predict([hit.arch], 0.9)
        assert hit[1:4] == pytest.approx([float(column[0]) for column in predicted])
    assert find(world, max_ms, k=20) == found
    assert find(world, max_ms, k=20, seed=1) != found


def test_each_network_is_asked_about_once() -> None:
    world, asked = World.of(get_space("ofa"), seed=3), []

    def accuracy(arch: str) -> float:
        asked.append(arch)
        return world.accuracy(arch)

    max_ms = world.limit(0.5)
    search(world.space, world.predict, max_ms, accuracy, 5, 0.9, None, 0)
    assert len(set(asked)) == len(asked) <= 20_000
    assert (world.predict(asked, 0.9).high <= max_ms).all()


def test_a_limit_of_memory_holds() -> None:
    world = World.of(get_space("ofa"), seed=4)
    free, limit = find(world, world.limit(0.8)), 28_000_000
    assert memory_bytes(world.space, [free[0].arch])[0] > limit
    found = find(world, world.limit(0.8), max_memory=limit)
    assert len(found) == 5
    assert memory_bytes(world.space, [hit.arch for hit in found]).max() <= limit
    assert found[0].accuracy < free[0].accuracy


def test_limits_that_no_random_network_keeps_are_approached() -> None:
    world = World.of(get_space("fbnet"), seed=5)
    max_ms = 1.09 * world.limit(0.01)
    drawn = world.space.decode(world.space.draw(20_000, 0))
    assert world.predict(drawn, 0.9).high.min() > max_ms
    assert find(world, max_ms)[0].high <= max_ms
    assert find(world, world.limit(0.0)) == []


def test_a_mapping_is_searched_whole_and_two_spellings_are_one() -> None:
    world = World.of(get_space("ofa"), seed=6)
    archs = world.space.decode(world.space.draw(50, 3))
    table = {arch: world.accuracy(arch) for arch in archs}
    found = search(world.space, world.predict, 1e9, table, 50, 0.9, None, 0)
    assert {hit.arch for hit in found} == set(archs)
    respelt = archs[0].replace(",", ", ")
    again = table | {respelt: table[archs[0]]}
    assert search(world.space, world.predict, 1e9, again, 50, 0.9, None, 0) == found
    with pytest.raises(ArgumentError, match="twice, as"):
        search(world.space, world.predict, 1e9, table | {respelt: -1.0}, 50, 0.9, None, 0)
    with pytest.raises(ArgumentError, match="ofa cannot be listed, so accuracy must be a mapping"):
        search(world.space, world.predict, 1e9, [1.0], 50, 0.9, None, 0)
