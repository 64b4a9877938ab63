"""Meta-training of the `edgewise` prior: what it learns of made-up devices with known costs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edgewise import _core
from edgewise.errors import ArgumentError
from edgewise.spaces import get_space
from edgewise_converter.latency.family_leave_out import interval_score
from edgewise_converter.latency.prior import balanced_weights
from edgewise_converter.latency.prior_nasbench201 import PriorSettings, build_prior, fit_devices
from edgewise_converter.latency.prior_selection import imagine, leave_families_out, select_settings
from edgewise_converter.latency.prior_training import train_prior
from edgewise_converter.latency.scoring import Estimate
from edgewise_converter.latency.semantics import learn_execution
from edgewise_converter.latency.tables import DeviceInfo, LatencyTable, Split

SPACE = get_space("nasbench201")
INFO = {
    "gpu_1": DeviceInfo("gpu", "gpu"),
    "gpu_2": DeviceInfo("gpu", "gpu"),
    "cpu": DeviceInfo("cpu", "cpu"),
    "phone": DeviceInfo("phone", "phone"),
    "odd": DeviceInfo("odd", "odd"),
}
RULES = {"gpu_1": "all", "gpu_2": "all", "cpu": "reachable", "phone": "live"}


def costs_of(seed: int) -> np.ndarray:
    """(columns,) costs: skips nearly free, convolutions dear, edges alike but for 1 %."""
    rng = np.random.default_rng(seed)
    operations = np.array([0.02, 0.3, 0.8, 0.2]) * rng.uniform(0.7, 1.4, 4)
    return np.append(np.tile(operations, 6) * rng.normal(1.0, 0.01, 24), 0.5)


def odd_execution() -> np.ndarray:
    """A runtime that no rule describes: it runs half the edges, which ones differs by pattern."""
    runs = np.random.default_rng(9).integers(0, 2, (64, 6))
    return (runs * _core.execution_table(SPACE, "reachable")).astype(np.float64)


@pytest.fixture(scope="module")
def world() -> LatencyTable:
    """3,125 architectures on five devices: additive costs under known graph semantics."""
    archs = SPACE.architectures()[::5]
    rng = np.random.default_rng(0)
    rows = []
    for seed, device in enumerate(INFO):
        known = device in RULES
        table = _core.execution_table(SPACE, RULES[device]) if known else odd_execution()
        clean = _core.features(SPACE, archs, table) @ costs_of(seed) * (seed + 1.0)
        rows.append(clean * np.exp(0.002 * rng.normal(size=len(archs))))
    reference = np.arange(10, dtype=np.int64)
    return LatencyTable(
        "world", "nasbench201", tuple(archs), tuple(INFO), np.array(rows), reference
    )


def test_the_rule_that_each_device_follows_is_found(world: LatencyTable) -> None:
    for fit in fit_devices(world, list(RULES)):
        assert fit.rule == RULES[fit.device]
        assert not fit.follows_own
        assert fit.rules[fit.rule].error < 0.01


def test_semantics_that_no_rule_describes_are_learnt(world: LatencyTable) -> None:
    (fit,) = fit_devices(world, ["odd"])
    assert fit.follows_own
    assert fit.learnt.error < 0.5 * fit.rules[fit.rule].error
    prior = train_prior(world, list(INFO), INFO)
    assert "as odd" in prior.semantics
    learnt = prior.execution[prior.semantics.index("as odd")]
    present = (np.arange(64)[:, None] >> np.arange(6)) & 1 > 0
    rule = _core.execution_table(SPACE, fit.rule)
    error = np.abs(learnt - odd_execution())[present].mean()
    assert error < np.abs(rule - odd_execution())[present].mean()


def test_a_table_that_explains_everything_is_kept(world: LatencyTable) -> None:
    start = _core.execution_table(SPACE, "live")
    learnt = learn_execution(SPACE, list(world.archs), world.row("phone"), start)
    assert np.abs(learnt - start).mean() < 0.02


def test_families_and_hardware_weigh_alike() -> None:
    weights = balanced_weights(["gpu_1", "gpu_2", "cpu"], INFO)
    np.testing.assert_allclose(weights, [0.25, 0.25, 0.5])
    with pytest.raises(ArgumentError, match=r"no family is known for device 'tpu'"):
        balanced_weights(["tpu"], INFO)


def test_an_unseen_device_is_predicted_from_ten_designed_timings(world: LatencyTable) -> None:
    core = train_prior(world, ["gpu_1", "gpu_2", "phone"], INFO).core()
    archs = list(world.archs)
    chosen = core.design(archs, 10)
    ms = world.row("cpu")
    adapted = core.adapt([archs[i] for i in chosen], ms[chosen])
    semantics = adapted.semantics
    assert max(semantics, key=semantics.__getitem__) == "reachable"
    predicted, low, high = adapted.predict(archs)
    connected = np.array([SPACE.connected(arch) for arch in archs])
    assert np.mean(np.abs(predicted / ms - 1)[connected]) < 0.03
    assert np.mean((low <= ms) & (ms <= high)) > 0.8


def test_no_covariance_of_the_prior_holds_the_speed_fast(world: LatencyTable) -> None:
    prior = train_prior(world, ["gpu_1", "cpu"], INFO)
    deviation = PriorSettings().speed  # relative
    assert deviation >= 0.2
    assert len(prior.own_variance) == 27  # three low ranks, spreads and edge spreads
    assert prior.factor_variance.min() > 0
    for shared, own in zip(prior.factor_variance, prior.own_variance, strict=True):
        covariance = prior.factors * shared @ prior.factors.T + np.diag(own)
        along = prior.mean[0] @ np.linalg.pinv(covariance, hermitian=True) @ prior.mean[0]
        assert along <= deviation**-2 + 1e-6


def test_unusable_training_data_is_refused(world: LatencyTable) -> None:
    with pytest.raises(ArgumentError, match="at least one training device"):
        build_prior("nasbench201", [], INFO, PriorSettings())
    sparse = replace(world, latency_ms=np.full_like(world.latency_ms, np.nan))
    with pytest.raises(ArgumentError, match="has 0 timings"):
        fit_devices(sparse, ["cpu"])


def test_settings_are_selected_by_families_left_out(world: LatencyTable) -> None:
    fits = fit_devices(world, ["gpu_1", "cpu", "phone"])
    split = Split({}, pool=400, query=200)
    left_out = leave_families_out(world, fits, INFO, split, designs=1, seed=0)
    assert left_out.families == ["cpu", "gpu", "phone"]
    start = PriorSettings(speed=2.0, noise_centre=0.05, edge=0.4, operation=1.2)
    chosen = [select_settings(left_out.loss, start, steps=8, seed=1) for _ in range(2)]
    assert chosen[0] == chosen[1]
    assert left_out.loss(chosen[0]) < left_out.loss(start)
    with pytest.raises(ArgumentError, match="two families"):
        leave_families_out(world, fits[:1], INFO, split, designs=1, seed=0)


def test_exact_devices_are_imagined(world: LatencyTable) -> None:
    """Their latency is a sum of costs of operations, wherever these stand."""
    fits = fit_devices(world, ["gpu_1", "cpu", "phone"])
    tables = [_core.execution_table(SPACE, name) for name in SPACE.semantics]
    alike = []  # (A, operations + 1) each: features summed over the edges
    for table in tables:
        features = _core.features(SPACE, list(world.archs), table)
        edges = features[:, :-1].reshape(len(features), 6, -1).sum(axis=1)
        alike.append(np.column_stack((edges, features[:, -1])))
    left: dict[bool, list[float]] = {True: [], False: []}
    for case in imagine(SPACE, world.archs, fits, INFO, 1):
        residuals = [
            rows @ np.linalg.lstsq(rows, case.ms, rcond=None)[0] - case.ms for rows in alike
        ]
        error = min(float(np.std(residual)) for residual in residuals) / case.ms.mean()
        left[case.exact].append(error)
    assert len(left[True]) >= 2
    assert max(left[True]) < 0.002 < min(left[False])


def test_the_interval_score_punishes_misses_and_width() -> None:
    true = np.array([1.0, 2.0])
    narrow = Estimate(true, true / 1.1, true * 1.1)
    assert interval_score(narrow, true) == pytest.approx(2 * np.log(1.1))
    assert interval_score(Estimate(true, true / 1.2, true * 1.2), true) > interval_score(
        narrow, true
    )
    missed = Estimate(true, true * 1.1, true * 1.2)
    expected = np.log(1.2 / 1.1) + 2 / 0.1 * np.log(1.1)
    assert interval_score(missed, true) == pytest.approx(expected)
