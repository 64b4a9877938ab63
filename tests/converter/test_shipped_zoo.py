"""The zoo that ships: whole, small, of sets that it may be of, and good for what it says."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edgewise.retrieval import ModelZoo
from edgewise_converter.retrieval.licences import may_ship

MOST_BYTES = 25_000_000


def test_it_learnt_from_what_may_ship_alone() -> None:
    zoo = ModelZoo()
    assert may_ship(zoo.bundle.manifest["trained_on"])
    for entry in zoo:
        assert may_ship(entry.trained_on), entry.name
        assert "(" in entry.licence


def test_it_is_whole_and_says_how_it_was_made() -> None:
    bundle = ModelZoo().bundle
    bundle.verify()
    assert Path(bundle.path).stat().st_size <= MOST_BYTES
    about = bundle.manifest
    assert about["metrics"]["int8"]["mean_lost"] < 0.005
    assert about["metrics"]["classifier"]["calibration_error"] < 0.05
    assert max(each["error"] for each in about["metrics"]["parity"]["networks"]) < 1e-5
    for key in ("seed", "command", "licence"):
        assert about[key] is not None


def test_it_answers_and_its_networks_run() -> None:
    zoo = ModelZoo()
    generator = np.random.default_rng(0)
    pictures = generator.integers(0, 256, (6, 40, 40, 3), np.uint8)
    hits = zoo.retrieve(pictures, list("aabbcc"), k=3, max_params=100_000)
    assert len(hits) == 3
    assert all(hit.params <= 100_000 for hit in hits)
    answer = hits[0].classifier(pictures, list("aabbcc")).predict(pictures)
    assert set(answer.label) <= {"a", "b", "c", None, "unknown"}
    features = hits[0].load().features(pictures[:2])
    assert features.shape == (2, 160)
    assert np.isfinite(features).all()
