"""What a classifier takes from its bundle: models by precision and runtime, heads, constants."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import edgewise as sdk
from edgewise.bundle import Bundle, write_bundle
from edgewise.errors import ArgumentError, BundleError, EdgewiseError, PictureError
from edgewise.fewshot.embedder import Embedder
from edgewise.fewshot.pictures import each_picture, ready

from . import embedder_by_hand as by_hand
from . import onnx_by_hand as onnx

SIDE = by_hand.SIDE
RELATION_THRESHOLD = 0.75
COLOURS = {"red": (230, 20, 20), "green": (20, 220, 30), "blue": (10, 30, 240)}


def pictures(label: str, count: int, seed: int) -> NDArray[np.uint8]:
    """(count, SIDE, SIDE, 3) of about one colour."""
    noise = np.random.default_rng(seed).integers(-10, 11, (count, SIDE, SIDE, 3))
    return np.clip(np.array(COLOURS[label]) + noise, 0, 255).astype(np.uint8)


def questions() -> NDArray[np.uint8]:
    return np.concatenate([pictures(label, 2, 9) for label in COLOURS])


def shown(path: Path, **options: Any) -> sdk.FewShotClassifier:
    """Every colour, three examples each."""
    classifier = sdk.FewShotClassifier(path, **options)
    for label in COLOURS:
        classifier.add(label, pictures(label, 3, 1))
    return classifier


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return by_hand.write_embedder(tmp_path / "embedder.safetensors")


@pytest.fixture
def with_relation(tmp_path: Path) -> Path:
    return by_hand.write_embedder(
        tmp_path / "relation.safetensors",
        tensors={"relation.float32.onnx": by_hand.relation()},
        relation={
            "temperature": 5.0,
            "unknown": {"rule": "best_score", "threshold": RELATION_THRESHOLD},
        },
    )


def relation_scores(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """(N, 3) in float64: the mean of each class beside each picture, through the module."""
    means = [by_hand.embedding(pictures(label, 3, 1)).mean(axis=0) for label in COLOURS]
    products = (by_hand.embedding(images)[:, None] * np.array(means)).mean(axis=2)
    return np.asarray(1 / (1 + np.exp(-products / by_hand.SCALE)))


def test_the_relation_head_asks_its_module(with_relation: Path) -> None:
    answer = shown(with_relation, head="relation").predict(questions())
    scores = relation_scores(questions())
    powers = np.exp(5.0 * scores)
    assert answer.label.tolist() == [list(COLOURS)[at] for at in scores.argmax(axis=1)]
    expected = powers.max(axis=1) / powers.sum(axis=1)
    np.testing.assert_allclose(answer.probability, expected, atol=1e-5)
    assert answer.is_unknown.tolist() == (scores.max(axis=1) < RELATION_THRESHOLD).tolist()


def test_the_relation_head_is_saved(with_relation: Path, tmp_path: Path) -> None:
    classifier = shown(with_relation, head="relation")
    classifier.save(tmp_path / "kept")
    loaded = sdk.FewShotClassifier.load(tmp_path / "kept")
    assert loaded.info == classifier.info
    assert loaded.info["head"] == "relation"
    for before, after in zip(
        classifier.predict(questions()), loaded.predict(questions()), strict=True
    ):
        assert np.array_equal(before, after)


def test_a_relation_module_that_cannot_be(path: Path, tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="no float32 relation module for runtime onnxruntime"):
        sdk.FewShotClassifier(path, head="relation")
    about: dict[str, Any] = {"temperature": 5.0, "unknown": {"threshold": 0.5}}
    other = by_hand.write_embedder(
        tmp_path / "o.safetensors",
        tensors={"relation.float32.onnx": by_hand.network(by_hand.weights(), onnx.FLOAT)},
        relation=about,
    )
    with pytest.raises(BundleError, match="its relation module takes"):
        sdk.FewShotClassifier(other, head="relation")
    without = by_hand.write_embedder(
        tmp_path / "w.safetensors", tensors={"relation.float32.onnx": by_hand.relation()}
    )
    with pytest.raises(BundleError, match="relation has no usable calibration"):
        sdk.FewShotClassifier(without, head="relation")


def levels(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """(N,) that the background takes off, in float64."""
    rows, scales = by_hand.directions()
    found = by_hand.embedding(images)
    units = found / np.linalg.norm(found, axis=1, keepdims=True)
    cosines = np.sort(units @ (rows * scales[:, None].astype(np.float64)).T, axis=1)
    return np.asarray(by_hand.SHARE * cosines[:, -by_hand.NEAREST :].mean(axis=1))


def best_cosines(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """(N,) with the directions of the colours, in float64."""

    def unit(rows: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(rows / np.linalg.norm(rows, axis=-1, keepdims=True))

    means = [unit(by_hand.embedding(pictures(label, 3, 1))).mean(axis=0) for label in COLOURS]
    best = (unit(by_hand.embedding(images)) @ unit(np.array(means)).T).max(axis=1)
    return np.asarray(best)


def test_the_background_of_a_bundle_is_taken_off(path: Path, tmp_path: Path) -> None:
    asked = np.random.default_rng(3).integers(0, 256, (60, 1, 1, 3)).astype(np.uint8)
    asked = np.concatenate([questions(), asked.repeat(SIDE, 1).repeat(SIDE, 2)])
    judged = np.sort(best_cosines(asked) - levels(asked))
    threshold = float(judged[20:22].mean())  # far from any, for 8 bits
    other = by_hand.write_with_background(tmp_path / "b.safetensors", threshold=threshold)
    found, plain = shown(other).predict(asked), shown(path).predict(asked)
    clear = np.abs(best_cosines(asked) - levels(asked) - threshold) > 0.005
    assert clear.sum() > 50
    expected = best_cosines(asked) - levels(asked) < threshold
    assert found.is_unknown[clear].tolist() == expected[clear].tolist()
    assert found.label.tolist() == plain.label.tolist()
    assert found.probability.tolist() == plain.probability.tolist()

    shown(other).save(tmp_path / "kept")
    kept = Bundle.open(tmp_path / "kept")
    assert set(kept.names()) == {"examples", "sums"}  # the background is the embedder's
    again = sdk.FewShotClassifier.load(tmp_path / "kept").predict(asked)
    assert again.is_unknown.tolist() == found.is_unknown.tolist()
    with pytest.raises(BundleError, match="made with another embedder"):
        sdk.FewShotClassifier.load(tmp_path / "kept", embedder=path)


def test_only_prototypes_of_an_embedder_have_a_background(tmp_path: Path) -> None:
    rule = {"rule": "background", "threshold": 0.5, "share": 0.5, "nearest": 1}
    relation = by_hand.write_embedder(
        tmp_path / "r.safetensors",
        tensors={"relation.float32.onnx": by_hand.relation()},
        relation={"temperature": 5.0, "unknown": rule},
    )
    with pytest.raises(BundleError, match="relation has a rule or constants unknown here"):
        sdk.FewShotClassifier(relation, head="relation")


def test_precisions_are_different_models(path: Path) -> None:
    (image,) = pictures("red", 1, 0)
    rows = {
        precision: Embedder(
            Bundle.open(path), runtime="auto", precision=precision, threads=1
        ).embed([image[None]])
        for precision in ("float32", "int8")
    }
    np.testing.assert_allclose(rows["float32"], by_hand.embedding(image[None]), rtol=1e-4)
    np.testing.assert_allclose(rows["int8"] * 2, rows["float32"], rtol=1e-5)


def test_the_bundle_chooses_runtime_and_precision(path: Path, tmp_path: Path) -> None:
    """The bundle has no TFLite model, so `auto` is the runtime that it has models for."""
    other = by_hand.write_embedder(tmp_path / "o.safetensors", {"weights": ["int8", "float32"]})
    for each, precision in ((path, "float32"), (other, "int8")):
        info = sdk.FewShotClassifier(each).info
        assert (info["runtime"], info["precision"]) == ("onnxruntime", precision)
    with pytest.raises(ArgumentError, match="no float32 or int8 model for runtimes that read tfl"):
        sdk.FewShotClassifier(path, runtime="litert")


@pytest.mark.parametrize(
    ("about", "message"),
    [
        ({"dim": 7}, r"the manifest says \[\(1, 8, 8, 3\), \(1, 7\)\]"),
        ({"image": [9, 8, 3]}, "the manifest says"),
        ({"metric": "manhattan"}, "metric 'manhattan' is unknown here"),
        ({"temperature": 0}, "constants unknown here"),
        ({"temperature": "warm"}, "no usable calibration"),
        ({"unknown": {}}, "no usable calibration"),
        ({"unknown": {"rule": "vote", "threshold": 1}}, "a rule or constants unknown here"),
    ],
)
def test_a_manifest_that_cannot_be(tmp_path: Path, about: dict[str, Any], message: str) -> None:
    path = by_hand.write_embedder(tmp_path / "e.safetensors", about)
    with pytest.raises(BundleError, match=message) as caught:
        sdk.FewShotClassifier(path)
    assert str(path) in str(caught.value)


def test_another_kind_of_bundle_is_no_embedder(bundle: Bundle) -> None:
    for other in (bundle, Path(bundle.path)):
        with pytest.raises(BundleError, match="latency"):
            sdk.FewShotClassifier(other)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"metric": "euclidean"}, "holds euclidean classes of 16 values"),
        ({"sums": np.ones((3, 2))}, "holds cosine classes of 2 values"),
        ({"sums": np.full((3, by_hand.DIM), np.nan)}, "not finite"),
        ({"examples": np.array([3, 0, 3])}, "class 'green' has no examples"),
        ({"labels": ["a", "a", "b"]}, "class 'a' occurs twice"),
        ({"labels": ["a", "b"]}, "one row a class"),
    ],
)
def test_a_file_whose_parts_do_not_fit(
    path: Path, tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    shown(path).save(tmp_path / "kept")
    kept = Bundle.open(tmp_path / "kept")
    keys = ("head", "precision", "metric", "labels", "embedder")
    write_bundle(
        tmp_path / "bad",
        kind="classifier",
        name="bad",
        manifest={key: change.get(key, kept.manifest[key]) for key in keys},
        tensors={key: change.get(key, kept.tensor(key)) for key in ("sums", "examples")},
    )
    with pytest.raises(EdgewiseError, match=message) as caught:
        sdk.FewShotClassifier.load(tmp_path / "bad")
    assert isinstance(caught.value, BundleError)
    assert str(tmp_path / "bad") in str(caught.value)


def test_a_classifier_without_classes_can_be_kept(path: Path, tmp_path: Path) -> None:
    sdk.FewShotClassifier(path).save(tmp_path / "kept")
    loaded = sdk.FewShotClassifier.load(tmp_path / "kept")
    assert loaded.labels == []
    loaded.add("red", pictures("red", 1, 0))


def test_no_pictures_give_no_answers(path: Path) -> None:
    classifier = shown(path)
    nothings: list[Any] = [[], np.zeros((0, SIDE, SIDE, 3), np.uint8)]
    for nothing in nothings:
        assert [part.shape for part in classifier.predict(nothing)] == [(0,), (0,), (0,)]


def test_one_picture_is_answered_as_among_many(path: Path) -> None:
    classifier = shown(path)
    for image in questions():
        one, many = classifier.predict(image), classifier.predict([image])
        assert [type(part) for part in one] == [str, float, bool]
        assert tuple(part[0] for part in many) == tuple(one)


def test_pictures_are_made_small_before_the_next_is_read(tmp_path: Path) -> None:
    """A thousand photographs do not fit in memory; a thousand small pictures do."""
    for at in range(3):
        Image.fromarray(np.full((500, 400, 3), 40 * at, np.uint8)).save(tmp_path / f"{at}.png")
    found = ready(sorted(tmp_path.iterdir()), SIDE, SIDE)
    assert [each.nbytes for each in found if each is not None] == [SIDE * SIDE * 3] * 3
    assert [int(each[0, 0, 0, 0]) for each in found if each is not None] == [0, 40, 80]


@pytest.mark.parametrize("label", ["", 3, None, b"red", "\ud800"])
def test_labels_are_texts(path: Path, label: Any) -> None:
    with pytest.raises(ArgumentError, match="label"):
        sdk.FewShotClassifier(path).add(label, pictures("red", 1, 0))


@pytest.mark.parametrize("image", [None, b"x", [1, 2], [[1], [2, 3]], {}, 3.5])
def test_what_is_no_picture_among_some_is_named(path: Path, image: Any) -> None:
    (good,) = pictures("red", 1, 0)
    with pytest.raises(PictureError, match="picture 1"):
        shown(path).predict([good, image])


def test_transparent_pictures_lie_on_white(tmp_path: Path) -> None:
    clear = np.zeros((4, 4, 4), np.uint8)
    clear[:2] = (200, 10, 10, 255)
    Image.fromarray(clear, "RGBA").save(tmp_path / "a.png")
    palette = Image.new("P", (4, 4), 0)
    palette.putpalette([9, 9, 9, 50, 60, 70])
    palette.save(tmp_path / "b.png", transparency=0)
    whites = []
    for name in ("a.png", "b.png"):
        (pixels,) = each_picture(tmp_path / name)
        assert isinstance(pixels, np.ndarray)
        whites.append(pixels[3, 3].tolist())
        assert pixels.shape == (4, 4, 3)
    assert whites == [[255, 255, 255]] * 2


def test_deep_pictures_are_refused_by_name(tmp_path: Path, path: Path) -> None:
    """Pillow would cut 16 bits off at 255 and give white."""
    Image.fromarray(np.full((4, 4), 40_000, np.uint16)).save(tmp_path / "deep.png")
    with pytest.raises(PictureError, match=r"deep\.png: cannot be read.*not of 8 bits"):
        shown(path).predict(tmp_path / "deep.png")
