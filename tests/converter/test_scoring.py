"""Scores against scipy and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from edgewise_converter.latency.scoring import (
    Estimate,
    Score,
    mean_score,
    middle,
    score,
    spearman,
    summarise,
    summarise_scores,
)


def test_rank_correlation_is_scipys_ties_included() -> None:
    generator = np.random.default_rng(0)
    for _ in range(20):
        true = generator.integers(0, 12, 60).astype(float)
        predicted = np.round(true + generator.normal(0, 4, 60), 1)
        assert spearman(predicted, true) == pytest.approx(spearmanr(predicted, true)[0], abs=1e-12)


def test_a_constant_prediction_ranks_nothing() -> None:
    assert spearman(np.ones(5), np.arange(5.0)) == 0.0


def test_middle_is_the_published_codes() -> None:
    true = np.random.default_rng(1).permutation(1000).astype(float)
    kept = middle(true)
    assert sorted(true[kept]) == list(range(100, 900))
    assert (np.diff(kept) > 0).all()


def test_scores_by_hand() -> None:
    true = np.array([1.0, 2.0, 4.0, 8.0, 0.01])
    estimate = Estimate(
        np.array([1.1, 1.8, 4.0, 8.0, 1.0]),
        np.array([1.0, 1.7, 4.1, 7.0, 0.5]),
        np.array([1.2, 1.9, 4.5, 9.0, 1.5]),
    )
    found = score(estimate, true, np.array([True, True, True, True, False]))
    # The last network has no path from input to output: ranked and covered, but no relative error.
    assert found.mape == pytest.approx(100 * (0.1 + 0.1 + 0 + 0) / 4)
    assert found.coverage == pytest.approx(100 * 2 / 5)
    assert found.width == pytest.approx(100 * (0.2 / 1.1 + 0.2 / 1.8 + 0.4 / 4 + 2 / 8) / 4)
    assert found.spearman_all == pytest.approx(1.0)


def test_without_intervals_nothing_is_said_of_them() -> None:
    found = score(Estimate(np.arange(1.0, 31.0)), np.arange(1.0, 31.0), np.ones(30, bool))
    assert found == Score(1.0, 1.0, 0.0, None, None)
    assert set(summarise_scores([found])) == {"spearman_mid", "spearman_all", "mape"}


def test_summaries_use_the_sample_deviation() -> None:
    assert summarise([1.0, 2.0, 6.0]).mean == 3.0
    assert summarise([1.0, 2.0, 6.0]).deviation == pytest.approx(np.sqrt(7))
    assert summarise([4.0]).deviation == 0.0
    scores = [Score(0.5, 0.75, 1.0, 80.0, 3.0), Score(1.0, 0.25, 3.0, 90.0, 5.0)]
    assert mean_score(scores) == Score(0.75, 0.5, 2.0, 85.0, 4.0)
