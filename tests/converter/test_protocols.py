"""What each protocol lets be known of a device, and the queries."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from edgewise.errors import ArgumentError
from edgewise_converter.latency.protocols import (
    PROTOCOLS,
    Protocol,
    Scaling,
    Target,
    candidates,
    domain_of,
    draw,
    embedding,
    require_measured,
    target_of,
    training_pool,
)
from edgewise_converter.latency.tables import LatencyTable, Split

SPLIT = Split({}, pool=120, query=80)
REFERENCE = np.array([3, 50, 130, 300])


def target(table: LatencyTable, protocol: Protocol, split: Split | None = SPLIT) -> Target:
    return target_of(
        table,
        "chip",
        domain_of(table, "chip", split),
        REFERENCE,
        protocol,
        samples=6,
        generator=np.random.default_rng(0),
    )


def test_pool_and_query_are_the_splits(table: LatencyTable) -> None:
    domain = domain_of(table, "chip", SPLIT)
    assert domain.split
    assert domain.pool.tolist() == list(range(120))
    assert domain.query.tolist() == list(range(120, 200))


def test_without_a_split_everything_measured_is_pool_and_query(table: LatencyTable) -> None:
    latency = table.latency_ms.copy()
    latency[7, 5] = np.nan
    partial = dataclasses.replace(table, latency_ms=latency)
    domain = domain_of(partial, "chip", None)
    assert not domain.split
    assert domain.pool.tolist() == domain.query.tolist() == [*range(5), *range(6, 400)]
    assert 5 not in domain_of(partial, "chip", SPLIT).pool


def test_no_query_is_a_reference_or_support(table: LatencyTable) -> None:
    strict = target(table, "strict")
    assert strict.query.tolist() == [i for i in range(120, 200) if i != 130]
    everything = target(table, "paper", None)
    timed, _ = everything.timings()
    assert len(timed) == 10
    assert set(everything.query) == set(range(400)) - set(timed)


def test_strict_knows_the_references_alone(table: LatencyTable) -> None:
    """Nothing that a method is given changes when every other timing of the device does."""
    row = table.row("chip").copy()
    other = np.setdiff1d(np.arange(400), REFERENCE)
    row[other] = np.random.default_rng(1).permutation(row[other]) * 3
    latency = table.latency_ms.copy()
    latency[7] = row
    changed = dataclasses.replace(table, latency_ms=latency)
    before, after = target(table, "strict"), target(changed, "strict")
    for name in ("reference", "reference_ms", "support", "support_ms", "query", "spare"):
        np.testing.assert_array_equal(getattr(before, name), getattr(after, name))
    assert before.scaling == after.scaling
    assert before.scaling == Scaling(float(row[REFERENCE].min()), float(row[REFERENCE].max()))


def test_paper_times_more_and_scales_by_the_pool(table: LatencyTable) -> None:
    found, row = target(table, "paper"), table.row("chip")
    middle = np.sort(row[:120])[12:108]
    assert found.scaling == Scaling(middle[0], middle[-1], margin=0.05)
    assert len(found.support) == 6
    assert (found.support < 120).all()
    assert np.isin(row[found.support], middle).all()
    timed, ms = found.timings()
    assert len(timed) == len(set(timed)) == len(set(found.reference) | set(found.support))
    np.testing.assert_array_equal(ms, row[timed])


def test_scaling_restores() -> None:
    scaling = Scaling(2.0, 12.0, margin=0.05)
    ms = np.array([2.0, 12.0, 7.0])
    np.testing.assert_allclose(scaling.scale(ms), [0.05, 0.95, 0.5])
    np.testing.assert_allclose(scaling.restore(scaling.scale(ms)), ms)


def test_embedding_is_scaled_among_the_references() -> None:
    np.testing.assert_allclose(embedding(np.array([3.0, 1.0, 2.0])), [1.0, 0.0, 0.5])
    np.testing.assert_allclose(embedding(np.array([2.0, 2.0])), [0.0, 0.0])


def test_designs_choose_from_different_halves(table: LatencyTable) -> None:
    domain = domain_of(table, "chip", SPLIT)
    halves = [candidates(domain, seed) for seed in range(3)]
    for half in halves:
        assert len(half) == 60
        assert (np.diff(half) > 0).all()
        assert set(half) <= set(domain.pool)
    assert not np.array_equal(halves[0], halves[1])
    np.testing.assert_array_equal(halves[2], candidates(domain, 2))


def test_a_device_without_scale_is_refused(table: LatencyTable) -> None:
    flat = dataclasses.replace(table, latency_ms=np.full((8, 400), 2.0))
    domain = domain_of(flat, "chip", SPLIT)
    for protocol in PROTOCOLS:
        with pytest.raises(ArgumentError, match=r"chip: all timings are 2\.0 ms"):
            training_pool(flat, "chip", domain, REFERENCE, protocol)


def test_too_few_architectures_are_said_so() -> None:
    with pytest.raises(ArgumentError, match="6 architectures asked for, but the pool has 5"):
        draw(np.arange(5), 6, np.random.default_rng(0))


def test_references_must_have_been_measured(table: LatencyTable) -> None:
    latency = table.latency_ms.copy()
    latency[2, 50] = np.nan
    partial = dataclasses.replace(table, latency_ms=latency)
    require_measured(partial, ["gpu_1"], REFERENCE)
    with pytest.raises(ArgumentError, match="cpu_a: reference architecture"):
        require_measured(partial, ["gpu_1", "cpu_a"], REFERENCE)
