"""Statistics of a query, against a plain twin."""

from __future__ import annotations

import numpy as np
import pytest

from edgewise.errors import ArgumentError
from edgewise.retrieval.statistics import STATISTICS, query_statistics, statistics_size


def test_equal_a_plain_twin() -> None:
    generator = np.random.default_rng(0)
    embeddings = generator.normal(size=(9, 4)).astype(np.float32)
    labels = np.array([7, 7, 2, 2, 2, 5, 5, 5, 5])
    unit = [row / np.sqrt(sum(float(v) ** 2 for v in row)) for row in embeddings.astype(float)]
    groups = {c: [u for u, own in zip(unit, labels, strict=True) if own == c] for c in (2, 5, 7)}
    means = [np.mean(groups[c], axis=0) for c in (2, 5, 7)]
    right = 0
    for at, row in enumerate(unit):
        best = {}
        for c in groups:
            others = [u for i, u in enumerate(unit) if labels[i] == c and i != at]
            mean = np.mean(others, axis=0)
            best[c] = float(row @ mean / np.linalg.norm(mean))
        right += max(best, key=lambda c: best[c]) == labels[at]
    expected = [
        *np.mean(unit, axis=0),
        *np.std(unit, axis=0),
        *np.std(means, axis=0),
        np.log10(3),
        right / 9,
    ]
    found = query_statistics(embeddings, labels, STATISTICS)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert statistics_size(STATISTICS, 4) == len(expected) == 14


def test_scale_and_order_of_pictures_do_not_matter() -> None:
    generator = np.random.default_rng(1)
    embeddings = generator.normal(size=(12, 5)).astype(np.float32)
    labels = np.repeat([0, 1, 2], 4)
    order = generator.permutation(12)
    found = query_statistics(embeddings, labels, STATISTICS)
    other = query_statistics(3 * embeddings[order], labels[order] + 10, STATISTICS)
    np.testing.assert_allclose(other, found, atol=1e-6)


def test_a_class_of_one_picture_is_like_nothing() -> None:
    embeddings = np.eye(3, dtype=np.float32)
    assert query_statistics(embeddings, np.arange(3), ["separation"]) == 0
    assert query_statistics(np.zeros((2, 3), np.float32), np.zeros(2, int), ["mean"]).any() == 0


def test_an_unknown_statistic_is_named() -> None:
    with pytest.raises(ArgumentError, match=r"'median'.*known are mean"):
        query_statistics(np.eye(2, dtype=np.float32), np.arange(2), ["mean", "median"])
