"""Learners as bundles: the relation module behind the interface of the prototype head."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from edgewise.bundle import Bundle
from edgewise.runtimes import available_runtimes, get_runtime
from edgewise_converter.compile.learner_bundle import squared_distances, write_learner
from edgewise_converter.fewshot.conv4 import standardise
from edgewise_converter.fewshot.learner import create_learner
from edgewise_converter.fewshot.relation import RelationHead
from edgewise_converter.fewshot.scorers import relation

from .fewshot_data import SIDE, made_up

LABELLED = 3


@pytest.mark.slow
def test_a_relation_module_compares_two_embeddings(tmp_path: Path) -> None:
    learner = create_learner("relationnet", shots=(1,), size=(SIDE, SIDE), seed=0, width=8).eval()
    benchmark = made_up(classes=40)
    path = tmp_path / "relation.safetensors"
    metrics = write_learner(
        path, learner, benchmark, trained_on=["made up/class 0"], about={"seed": 0}
    )
    assert set(metrics) == {"embedder", "relation"}
    bundle = Bundle.open(path, kind="embedder")
    about = bundle.manifest
    dim = about["embedder"]["dim"]
    assert about["embedder"]["metric"] == "euclidean"
    assert about["relation"]["temperature"] > 0
    assert about["relation"]["unknown"]["rule"] == "best_score"
    assert about["trained_on"] == ["made up/class 0"]

    images = benchmark.images.images[: LABELLED + 1]
    with torch.inference_mode():
        features = learner.embedder(standardise(images)).flatten(1).numpy()
    assert dim == features.shape[1]
    assert isinstance(learner.head, RelationHead)
    mean, query = features[:LABELLED].mean(0, keepdims=True), features[LABELLED:]
    expected = relation(learner.head)(features[None, None, :LABELLED], query[None])[0]
    for name in available_runtimes():
        runtime = get_runtime(name)
        embed = runtime.load(bundle.blob(f"embedder.float32.{runtime.format}"))
        for image, want in zip(images, features, strict=True):
            (found,) = embed.run(image[None].astype(np.float32))
            np.testing.assert_allclose(found[0].astype(np.float32), want, atol=1e-4)
        compare = runtime.load(bundle.blob(f"relation.float32.{runtime.format}"))
        assert [each.shape for each in compare.inputs] == [(1, dim), (1, dim)]
        (score,) = compare.run(mean, query)
        np.testing.assert_allclose(score.astype(np.float32), expected, atol=1e-4)
        (turned,) = compare.run(query, mean)
        assert (
            abs(float(turned.ravel()[0]) - float(expected.ravel()[0])) > 1e-5
        )  # which is which matters


@pytest.mark.slow
def test_prototypes_are_calibrated_on_squared_distances(tmp_path: Path) -> None:
    learner = create_learner("protonet", shots=(1,), size=(SIDE, SIDE), seed=0, width=8).eval()
    path = tmp_path / "protonet.safetensors"
    write_learner(path, learner, made_up(classes=40), trained_on=[], about={})
    bundle = Bundle.open(path, kind="embedder")
    assert "relation" not in bundle.manifest
    measured = bundle.manifest["metrics"]["validation"]["embedder"]
    assert measured["calibration_error"] < 0.1
    assert measured["auroc"] > 0.6
    assert bundle.manifest["embedder"]["unknown"]["threshold"] < 0


def test_squared_distances_are_whole() -> None:
    generator = np.random.default_rng(0)
    labelled = generator.normal(0, 1, (2, 3, 4, 6)).astype(np.float32)
    queries = generator.normal(0, 1, (2, 5, 6)).astype(np.float32)
    found = squared_distances(labelled, queries)
    for episode in range(2):
        for at in range(5):
            for label in range(3):
                difference = queries[episode, at] - labelled[episode, label].mean(0)
                expected = -float((difference**2).sum())
                assert found[episode, at, label] == pytest.approx(expected, abs=1e-4)
