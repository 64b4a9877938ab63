"""HELP through its compiled graphs, in every runtime."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edgewise.bundle import Bundle, write_bundle
from edgewise.errors import ArgumentError, BundleError, MeasurementError
from edgewise.latency import calibrate
from edgewise.latency.help import HelpPredictor, one_hot
from edgewise.spaces import Space

Cost = Callable[[str], float]


@pytest.fixture
def predictor(bundle: Bundle, runtime: str) -> HelpPredictor:
    return HelpPredictor.from_bundle(bundle, runtime)


def test_one_many_and_more_than_a_batch_agree(
    predictor: HelpPredictor, cost: Cost, space: Space
) -> None:
    adapted = predictor.adapt(predictor.references, [cost(a) for a in predictor.references])
    archs = space.architectures()[2000:2600]
    many = adapted.predict(archs)
    assert many.ms.shape == (600,)
    for i in (0, 255, 256, 599):
        one = adapted.predict(archs[i])
        assert type(one.ms) is float
        assert one == pytest.approx([column[i] for column in many], rel=1e-5)
    assert adapted.predict([]).ms.shape == (0,)
    assert np.all(many.low <= many.ms)
    assert np.all(many.ms <= many.high)


def test_a_device_twice_as_slow_is_predicted_twice_as_slow(
    predictor: HelpPredictor, cost: Cost, space: Space
) -> None:
    """HELP sees scaled timings only, so this holds exactly, whatever it has learnt."""
    references, archs = predictor.references, space.architectures()[:300]
    fast = predictor.adapt(references, [cost(a) for a in references])
    slow = predictor.adapt(references, [2 * cost(a) for a in references])
    assert np.array_equal(fast.embedding, slow.embedding)
    assert slow.predict(archs).ms == pytest.approx(2 * fast.predict(archs).ms, rel=1e-12)


def test_predictions_stay_positive_on_a_device_unlike_all(
    predictor: HelpPredictor, cost: Cost, space: Space
) -> None:
    """Nearly all of the time is the same for every network but one, far from any device known."""
    times = np.full(len(predictor.references), 0.1)
    times[np.argmax([cost(a) for a in predictor.references])] = 100.0
    prediction = predictor.adapt(predictor.references, times).predict(space.architectures()[::20])
    assert np.all(np.asarray(prediction.ms) >= 0.01 * 0.1)
    assert np.all(prediction.low <= prediction.ms)
    assert np.all(prediction.ms <= prediction.high)
    scaled = predictor.adapt(predictor.references, times * 7).predict(space.architectures()[::20])
    assert np.asarray(scaled.ms) == pytest.approx(7 * np.asarray(prediction.ms))


def test_one_hot_by_hand(space: Space) -> None:
    arch = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|avg_pool_3x3~0|nor_conv_1x1~1|none~2|"
    found = one_hot(space, space.encode(arch)).reshape(6, 5)
    assert found.dtype == np.float32
    assert np.array_equal(found.argmax(1), space.encode(arch)[0])
    assert np.array_equal(found.sum(1), np.ones(6))


def test_the_embedding_is_the_scaled_references(predictor: HelpPredictor, cost: Cost) -> None:
    times = np.array([cost(a) for a in predictor.references])
    adapted = predictor.adapt(predictor.references, times)
    expected = (times - times.min()) / (times.max() - times.min())
    assert adapted.embedding == pytest.approx(expected, abs=1e-7)


def test_the_order_of_timings_does_not_matter(
    predictor: HelpPredictor, cost: Cost, space: Space
) -> None:
    archs = space.architectures()[:20]
    references = predictor.references
    forward = predictor.adapt(references, [cost(a) for a in references])
    backward = predictor.adapt(references[::-1], [cost(a) for a in references[::-1]])
    assert np.array_equal(forward.predict(archs).ms, backward.predict(archs).ms)


def test_adapting_moves_it_towards_the_timings(predictor: HelpPredictor, cost: Cost) -> None:
    """The two inner steps lower the error on what was timed, against a device far from it."""
    references = predictor.references
    mine = np.array([cost(a) for a in references])
    other = mine[::-1].copy()
    own = np.abs(np.asarray(predictor.adapt(references, mine).predict(references).ms) - mine)
    foreign = np.abs(np.asarray(predictor.adapt(references, other).predict(references).ms) - mine)
    assert own.mean() < foreign.mean()


def test_a_larger_confidence_gives_a_wider_interval(predictor: HelpPredictor, cost: Cost) -> None:
    adapted = predictor.adapt(predictor.references, [cost(a) for a in predictor.references])
    narrow, wide = (adapted.predict(predictor.references, c) for c in (0.5, 0.99))
    assert np.array_equal(narrow.ms, wide.ms)
    assert np.all(wide.high - wide.low > narrow.high - narrow.low)
    with pytest.raises(ArgumentError, match="confidence"):
        adapted.predict(predictor.references, 1.0)


def test_it_takes_its_references_and_nothing_else(
    predictor: HelpPredictor, cost: Cost, space: Space
) -> None:
    references = predictor.references
    foreign = next(a for a in space.architectures() if a not in references)
    with pytest.raises(ArgumentError, match="no others"):
        predictor.adapt([*references[:-1], foreign], [1.0] * len(references))
    with pytest.raises(ArgumentError, match="no others"):
        predictor.adapt(references[:-1], [1.0] * (len(references) - 1))
    with pytest.raises(MeasurementError, match="cannot scale"):
        predictor.adapt(references, [2.0] * len(references))
    with pytest.raises(ArgumentError, match="no candidates"):
        predictor.design([foreign], 1)
    adapted = predictor.adapt(references, [cost(a) for a in references])
    with pytest.raises(ArgumentError, match="no timing beyond"):
        adapted.next_reference([foreign])


def test_calibrating_with_help(runtime: str, space: Space, bundle: Bundle) -> None:
    device = calibrate(runtime=runtime, predictor="help", budget_s=3.0, progress=False)
    assert device.info["predictor"] == "help"
    assert [m.name for m in device.measurements] == bundle.manifest["help"]["references"]
    assert np.isfinite(np.asarray(device.predict(space.architectures()[:50]).ms)).all()


def test_other_numbers_of_samples_are_refused(cost: Cost) -> None:
    for samples in (5, 12):
        with pytest.raises(ArgumentError, match=f"samples={samples}"):
            calibrate(measure=cost, predictor="help", samples=samples, progress=False)


def test_a_bundle_without_help(tmp_path: Path, runtime: str) -> None:
    path = tmp_path / "plain.safetensors"
    write_bundle(path, kind="latency", name="x", manifest={"space": "nasbench201"}, tensors={})
    with pytest.raises(BundleError, match="holds no HELP"):
        HelpPredictor.from_bundle(Bundle.open(path), runtime)
