"""Baselines where the answer is known."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from edgewise.spaces import get_space
from edgewise_converter.latency.baselines.brp_nas import BrpNas
from edgewise_converter.latency.baselines.linear import d_optimal, fit_line, fit_ridge
from edgewise_converter.latency.baselines.meta import HELP, MAML, META_SGD
from edgewise_converter.latency.baselines.own_data import Ceiling, completed, predict_apart
from edgewise_converter.latency.baselines.simple import Flops, NearestDevice, Ridge
from edgewise_converter.latency.encodings.registry import encoding_of
from edgewise_converter.latency.methods import Method, Sources
from edgewise_converter.latency.protocols import Target, candidates, domain_of, target_of
from edgewise_converter.latency.scoring import spearman
from edgewise_converter.latency.tables import LatencyTable, Split

SPLIT = Split({}, pool=120, query=80)


def sources_of(table: LatencyTable, split: Split | None = SPLIT) -> Sources:
    known = table.devices[:6]
    space = get_space(table.space)
    codes = space.encode(list(table.archs))
    domains = {device: domain_of(table, device, split) for device in table.devices}
    return Sources(
        table=table.select(known),
        space=space,
        codes=codes,
        encoding=encoding_of(table.space),
        train=known,
        valid=known[4:],
        domains=domains,
        info={},
        candidates=candidates(domains["chip"], 0),
        reference=table.reference,
        protocol="strict",
        samples=10,
        seed=0,
        episodes=2,
    )


def target_for(table: LatencyTable, split: Split | None = SPLIT) -> Target:
    return target_of(
        table,
        "chip",
        domain_of(table, "chip", split),
        table.reference,
        "strict",
        samples=10,
        generator=np.random.default_rng(0),
    )


def rank(method: Method, table: LatencyTable, split: Split | None = SPLIT) -> float:
    target = target_for(table, split)
    estimate = method.train(sources_of(table, split))(target)
    assert estimate.ms.shape == target.query.shape
    return spearman(estimate.ms, table.row("chip")[target.query])


def test_a_line_is_found() -> None:
    x = np.array([1.0, 2.0, 5.0, 7.0])
    line = fit_line(x, 3.0 + 2.0 * x)
    assert line.offset == pytest.approx(3.0)
    assert line.slope == pytest.approx(2.0)
    assert line.error == pytest.approx(0.0, abs=1e-9)
    np.testing.assert_allclose(line(np.array([10.0])), [23.0])


def test_a_line_never_falls() -> None:
    line = fit_line(np.array([1.0, 2.0, 3.0]), np.array([3.0, 2.0, 1.0]))
    assert line.offset == 0.0
    assert line.slope > 0.0


def test_ridge_finds_the_weights_when_there_is_no_noise() -> None:
    generator = np.random.default_rng(0)
    features = generator.normal(size=(30, 4))
    ms = 20.0 + features @ np.array([1.0, -2.0, 0.5, 3.0])
    queries = generator.normal(size=(9, 4))
    expected = 20.0 + queries @ np.array([1.0, -2.0, 0.5, 3.0])
    np.testing.assert_allclose(fit_ridge(features, ms)(queries), expected, rtol=1e-3)


def test_ridge_leave_one_out_error_is_the_brute_force_one() -> None:
    """The shortcut for the least error against fitting n times without one timing."""
    generator = np.random.default_rng(1)
    features = generator.normal(size=(12, 3))
    ms = 30.0 + features @ np.array([2.0, 1.0, -1.0]) + generator.normal(0, 0.5, 12)
    weight, scale = 1 / ms, features.std()
    design = np.column_stack((features / scale, np.ones(12))) * weight[:, None]
    errors = []
    for penalty in 10.0 ** np.arange(-4.0, 2.5, 0.5):
        damping = np.diag([penalty] * 3 + [1e-9])
        left = []
        for out in range(12):
            kept = np.arange(12) != out
            gram = design[kept].T @ design[kept] + damping
            found = np.linalg.solve(gram, design[kept].T @ (ms * weight)[kept])
            left.append((ms * weight)[out] - design[out] @ found)
        errors.append(np.mean(np.square(left)))
    assert fit_ridge(features, ms).error == pytest.approx(min(errors), rel=1e-6)


def test_d_optimal_design_takes_the_largest_volume() -> None:
    """Greedy against trying every candidate at every step."""
    features = np.random.default_rng(2).normal(size=(40, 3))
    design = np.column_stack((features, np.ones(40)))
    chosen: list[int] = []
    for _ in range(7):
        volumes = [
            -np.inf if at in chosen else np.linalg.slogdet(
                1e-2 * np.eye(4) + design[[*chosen, at]].T @ design[[*chosen, at]]
            )[1]
            for at in range(40)
        ]  # fmt: skip
        chosen.append(int(np.argmax(volumes)))
    assert d_optimal(features, 7).tolist() == chosen


def test_flops_ranks_by_flops(table: LatencyTable) -> None:
    target = target_for(table)
    estimate = Flops().train(sources_of(table))(target)
    space = get_space(table.space)
    count = np.array([space.flops(table.archs[i], "all") for i in target.query])
    assert spearman(estimate.ms, count) == pytest.approx(1.0)


def test_the_nearest_device_is_found(table: LatencyTable) -> None:
    latency = table.latency_ms.copy()
    latency[7] = 0.3 + 1.7 * latency[2]
    twins = dataclasses.replace(table, latency_ms=latency)
    estimate = NearestDevice().train(sources_of(twins))(target_for(twins))
    np.testing.assert_allclose(estimate.ms, twins.row("chip")[target_for(twins).query])


def test_what_the_nearest_device_lacks_is_filled_in(table: LatencyTable) -> None:
    """The twin of the target, half of it not measured, is still the nearest."""
    latency = table.latency_ms.copy()
    latency[2] = latency[7]
    latency[2, 100:] = np.nan
    half = dataclasses.replace(table, latency_ms=latency)
    target, sources = target_for(half), sources_of(half)
    filled = completed(sources.table.row("cpu_a"), sources.encoding, sources.codes, seed=0)
    np.testing.assert_array_equal(filled[:100], latency[7, :100])
    assert spearman(filled[100:], latency[7, 100:]) > 0.9
    estimate = NearestDevice().train(sources)(target)
    np.testing.assert_allclose(estimate.ms, filled[target.query])


@pytest.mark.parametrize("own", [False, True])
def test_ridge_learns_a_sum_over_operations(table: LatencyTable, own: bool) -> None:
    assert rank(Ridge(own_references=own), table) > 0.99


def test_ridge_times_its_own_references(table: LatencyTable) -> None:
    asked: list[int] = []
    target = target_for(table)

    def time(indices: np.ndarray) -> np.ndarray:
        asked.extend(indices.tolist())
        return target.time(indices)

    sources = sources_of(table)
    Ridge(own_references=True).train(sources)(dataclasses.replace(target, time=time))
    counts = sources.encoding.counts(sources.codes)
    assert asked == sources.candidates[d_optimal(counts[sources.candidates], 10)].tolist()
    assert set(asked) <= set(sources.candidates)


@pytest.mark.parametrize("split", [SPLIT, None])
def test_methods_with_their_own_data_learn_it(table: LatencyTable, split: Split | None) -> None:
    brp = BrpNas(timings=150, width=40, epochs=25)
    for method, least in ((Ceiling(), 0.99), (brp, 0.9)):
        assert rank(method, table, split) > least, method.name


def test_weights_of_brp_nas_are_kept(table: LatencyTable, tmp_path: Path) -> None:
    brp, target = BrpNas(timings=150, width=8, epochs=2), target_for(table)
    sources = dataclasses.replace(sources_of(table), checkpoints=tmp_path)
    first = brp.train(sources)(target)
    (kept,) = tmp_path.iterdir()
    written = kept.stat().st_mtime_ns
    np.testing.assert_array_equal(brp.train(sources)(target).ms, first.ms)
    assert kept.stat().st_mtime_ns == written
    dataclasses.replace(brp, epochs=1).train(sources)(target)
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("split", [SPLIT, None])
def test_no_query_is_predicted_from_its_own_timing(
    table: LatencyTable, split: Split | None
) -> None:
    target = target_for(table, split)
    answered: list[int] = []

    def learn(timed: np.ndarray, ms: np.ndarray, asked: np.ndarray) -> np.ndarray:
        assert not set(timed) & set(asked)
        assert len(timed) <= 150
        np.testing.assert_array_equal(ms, table.row("chip")[timed])
        answered.extend(asked)
        return asked.astype(float)

    estimate = predict_apart(target, 150, learn, 0)
    assert sorted(answered) == sorted(target.query)
    np.testing.assert_array_equal(estimate.ms, target.query)


def test_baselines_of_help_differ_from_it_as_in_the_paper(table: LatencyTable) -> None:
    sources = sources_of(table)
    assert HELP.config(sources).network.embedding_size == 10
    assert META_SGD.config(sources).network.embedding_size == 0
    assert MAML.config(sources).network.embedding_size == 0
    assert [method.config(sources).learn_rates for method in (HELP, META_SGD, MAML)] == [
        True,
        True,
        False,
    ]
    assert torch.get_num_threads() == 1
