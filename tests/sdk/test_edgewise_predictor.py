"""The `edgewise` predictor against its oracle, and what it refuses."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from edgewise import _core
from edgewise.bundle import Bundle, write_bundle
from edgewise.errors import ArchitectureError, ArgumentError, BundleError
from edgewise.latency.edgewise import EdgewisePredictor

from . import latency_oracle as oracle

ARCHS = oracle.SPACE.architectures()
# Networks in which every edge holds an operation: none is near empty, see the oracle.
FULL = [arch for arch in ARCHS if "none" not in arch]


def timings(seed: int, count: int) -> tuple[list[str], np.ndarray]:
    """Architectures and positive timings that look like a device's."""
    rng = np.random.default_rng(seed)
    archs = [FULL[i] for i in rng.choice(len(FULL), count, replace=False)]
    table = _core.execution_table(oracle.SPACE, "all")
    costs = rng.uniform(0.5, 3.0, size=oracle.COLUMNS)
    clean = _core.features(oracle.SPACE, archs, table) @ costs
    return archs, clean * np.exp(0.02 * rng.normal(size=count))


def one_hypothesis(prior: oracle.PriorData) -> oracle.PriorData:
    """The same with one graph semantics, covariance and noise level."""
    for name in vars(prior).keys() - {"factors", "floor", "interval_scale"}:
        setattr(prior, name, getattr(prior, name)[:1])
    return prior


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("count", [2, 5, 10, 24])
def test_prediction_equals_the_oracle(seed: int, count: int) -> None:
    prior = oracle.random_prior(seed)
    archs, ms = timings(seed, count)
    query = FULL[seed::97]
    got = prior.core().adapt(archs, ms).predict(query, 0.8)
    expected = oracle.predict(prior, archs, ms, query, 0.8)
    # The core drops hypotheses that are less probable than a thousandth.
    for mine, theirs in zip(got, expected, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-2)


def test_prediction_equals_the_oracle_to_the_last_digits_with_one_hypothesis() -> None:
    prior = one_hypothesis(oracle.random_prior(3))
    archs, ms = timings(0, 10)
    got = prior.core().adapt(archs, ms).predict(FULL[:500])
    expected = oracle.predict(prior, archs, ms, FULL[:500])
    # Variances are computed in single precision.
    for mine, theirs, within in zip(got, expected, (1e-10, 1e-5, 1e-5), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=within)


def test_one_architecture_gives_the_same_floats_as_many() -> None:
    archs, ms = timings(1, 10)
    adapted = oracle.random_prior(1).core().adapt(archs, ms)
    many = np.array(adapted.predict(ARCHS[::500]))
    for i, arch in enumerate(ARCHS[::500]):
        one = adapted.predict(arch)
        assert all(type(value) is float for value in one)
        assert one == tuple(many[:, i])


def test_intervals_hold_the_prediction_and_widen_with_confidence() -> None:
    archs, ms = timings(2, 10)
    adapted = oracle.random_prior(2).core().adapt(archs, ms)
    widths = []
    for confidence in (0.5, 0.9, 0.99):
        mean, low, high = adapted.predict(ARCHS, confidence)
        assert (low > 0).all()
        assert (low < mean).all()
        assert (mean < high).all()
        widths.append(np.log(high / low))
    assert (widths[0] < widths[1]).all()
    assert (widths[1] <= widths[2]).all()


def test_scale_of_the_timings_is_the_scale_of_the_predictions() -> None:
    archs, ms = timings(3, 10)
    prior = oracle.random_prior(3).core()
    slow, fast = (prior.adapt(archs, ms * factor).predict(ARCHS) for factor in (1000.0, 1.0))
    np.testing.assert_allclose(slow, np.array(fast) * 1000.0, rtol=1e-5)


def test_embedding_is_the_expected_cost_of_each_feature() -> None:
    archs, ms = timings(4, 24)
    prior = oracle.random_prior(4)
    prior.semantics, prior.execution = prior.semantics[:1], prior.execution[:1]
    prior.semantics_log_weight = prior.semantics_log_weight[:1]
    adapted = prior.core().adapt(archs, ms)
    assert adapted.embedding.shape == (oracle.COLUMNS,)
    features = _core.features(oracle.SPACE, FULL[:50], prior.execution[0])
    np.testing.assert_allclose(features @ adapted.embedding, adapted.predict(FULL[:50])[0])


def test_semantics_that_made_the_timings_are_found() -> None:
    prior = oracle.random_prior(5)
    prior.semantics_log_weight = np.zeros(3)
    archs = ARCHS[7::601]
    for table, name in zip(prior.execution, prior.semantics, strict=True):
        ms = _core.features(oracle.SPACE, archs, table) @ prior.mean[0] * 3.0
        semantics = prior.core().adapt(archs, ms).semantics
        assert max(semantics, key=semantics.__getitem__) == name
        assert sum(semantics.values()) == pytest.approx(1.0)


@pytest.mark.parametrize("seed", range(3))
def test_designed_references_are_those_of_the_oracle(seed: int) -> None:
    prior = oracle.random_prior(seed)
    candidates = FULL[seed::61]
    assert list(prior.core().design(candidates, 8)) == oracle.design(prior, candidates, 8)


def test_designed_references_leave_less_variance_than_random_ones() -> None:
    prior = oracle.random_prior(6)
    core = prior.core()
    chosen = core.design(ARCHS[::31], 10)
    assert len(set(chosen)) == 10
    assert all(oracle.SPACE.connected(ARCHS[::31][i]) for i in chosen)
    rng = np.random.default_rng(0)

    def left(indices: list[int]) -> float:
        covariance = prior.covariance.mean(axis=0)
        features = _core.features(oracle.SPACE, ARCHS[::31], prior.execution[0])
        total = features @ covariance @ features.T
        timed = total[np.ix_(indices, indices)] + 1e-3 * np.eye(len(indices))
        gain = np.linalg.solve(timed, total[indices])
        return float(np.trace(total - total[:, indices] @ gain))

    random = [left(list(rng.choice(len(ARCHS[::31]), 10, replace=False))) for _ in range(20)]
    assert left(chosen) < min(random)


def test_next_reference_is_not_one_that_teaches_nothing() -> None:
    archs, ms = timings(7, 10)
    adapted = EdgewisePredictor(oracle.random_prior(7).core()).adapt(archs, ms)
    unseen = next(arch for arch in ARCHS if arch not in archs and arch.count("none") == 3)
    assert adapted.next_reference([archs[0], unseen]) == unseen
    with pytest.raises(ArgumentError, match="cannot choose 1 references from 0"):
        adapted.next_reference([])


def test_predicting_is_thread_safe() -> None:
    archs, ms = timings(8, 10)
    adapted = oracle.random_prior(8).core().adapt(archs, ms)
    expected = np.array(adapted.predict(ARCHS))
    answers: list[np.ndarray] = []

    def work() -> None:
        answers.extend(np.array(adapted.predict(ARCHS)) for _ in range(5))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 20
    assert all((answer == expected).all() for answer in answers)


@pytest.mark.parametrize("bad", [0.0, -1.0, float("nan"), float("inf")])
def test_an_unusable_timing_is_named(bad: float) -> None:
    archs, ms = timings(9, 5)
    ms[3] = bad
    with pytest.raises(ArgumentError, match="positive number of ms") as caught:
        oracle.random_prior(9).core().adapt(archs, ms)
    assert archs[3] in str(caught.value)


def test_arguments_that_do_not_fit_are_refused() -> None:
    archs, ms = timings(10, 5)
    prior = oracle.random_prior(10).core()
    with pytest.raises(ArgumentError, match="at least 2"):
        prior.adapt(archs[:1], ms[:1])
    with pytest.raises(ArgumentError, match="one timing per architecture"):
        prior.adapt(archs, ms[:4])
    with pytest.raises(ArgumentError, match="cannot choose 6 references from 5 candidates"):
        prior.design(archs, 6)
    adapted = prior.adapt(archs, ms)
    with pytest.raises(ArchitectureError, match="character"):
        adapted.predict("|conv~0|")
    for confidence in (0.0, 1.0, float("nan")):
        with pytest.raises(ArgumentError, match="confidence"):
            adapted.predict(archs, confidence)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("mean", np.zeros(3)),
        ("execution", np.zeros((3, 64))),
        ("noise", np.array([0.01, 0.0, 0.1])),
        ("factors", np.full((oracle.COLUMNS, 30), np.nan)),
        ("factor_variance", np.ones((2, 29))),
        ("own_variance", np.full((2, oracle.COLUMNS), -1.0)),
        ("interval_scale", -1.0),
    ],
)
def test_a_prior_that_does_not_fit_together_is_refused(name: str, value: object) -> None:
    prior = oracle.random_prior(11)
    setattr(prior, name, value)
    with pytest.raises(ArgumentError, match="latency prior"):
        prior.core()


def test_the_prior_of_a_bundle_predicts_as_the_one_it_was_made_of(tmp_path: Path) -> None:
    prior = oracle.random_prior(12)
    tensors = {
        f"edgewise.{name}": np.asarray(value)
        for name, value in vars(prior).items()
        if name not in ("semantics", "floor", "interval_scale")
    }
    tensors["edgewise.semantics"] = np.frombuffer("\n".join(prior.semantics).encode(), np.uint8)
    tensors["edgewise.settings"] = np.array([prior.floor, prior.interval_scale])
    archs, ms = timings(12, 10)
    manifest = {"space": "nasbench201", "references": archs}

    def predictor(path: Path) -> EdgewisePredictor:
        write_bundle(path, kind="latency", name="x", manifest=manifest, tensors=tensors)
        return EdgewisePredictor.from_bundle(Bundle.open(path))

    loaded = predictor(tmp_path / "whole.safetensors")
    assert loaded.references == archs
    expected = prior.core().adapt(archs, ms).predict(ARCHS)
    np.testing.assert_array_equal(loaded.adapt(archs, ms).predict(ARCHS), expected)

    tensors["edgewise.mean"] = np.zeros(3)
    with pytest.raises(BundleError, match="mean has 3 values"):
        predictor(tmp_path / "short.safetensors")
    tensors["edgewise.mean"] = prior.mean.astype(np.float32)
    with pytest.raises(BundleError, match=r"edgewise\.mean is F32"):
        predictor(tmp_path / "narrow.safetensors")
    del tensors["edgewise.mean"]
    with pytest.raises(BundleError, match="holds no 'edgewise' predictor"):
        predictor(tmp_path / "none.safetensors")


def test_a_clock_of_whole_milliseconds_widens_intervals_by_its_rounding() -> None:
    prior = one_hypothesis(oracle.random_prior(14))
    archs, ms = timings(13, 10)
    ms = np.round(ms * 3)
    fine, coarse = (prior.core().adapt(archs, ms + shift).predict(ARCHS) for shift in (0.001, 0.0))
    deviations = [np.log(high / mean) * mean for mean, _, high in (fine, coarse)]
    rounding = np.sqrt(deviations[1] ** 2 - deviations[0] ** 2) / (1.645 * prior.interval_scale)
    assert (rounding > 0.99 / np.sqrt(12)).all()
