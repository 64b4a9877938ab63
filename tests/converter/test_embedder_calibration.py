"""Calibration of an embedder: each figure against a slow count of its own."""

from __future__ import annotations

import numpy as np
import pytest

from edgewise_converter.fewshot.embedder_calibration import (
    Part,
    accuracy,
    auroc,
    calibration_error,
    choose_finish,
    finishes,
    fit_temperature,
    fit_threshold,
    kept_and_rejected,
    known_scores,
)

WAYS, QUERIES = 5, 15


@pytest.fixture(scope="module")
def part() -> Part:
    """Twelve classes of thirty noisy directions."""
    generator = np.random.default_rng(0)
    centres = generator.normal(0, 1, (12, 1, 24))
    features = np.abs(centres + generator.normal(0, 1.2, (12, 30, 24)) + 1).reshape(-1, 24)
    return Part(features.astype(np.float32), [30] * 12)


def test_scores_are_cosines_to_mean_directions(part: Part) -> None:
    known, unknown = known_scores(part, 5, episodes=20)
    assert known.shape == unknown.shape == (20, WAYS * QUERIES, WAYS)
    assert np.abs(known).max() <= 1 + 1e-9
    truth = np.repeat(np.arange(WAYS), QUERIES)
    right = known[:, np.arange(WAYS * QUERIES), truth].mean()
    assert right > known.mean() > unknown.mean() - 0.1
    assert right > unknown.mean()


def test_area_under_the_curve_counts_pairs() -> None:
    generator = np.random.default_rng(1)
    known = generator.integers(0, 6, (3, 10, 2)).astype(np.float64)
    unknown = generator.integers(0, 5, (3, 10, 2)).astype(np.float64)
    inside, outside = known.max(-1).ravel(), unknown.max(-1).ravel()
    pairs = [(a > b) + 0.5 * (a == b) for a in inside for b in outside]
    assert auroc(known, unknown) == pytest.approx(np.mean(pairs))


def test_calibration_error_is_the_mean_gap_of_the_bins() -> None:
    # Two queries, one of each class, always 0.7 sure of the first: half of them are right.
    scores = np.broadcast_to(np.log([0.7, 0.3]), (4, 2, 2)).copy()
    assert calibration_error(scores, 1.0) == pytest.approx(0.2)
    assert calibration_error(np.zeros((4, 2, 2)), 1.0) == pytest.approx(0.0)


def test_the_temperature_is_found_again() -> None:
    generator = np.random.default_rng(2)
    logits = generator.normal(0, 2, (4000, 5))
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    drawn = (shares.cumsum(1) < generator.random((4000, 1))).sum(1).clip(0, 4)
    by_class = [logits[drawn == at][:500] for at in range(5)]
    scores = np.concatenate(by_class)[None] / 20.0
    assert fit_temperature([scores]) == pytest.approx(20.0, rel=0.2)
    assert calibration_error(scores, 20.0) < calibration_error(scores, 80.0)


def test_the_threshold_parts_known_from_unknown() -> None:
    generator = np.random.default_rng(3)
    known = generator.uniform(0.5, 0.9, (10, 5, 2))
    unknown = generator.uniform(-0.2, 0.4, (10, 5, 2))
    threshold = fit_threshold([(known, unknown)])
    assert unknown.max() < threshold <= known.max(-1).min()
    assert kept_and_rejected(known, unknown, threshold) == (1.0, 1.0)
    kept, rejected = kept_and_rejected(known, unknown, 0.7)
    assert kept == pytest.approx((known.max(-1) >= 0.7).mean())
    assert rejected == 1.0


def test_the_best_finish_is_chosen(part: Part) -> None:
    # A part that all features share hides the directions until it is taken away.
    shifted = Part(part.features + 30, part.sizes)
    candidates = finishes(shifted.features)
    assert len(candidates) == 10
    name, found = choose_finish(candidates, [shifted])
    assert found[name] == max(found.values())
    assert found["centre × 1"] > found["centre × 0"]
    assert np.array_equal(candidates["centre × 0"].apply(shifted.features), shifted.features)
    finished = candidates["centre × 1"].apply(shifted.features)
    assert np.abs(finished.mean(0)).max() < 1e-3
    both = [accuracy(Part(finished, part.sizes), shots) for shots in (1, 5)]
    assert found["centre × 1"] == pytest.approx(np.mean(both))
