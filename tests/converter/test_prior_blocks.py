"""The prior of spaces of blocks: its kinds of devices, and the references chosen under it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.sdk import design_oracle

from edgewise import _core
from edgewise.errors import ArgumentError
from edgewise.spaces import get_space
from edgewise_converter.latency.block_selection import leave_families_out
from edgewise_converter.latency.prior import Prior
from edgewise_converter.latency.prior_blocks import (
    RESOURCES,
    SETTINGS,
    Columns,
    describe,
    kinds,
    patterns,
    train,
)
from edgewise_converter.latency.tables import DeviceInfo, LatencyTable

SPACE = get_space("fbnet")
INFO = {name: DeviceInfo(name, name) for name in ("gpu", "cpu", "phone")}


def made_up_archs(count: int) -> list[str]:
    rng = np.random.default_rng(0)
    codes = np.column_stack([rng.choice(values, count) for values in SPACE.choices])
    return list(SPACE.decode(codes))


ARCHS = made_up_archs(400)
FEATURES = _core.features(SPACE, ARCHS, np.zeros((0, 0)))


def costs_of(columns: Columns, shares: dict[str, float]) -> np.ndarray:
    """(P,) costs of a device that spends these shares of its time on what kernels ask for."""
    costs: np.ndarray = columns.resources @ np.array([shares.get(name, 0.0) for name in RESOURCES])
    return costs


@pytest.fixture(scope="module")
def columns() -> Columns:
    return describe("fbnet", FEATURES)


@pytest.fixture(scope="module")
def table(columns: Columns) -> LatencyTable:
    """Three devices whose costs are what kernels ask for at prices of their own."""
    shares = {
        "gpu": {"launches": 0.6, "dense": 0.3, "traffic": 0.1},
        "cpu": {"dense": 0.7, "depthwise": 0.2, "weights": 0.1},
        "phone": {"dense": 0.4, "depthwise": 0.4, "launches": 0.2},
    }
    rows = [FEATURES @ costs_of(columns, shares[name]) for name in INFO]
    reference = np.arange(10, dtype=np.int64)
    return LatencyTable("made up", "fbnet", tuple(ARCHS), tuple(INFO), np.array(rows), reference)


@pytest.fixture(scope="module")
def prior(table: LatencyTable) -> Prior:
    return train(table, table.devices, INFO, SETTINGS["fbnet"])


def test_a_device_bound_by_launches_and_one_bound_by_arithmetic_are_kinds(columns: Columns) -> None:
    rng = np.random.default_rng(1)
    costs = rng.uniform(0.5, 1.5, (3, len(columns.layer))) * patterns(columns)[:, 0]
    found = kinds(columns, costs, list(INFO), INFO, SETTINGS["fbnet"])
    assert len(found) == 3 + 1 + 3
    np.testing.assert_allclose(found[:3], costs)
    np.testing.assert_allclose(found[3], costs.mean(axis=0))
    blocks = ~columns.network
    for kind, asked in (
        (found[5], {"launches": 1.0}),
        (found[6], {"dense": 0.5, "depthwise": 0.5}),
    ):
        np.testing.assert_allclose(kind[blocks], 0.9 * costs_of(columns, asked)[blocks])
        assert kind[columns.network].sum() == pytest.approx(0.1)


def test_references_minimise_the_variance_of_differences(prior: Prior) -> None:
    candidates = np.arange(150)
    chosen = prior.core().design([ARCHS[i] for i in candidates], 6)
    mean, covariance = _belief(prior)
    rows = FEATURES[candidates]
    weight = np.exp(prior.noise_log_weight) / np.exp(prior.noise_log_weight).sum()
    noises = weight @ prior.noise**2 * np.maximum(rows @ mean, prior.settings.floor) ** 2
    targets = rows - rows.mean(axis=0)

    def left(timed: list[int]) -> float:
        return _variance_left(rows[timed], noises[timed], targets, covariance)

    assert list(chosen) == design_oracle.design(left, len(candidates), 6)


def test_a_device_unlike_those_trained_on_is_predicted_from_its_references(
    prior: Prior, columns: Columns
) -> None:
    core = prior.core()
    ms = 3.0 * FEATURES @ costs_of(columns, {"launches": 0.9, "weights": 0.1})
    chosen = core.design(ARCHS, 6)
    predicted = core.adapt([ARCHS[i] for i in chosen], ms[chosen]).predict(ARCHS)[0]
    assert np.corrcoef(predicted, ms)[0, 1] > 0.98


def _belief(prior: Prior) -> tuple[np.ndarray, np.ndarray]:
    """Moments of the mixture of all kinds, which are equally probable."""
    mean = prior.mean.mean(axis=0)
    covariance = -np.outer(mean, mean)
    for kind, variance, own in zip(
        prior.mean, prior.factor_variance, prior.own_variance, strict=True
    ):
        own_covariance = prior.factors * variance @ prior.factors.T + np.diag(own)
        covariance += (own_covariance + np.outer(kind, kind)) / len(prior.mean)
    return mean, covariance


def _variance_left(
    timed: np.ndarray, noises: np.ndarray, targets: np.ndarray, covariance: np.ndarray
) -> float:
    cross = targets @ covariance @ timed.T
    of_timings = timed @ covariance @ timed.T + np.diag(noises)
    before = np.einsum("ti,ij,tj->", targets, covariance, targets)
    return float(before - np.einsum("tn,nt->", cross, np.linalg.solve(of_timings, cross.T)))


def test_a_device_slow_at_wide_windows_is_known_by_ten_timings() -> None:
    """In ofa, whose training devices need not be so; fbnet has no window wider than 5x5."""
    space = get_space("ofa")
    archs = list(space.decode(space.draw(600, 0)))
    found = describe("ofa", _core.features(space, archs, np.zeros((0, 0))))
    wide = RESOURCES.index("wide")
    names = [column.name for column in _core.feature_columns(space)]
    asks = {
        name.split("_")[0]
        for name, asked in zip(names, found.resources[:, wide], strict=True)
        if asked
    }
    assert asks == {"k7"}
    assert not describe("fbnet", FEATURES).resources[:, wide].any()

    features = _core.features(space, archs, np.zeros((0, 0)))
    shares = ({"dense": 0.7, "launches": 0.3}, {"dense": 0.5, "traffic": 0.5})
    rows = np.array([features @ costs_of(found, dict(share)) for share in shares])
    info = {name: DeviceInfo(name, "gpu") for name in ("one", "other")}
    reference = np.arange(10, dtype=np.int64)
    table = LatencyTable("made up", "ofa", tuple(archs), tuple(info), rows, reference)
    slow = features @ costs_of(found, {"dense": 0.3, "depthwise": 0.1, "wide": 0.6})
    error = {}
    for name, settings in (
        ("ships", SETTINGS["ofa"]),
        ("without", replace(SETTINGS["ofa"], unlike=SETTINGS["ofa"].unlike[:1])),
    ):
        core = train(table, table.devices, info, settings).core()
        chosen = np.array(core.design(archs[:300], 10))
        predicted, _, _ = core.adapt([archs[i] for i in chosen], slow[chosen]).predict(archs)
        error[name] = float(np.mean(np.abs(predicted / slow - 1.0)))
    assert error["ships"] < 0.03
    assert error["ships"] < 0.5 * error["without"]


def test_settings_are_judged_by_hardware_where_there_is_one_family(table: LatencyTable) -> None:
    info = {name: DeviceInfo(name, "all") for name in INFO}
    left_out = leave_families_out(table, table.devices, info, None, designs=1)
    assert left_out.families == sorted(INFO)
    trials = left_out.trials(SETTINGS["fbnet"])
    assert {trial.case.device for trial in trials if trial.case.exact} == set(INFO)
    assert 2 * sum(trial.case.imagined for trial in trials) == len(trials)
    assert max(trial.score.mape for trial in trials if trial.samples == 10) < 20.0
    with pytest.raises(ArgumentError, match="two families"):
        leave_families_out(table, table.devices[:1], info, None, designs=1)


def test_what_a_device_did_not_time_is_not_asked(table: LatencyTable) -> None:
    holes = table.latency_ms.copy()
    holes[1, ::2] = np.nan
    left_out = leave_families_out(
        replace(table, latency_ms=holes), table.devices, INFO, None, designs=1
    )
    assert np.isfinite(left_out.loss(SETTINGS["fbnet"]))
