"""The embedder that ships: small enough, whole, as accurate as its models say, and not spoilt."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from edgewise.bundle import Bundle
from edgewise.runtimes import available_runtimes, get_runtime
from edgewise_converter.fewshot.accuracy import accuracies, draw_episodes
from edgewise_converter.fewshot.embedder_weights import embedder_of
from edgewise_converter.fewshot.embedders import BundleEmbedder
from edgewise_converter.fewshot.embedding import embed_all
from edgewise_converter.fewshot.episodes import EpisodeShape
from edgewise_converter.fewshot.scorers import cosine
from edgewise_converter.images.benchmarks import open_benchmark
from edgewise_converter.images.overlaps import seen

PATH = Path(__file__).resolve().parents[2] / "sdk/edgewise/bundles/embedder.safetensors"
MOST_BYTES = 3_000_000
PICTURES = 20  # of each class


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return Bundle.open(PATH, kind="embedder")


def test_it_is_small_and_whole(bundle: Bundle) -> None:
    assert PATH.stat().st_size <= MOST_BYTES
    bundle.verify()
    for precision in ("float32", "int8"):
        for form in ("tflite", "onnx"):
            assert f"embedder.{precision}.{form}" in bundle
    about = bundle.manifest["embedder"]
    assert about["image"] == [84, 84, 3]
    assert about["weights"] == ["float32", "int8"]
    assert about["temperature"] > 1
    assert -1 < about["unknown"]["threshold"] < 1
    assert bundle.manifest["licence"]


def test_every_model_was_checked(bundle: Bundle) -> None:
    parity = bundle.manifest["metrics"]["parity"]
    assert len(parity) == 4
    for name, found in parity.items():
        assert found
        assert all(each["error"] <= (1e-5 if "float32" in name else 0.06) for each in found)


def test_nothing_that_it_learnt_is_tested_with(bundle: Bundle, shared_data: Path) -> None:
    splits = json.loads((shared_data / "images/splits.json").read_text())
    known = seen(bundle.manifest["trained_on"])
    for name, source in (("cifar_fs", "cifar100"), ("mini_imagenet", "miniimagenet")):
        assert not {f"{source}/{each}" for each in splits[name]["test"]} & known


def test_precisions_and_runtimes_agree(bundle: Bundle) -> None:
    coarse = np.random.default_rng(0).integers(0, 256, (1, 7, 7, 3), np.uint8)
    picture = coarse.repeat(12, 1).repeat(12, 2)
    found = []
    for runtime in map(get_runtime, available_runtimes()):
        for precision in ("float32", "int8"):
            session = runtime.load(bundle.blob(f"embedder.{precision}.{runtime.format}"))
            (answer,) = session.run(picture.astype(session.inputs[0].dtype))
            found.append(answer.astype(np.float64).ravel())
    units = np.stack(found) / np.linalg.norm(found, axis=1, keepdims=True)
    assert (units @ units.T).min() > 0.97


def test_a_training_can_go_on_from_it(bundle: Bundle) -> None:
    embedder = embedder_of(bundle)
    pixels = torch.rand(1, 3, 84, 84, generator=torch.Generator().manual_seed(0)) * 255
    with torch.no_grad():
        unfinished = embedder(pixels).numpy()
    assert np.isfinite(unfinished).all()
    assert unfinished.max() > 0


@pytest.mark.parametrize("precision", ["float32", "int8"])
@pytest.mark.parametrize(("dataset", "least"), [("mini_imagenet", 62), ("cifar_fs", 68)])
def test_unseen_classes_are_told_apart(
    bundle: Bundle, shared_data: Path, dataset: str, least: float, precision: str
) -> None:
    embedder = BundleEmbedder(bundle, runtime="litert", precision=precision)
    benchmark = open_benchmark(dataset, shared_data / "images")
    rows = [each[:PICTURES] for each in benchmark.rows("test")]
    images = benchmark.images.images[np.concatenate(rows)]
    places = np.arange(len(images)).reshape(len(rows), PICTURES)
    embedded = embed_all(embedder, images, list(places))
    shape = EpisodeShape(5, 5, 15)
    episodes = draw_episodes(embedded.sizes, shape, 300, 0)
    found = 100 * accuracies(embedded.features, episodes, shape, cosine).mean()
    assert found > least
