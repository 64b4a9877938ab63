"""Evaluation: the command's figures are those that one computes by hand from the same files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from edgewise.bundle import write_bundle
from edgewise.errors import ArgumentError
from edgewise_converter import cli
from edgewise_converter.fewshot.accuracy import accuracies, draw_episodes, interval
from edgewise_converter.fewshot.clusters import cluster_quality
from edgewise_converter.fewshot.embedders import BundleEmbedder, RawPixels, open_embedder
from edgewise_converter.fewshot.embedding import Embedded, embed_all
from edgewise_converter.fewshot.episodes import EpisodeShape
from edgewise_converter.fewshot.evaluation import Pictures
from edgewise_converter.fewshot.learner import LEARNERS, create_learner
from edgewise_converter.fewshot.learner_file import save_learner
from edgewise_converter.images.overlaps import seen

from .fewshot_data import made_up, write_set


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A benchmark in the place of CIFAR-FS, and two small sets."""
    folder = tmp_path_factory.mktemp("data")
    benchmark = made_up()
    write_set(folder / "cifar100.parquet", benchmark.images)
    split = {part: benchmark.split.part(part) for part in ("train", "val", "test")}
    (folder / "splits.json").write_text(json.dumps({"cifar_fs": split}))
    write_set(folder / "flowers5.parquet", made_up(4, 1).images, ("rose", "tulip", "pear", "oak"))
    write_set(folder / "shapes.parquet", made_up(6, 2).images)
    return folder


@pytest.fixture
def learner(tmp_path: Path) -> Callable[..., Path]:
    def write(kind: str = "protonet", seed: int = 0, *trained: str) -> Path:
        made = create_learner(kind, shots=(1, 5), size=(16, 16), seed=seed, width=8).eval()
        path = tmp_path / f"{kind}-{seed}.safetensors"
        save_learner(path, made, trained or ["cifar100/class 0"], {})
        return path

    return write


def evaluate(data: Path, *words: str) -> int:
    common = ["evaluate", "fewshot", "--data", str(data), "--cache", str(data / "cache")]
    return cli.main([*common, "--dataset", *words])


def test_the_command_scores_models_side_by_side(
    data: Path,
    learner: Callable[..., Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    results, values, picture = (tmp_path / name for name in ("a.json", "a.npz", "a.png"))
    both = f"{learner('protonet', 1)},{learner('protonet', 2)}"
    code = evaluate(
        data,
        *("cifar_fs", "--model", f"two={both}", "--model", f"relation={learner('relationnet')}"),
        *("--compare", "raw pixels", "--settings", "5x1,3x5,20x1", "--episodes", "40"),
        *("--json", str(results), "--accuracies", str(values), "--clusters"),
        *("--tsne", str(picture)),
    )
    assert code == 0
    told = json.loads(results.read_text())
    assert told["models"] == {"raw pixels": 1, "two": 2, "relation": 1}
    (result,) = told["results"]
    assert [each["queries"] for each in result["scores"]] == [15, 15]
    assert len(result["classes"]) == 6  # the test part
    assert [(each["ways"], each["shots"]) for each in result["scores"]] == [(5, 1), (3, 5)]
    arrays = np.load(values)
    first = result["scores"][0]
    for name in told["models"]:
        each = interval(arrays[f"cifar_fs/5x1/{name}"])
        assert first["accuracy"][name]["mean"] == pytest.approx(100 * each.mean, abs=1e-3)
        assert first["accuracy"][name]["half"] == pytest.approx(100 * each.half, abs=1e-3)
    paired = interval(arrays["cifar_fs/5x1/two"] - arrays["cifar_fs/5x1/raw pixels"])
    assert first["difference"]["two"]["mean"] == pytest.approx(100 * paired.mean, abs=1e-3)
    seeds = [each["mean"] for each in first["by_file"]["two"]]
    assert np.mean(seeds) == pytest.approx(first["accuracy"]["two"]["mean"], abs=1e-3)
    assert set(result["clusters"]) == set(told["models"])
    with Image.open(picture) as drawn:
        assert drawn.size == (1000, 500)
    out = capsys.readouterr().out
    assert "cifar_fs: 6 classes\n  5-way 1-shot: raw pixels " in out
    assert "relation: silhouette" in out


def test_raw_pixels_by_hand(data: Path, tmp_path: Path) -> None:
    benchmark = made_up()
    embedded = embed_all(RawPixels(), benchmark.images.images, benchmark.rows("test"))
    assert embedded.features.shape == (6 * 24, 16 * 16 * 3)
    assert embedded.sizes == (24,) * 6
    pixels = benchmark.images.images[benchmark.rows("test")[2][3]] / 255
    np.testing.assert_allclose(embedded.features[2 * 24 + 3], pixels.ravel(), rtol=1e-6)
    shape = EpisodeShape(5, 1, 15)
    episodes = draw_episodes(embedded.sizes, shape, 40, 0)
    right = []
    for episode in episodes:
        images = embedded.features[episode].astype(np.float64)
        distance = np.linalg.norm(images[:, 1:, None] - images[None, None, :, 0], axis=-1)
        right.append((distance.argmin(-1) == np.arange(5)[:, None]).mean())
    values = tmp_path / "a.npz"
    words = ("cifar_fs", "--settings", "5x1", "--episodes", "40", "--accuracies", str(values))
    assert evaluate(data, *words) == 0
    np.testing.assert_allclose(np.load(values)["cifar_fs/5x1/raw pixels"], right)


@pytest.mark.parametrize("kind", LEARNERS)
def test_a_learner_is_scored_as_it_classifies(kind: str, learner: Callable[..., Path]) -> None:
    embedder = open_embedder(str(learner(kind)))
    made = create_learner(kind, shots=(1, 5), size=(16, 16), seed=0, width=8).eval()
    benchmark = made_up()
    embedded = embed_all(embedder, benchmark.images.images, benchmark.rows("test"))
    shape = EpisodeShape(3, 5, 4)
    (episode,) = draw_episodes(embedded.sizes, shape, 1, 5)
    (found,) = accuracies(embedded.features, episode[None], shape, embedder.scorer)
    images = np.concatenate([benchmark.images.images[rows] for rows in benchmark.rows("test")])
    pixels = torch.from_numpy(images[episode].astype(np.float32) / 63.75 - 2).movedim(-1, 2)
    with torch.inference_mode():
        maps = made.embedder(pixels.flatten(0, 1)).unflatten(0, (3, 9))
        means, asked = maps[:, :5].mean(1), maps[:, 5:].flatten(0, 1)
        if kind == "relationnet":
            head = made.head
            scores = head.relate(head.of_class(means), head.of_query(asked))  # type: ignore[operator]
        else:
            scores = -torch.cdist(asked.flatten(1), means.flatten(1))
    right = scores.argmax(1) == torch.arange(3).repeat_interleave(4)
    assert found == pytest.approx(float(right.float().mean()))


def test_small_sets_are_asked_less(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--settings", "5x1,5x20,5x24,20x1", "--episodes", "2")
    assert evaluate(data, "flowers5", *words) == 0
    rows = capsys.readouterr().out.splitlines()
    assert [row.split(":")[0].strip() for row in rows] == [
        "flowers5",
        "4-way 1-shot",
        "4-way 20-shot",
    ]


def test_classes_that_were_trained_on_are_left_out(
    data: Path, learner: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    path = learner("protonet", 0, "cifar100/rose", "cifar100/pear", "cifar100/class 20", "shapes")
    words = ("--model", f"m={path}", "--settings", "5x1", "--episodes", "2")
    assert evaluate(data, "cross_domain", *words) == 1
    out = capsys.readouterr()
    # pear of flowers5 is nowhere listed as the pear of CIFAR-100
    assert "flowers5: 3 classes; left out, because trained on: rose\n  3-way 1-shot" in out.out
    assert "shapes: 6 of its 6 test classes were trained on, 0 are left" in out.err
    assert evaluate(data, "cifar_fs", *words) == 0
    assert "5 classes; left out, because trained on: class 20" in capsys.readouterr().out


def test_overlaps_are_stars() -> None:
    assert seen(["a/b"]) == {"a/b"}
    assert seen(["cifar100/lion"]) == {"cifar100/lion", "miniimagenet/n02129165"}
    assert seen(["miniimagenet/n02129165"]) == {"cifar100/lion", "miniimagenet/n02129165"}
    assert "cifar10/dog" in seen(["miniimagenet/n02089867"])
    assert "miniimagenet/n02099601" not in seen(["miniimagenet/n02089867"])
    assert {"miniimagenet/n13054560", "groceries/Mushroom"} <= seen(["cifar100/mushroom"])


def test_every_listed_class_exists(shared_data: Path) -> None:
    from edgewise_converter.images import overlaps

    names: dict[str, set[str]] = {}
    for entry in {each for group in overlaps._SAME for each in group}:
        source, name = entry.split("/", 1)
        names.setdefault(source, set()).add(name)
    for source, classes in names.items():
        schema = pq.read_schema(shared_data / "images" / f"{source}.parquet")
        about = json.loads(schema.metadata[b"huggingface"])
        assert classes <= set(about["info"]["features"]["label"]["names"]), source


def test_bad_requests_are_named(
    data: Path, learner: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    path = learner()
    for words, message in (
        (("nowhere",), "unknown benchmark 'nowhere'"),
        (("cifar_fs", "--compare", "x"), "--compare names 'x', known are raw pixels"),
        (("cifar_fs", "--no-raw-pixels"), "nothing to score"),
        (("cifar_fs", "--model", f"raw pixels={path}"), "two models are called 'raw pixels'"),
        (("cifar_fs", "--model", "m=nowhere.safetensors"), "nowhere.safetensors"),
        (("cifar_fs", "--episodes", "1"), "at least 2 episodes, not 1"),
    ):
        assert evaluate(data, *words) == 1
        assert message in capsys.readouterr().err
    for words in (("cifar_fs", "--settings", "5"), ("cifar_fs", "--model", "=x")):
        with pytest.raises(SystemExit, match="2"):
            evaluate(data, *words)
    with pytest.raises(ArgumentError, match="no small set"):
        Pictures(data / "cache").names("cross_domain")


def test_a_bundle_is_run_by_its_runtime(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    helper, kinds = onnx.helper, onnx.TensorProto
    nodes = [
        helper.make_node("Cast", ["image"], ["real"], to=kinds.FLOAT),
        helper.make_node("ReduceMean", ["real"], ["out"], axes=[1, 2], keepdims=0),
    ]
    inputs = [helper.make_tensor_value_info("image", kinds.UINT8, [1, 6, 5, 3])]
    outputs = [helper.make_tensor_value_info("out", kinds.FLOAT, [1, 3])]
    graph = helper.make_graph(nodes, "mean", inputs, outputs)
    opsets = [helper.make_opsetid("", 13)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString()
    path = tmp_path / "e.safetensors"
    write_bundle(
        path,
        kind="embedder",
        name="colours",
        manifest={
            "trained_on": ["cifar100/apple"],
            "embedder": {
                "dim": 3,
                "image": [6, 5, 3],
                "metric": "cosine",
                "temperature": 1.0,
                "unknown": {"threshold": 0.5},
                "weights": ["int8"],
            },
        },
        tensors={"embedder.int8.onnx": np.frombuffer(model, np.uint8)},
    )
    embedder = open_embedder(f"{path}:int8", runtime="onnxruntime")
    assert isinstance(embedder, BundleEmbedder)
    assert (embedder.size, embedder.trained_on) == (None, ("cifar100/apple",))
    images = np.random.default_rng(0).integers(0, 256, (4, 6, 5, 3), dtype=np.uint8)
    embedded = embed_all(embedder, images, [np.array([2, 0]), np.array([3])])
    np.testing.assert_allclose(embedded.features, images[[2, 0, 3]].mean((1, 2)), rtol=1e-5)
    with pytest.raises(ArgumentError, match=r"has no float32 model for runtimes that read onnx"):
        open_embedder(f"{path}:float32", runtime="onnxruntime")


def test_clusters_by_hand() -> None:
    features = np.array([[0, 0], [0, 2], [10, 0], [10, 2]], np.float32)
    found = cluster_quality(Embedded(features, (2, 2)))
    assert (found.intra, found.inter, found.ratio) == (1, 10, 0.1)
    near, far = 2, (10 + 104**0.5) / 2
    assert found.silhouette == pytest.approx((far - near) / far, rel=1e-5)
