"""The background of an embedder: what is chosen, stored and told by it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from edgewise import _core
from edgewise.bundle import Bundle
from edgewise.fewshot.embedder import calibration_of
from edgewise_converter.compile.embedder_graph import embedder_graph
from edgewise_converter.compile.fewshot_bundle import (
    Calibrated,
    Compiled,
    calibrate,
    write_embedder,
)
from edgewise_converter.compile.zoo_bundle import quantised_rows
from edgewise_converter.fewshot.background import (
    Background,
    choose_background,
    class_directions,
    nearest_means,
    stored_background,
)
from edgewise_converter.fewshot.base_classes import Base
from edgewise_converter.fewshot.embedder import FinishedEmbedder, create_embedder
from edgewise_converter.fewshot.embedder_calibration import Part, auroc, full_cosine, known_scores
from edgewise_converter.fewshot.scorers import Floats

from .fewshot_data import made_up

DIM, SHOTS = 24, 5


def parted(seed: int) -> Part:
    """Twelve classes of forty; all pictures have the first axis in common, some more of it."""
    generator = np.random.default_rng(seed)
    centres = generator.normal(0, 1, (12, 1, DIM))
    features = centres + generator.normal(0, 1, (12, 40, DIM))
    features[..., 0] = generator.exponential(4, (12, 40))
    features[..., 1] = 0
    return Part(features.reshape(-1, DIM).astype(np.float32), [40] * 12)


def axis(at: int) -> Floats:
    """(1, DIM) one direction."""
    return np.eye(DIM, dtype=np.float32)[[at]]


def test_directions_are_the_means_of_unit_vectors() -> None:
    generator = np.random.default_rng(0)
    features = generator.normal(0, 1, (9, 4)).astype(np.float32)
    found = class_directions(Part(features, [2, 3, 4]))
    at = 0
    for direction, size in zip(found, (2, 3, 4), strict=True):
        rows = features[at : at + size].astype(np.float64)
        mean = np.mean([row / np.linalg.norm(row) for row in rows], axis=0)
        np.testing.assert_allclose(direction, mean / np.linalg.norm(mean), atol=1e-6)
        at += size


def test_means_are_of_the_nearest() -> None:
    generator = np.random.default_rng(1)
    directions = class_directions(
        Part(generator.normal(0, 1, (10, 6)).astype(np.float32), [1] * 10)
    )
    queries = generator.normal(0, 5, (3, 7, 6)).astype(np.float32)
    found = nearest_means(directions, queries, [1, 4, 10])
    assert found.shape == (3, 7, 3)
    cosines = sorted(float(d @ queries[2, 5] / np.linalg.norm(queries[2, 5])) for d in directions)
    expected = [np.mean(cosines[-count:]) for count in (1, 4, 10)]
    np.testing.assert_allclose(found[2, 5], expected, atol=1e-6)


def test_the_device_takes_off_the_same() -> None:
    generator = np.random.default_rng(2)
    rows, scales = quantised_rows(class_directions(parted(2)))
    queries = generator.normal(0, 5, (30, DIM)).astype(np.float32)
    background = Background(rows, scales, 0.7, 3)
    device = _core.Background(rows, scales, 0.7, 3)
    np.testing.assert_allclose(device.level(queries), background.level(queries), atol=0.01)
    labelled = generator.normal(0, 1, (1, 5, SHOTS, DIM)).astype(np.float32)
    plain, less = full_cosine(labelled, queries[None]), background.rate(labelled, queries[None])
    np.testing.assert_allclose(
        plain - less, np.tile(background.level(queries)[:, None], 5)[None], atol=1e-6
    )


def test_a_background_that_helps_is_chosen() -> None:
    parts = [parted(3), parted(4)]
    found = choose_background(*quantised_rows(axis(0)), parts, SHOTS)
    assert found is not None
    assert 0 < found.share < 1
    assert found.nearest == 1
    for part in parts:
        without, less = (known_scores(part, SHOTS, rate=rate) for rate in (full_cosine, found.rate))
        assert auroc(*less) > auroc(*without) + 0.01
    assert found.rule() == {"rule": "background", "share": found.share, "nearest": 1}


@pytest.mark.parametrize("direction", [-axis(0), axis(1)], ids=["harms", "says nothing"])
def test_a_background_that_does_not_help_is_left_out(direction: Floats) -> None:
    assert choose_background(*quantised_rows(direction), [parted(5)], SHOTS) is None


@pytest.fixture(scope="module")
def bases() -> list[Base]:
    """Forty made-up classes: twenty to learn from, ten to validate with."""
    benchmark = made_up(classes=40)
    return [Base(benchmark, benchmark.split.train, benchmark.images.rows(benchmark.split.train))]


@pytest.fixture(scope="module")
def finished() -> FinishedEmbedder:
    embedder = create_embedder("small", 0).eval()
    return FinishedEmbedder(embedder, root=False, centre=torch.zeros(embedder.widths.dim)).eval()


def test_what_is_chosen_is_stored(
    finished: FinishedEmbedder, bases: list[Base], tmp_path: Path
) -> None:
    found = calibrate(embedder_graph(finished), bases)
    measured = found.metrics["made_up"]
    assert measured["auroc"] >= measured["best_score"]["auroc"]
    path = tmp_path / "embedder.safetensors"
    write_embedder(
        path,
        Compiled(finished, embedder_graph(finished), {}, {}, {}),
        bases,
        calibrated=found,
        metrics={},
        about={"size": "small"},
    )
    bundle = Bundle.open(path, kind="embedder")
    assert bundle.manifest["metrics"]["validation"] == found.metrics
    stored = stored_background(bundle)
    assert (stored is None) == (found.constants["unknown"]["rule"] == "best_score")


def test_a_bundle_holds_the_background(
    finished: FinishedEmbedder, bases: list[Base], tmp_path: Path
) -> None:
    dim = finished.embedder.widths.dim
    generator = np.random.default_rng(6)
    directions = class_directions(
        Part(generator.normal(0, 1, (20, dim)).astype(np.float32), [1] * 20)
    )
    background = Background(*quantised_rows(directions), 0.7, 10)
    path = tmp_path / "embedder.safetensors"
    unknown = {**background.rule(), "threshold": 0.25, "shots": SHOTS}
    write_embedder(
        path,
        Compiled(finished, embedder_graph(finished), {}, {}, {}),
        bases,
        calibrated=Calibrated({"temperature": 12.0, "unknown": unknown}, background.tensors(), {}),
        metrics={},
        about={},
    )
    bundle = Bundle.open(path, kind="embedder")
    assert bundle.tensor("background").dtype == np.int8
    assert bundle.tensor("background.scale").dtype == np.float32
    stored = stored_background(bundle)
    assert stored is not None
    assert stored.rule() == background.rule()
    queries = generator.normal(0, 1, (9, dim)).astype(np.float32)
    calibration = calibration_of(bundle, "embedder")
    assert calibration[:2] == (12.0, 0.25)
    assert calibration.background is not None
    np.testing.assert_allclose(
        calibration.background.level(queries), stored.level(queries), atol=0.01
    )
