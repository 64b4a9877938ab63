"""The few-shot classifier over a small but real network: mean colours of sixteen tiles."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import edgewise as sdk
from edgewise import _core, cli
from edgewise.bundle import Bundle, write_bundle
from edgewise.errors import (
    ArgumentError,
    BundleError,
    NotCalibratedError,
    PictureError,
    StorageError,
)

from . import onnx_by_hand as onnx
from .onnx_by_hand import node

SIDE, TILES = 84, 4
DIM = 3 * TILES * TILES
COLOURS = {"red": (200, 40, 40), "green": (40, 200, 40), "blue": (40, 40, 200)}
TEMPERATURE, THRESHOLD = 20.0, 0.97

Write = Callable[..., Path]


def tiles() -> bytes:
    """An ONNX model: pixels (1, 84, 84, 3) to the mean colours of 4 x 4 tiles, (1, 48)."""
    tile = SIDE // TILES
    return onnx.model(
        [
            node("Transpose", ["x"], ["planes"], perm=[0, 3, 1, 2]),
            node("AveragePool", ["planes"], ["t"], kernel_shape=[tile] * 2, strides=[tile] * 2),
            node("Flatten", ["t"], ["y"], axis=1),
        ],
        [onnx.info("x", (1, SIDE, SIDE, 3))],
        [onnx.info("y", (1, DIM))],
    )


@pytest.fixture
def embedder(tmp_path: Path) -> Write:
    """Writes an embedder bundle; its entries may be replaced."""

    def write(name: str = "tiles", **changed: Any) -> Path:
        about: dict[str, Any] = {
            "dim": DIM,
            "image": [SIDE, SIDE, 3],
            "metric": "cosine",
            "temperature": TEMPERATURE,
            "unknown": {"rule": "best_score", "threshold": THRESHOLD},
            "weights": ["float32"],
        }
        about |= changed
        kept = {key: value for key, value in about.items() if value is not None}
        path = tmp_path / f"{name}.safetensors"
        write_bundle(
            path,
            kind="embedder",
            name=name,
            manifest={"embedder": kept},
            tensors={"embedder.float32.onnx": tiles(), "name": np.frombuffer(name.encode(), "u1")},
        )
        return path

    return write


@pytest.fixture
def classifier(embedder: Write) -> sdk.FewShotClassifier:
    return sdk.FewShotClassifier(embedder(), runtime="onnxruntime")


def picture(colour: str, seed: int = 0, side: int = SIDE) -> NDArray[np.uint8]:
    """Of one colour, with noise."""
    noise = np.random.default_rng(seed).normal(0, 15, (side, side, 3))
    return np.clip(np.array(COLOURS[colour]) + noise, 0, 255).astype(np.uint8)


def pictures(colour: str, count: int = 3) -> NDArray[np.uint8]:
    return np.array([picture(colour, seed) for seed in range(count)])


def stranger() -> NDArray[np.uint8]:
    return np.full((SIDE, SIDE, 3), 128, np.uint8)


def show_all(classifier: sdk.FewShotClassifier) -> None:
    for colour in COLOURS:
        classifier.add(colour, pictures(colour))


def test_it_learns_classes_and_rejects_a_stranger(classifier: sdk.FewShotClassifier) -> None:
    show_all(classifier)
    assert classifier.labels == list(COLOURS)
    for colour in COLOURS:
        found = classifier.predict(picture(colour, 9))
        assert found.label == colour
        assert type(found.label) is str
        assert found.probability > 0.9
        assert not found.is_unknown
    assert classifier.predict(stranger()).is_unknown


def test_answers_are_those_of_the_mean_embeddings(classifier: sdk.FewShotClassifier) -> None:
    show_all(classifier)
    queries = np.array([picture(colour, 7) for colour in COLOURS] + [stranger()])

    def embed(images: NDArray[np.uint8]) -> NDArray[np.float64]:
        tile = SIDE // TILES
        means = images.reshape(len(images), TILES, tile, TILES, tile, 3).mean((2, 4))
        rows = means.transpose(0, 3, 1, 2).reshape(len(images), -1)
        return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))

    prototypes = np.array([embed(pictures(colour)).mean(0) for colour in COLOURS])
    prototypes /= np.linalg.norm(prototypes, axis=1, keepdims=True)
    scores = embed(queries) @ prototypes.T
    powers = np.exp(TEMPERATURE * scores)
    expected = powers.max(1) / powers.sum(1)
    found = classifier.predict(queries)
    assert found.label.tolist() == [list(COLOURS)[at] for at in scores.argmax(1)]
    np.testing.assert_allclose(found.probability, expected, rtol=1e-4)
    assert found.is_unknown.tolist() == (scores.max(1) < THRESHOLD).tolist()
    assert found.is_unknown.tolist() == [False, False, False, True]


def test_one_picture_gives_one_answer_and_n_give_n(classifier: sdk.FewShotClassifier) -> None:
    show_all(classifier)
    many = classifier.predict([picture("red"), picture("blue", side=50)])
    assert many.label.shape == many.probability.shape == many.is_unknown.shape == (2,)
    assert many.label.tolist() == ["red", "blue"]
    one = classifier.predict(picture("red"))
    assert one == (many.label[0], many.probability[0], many.is_unknown[0])
    assert classifier.predict([]).label.shape == (0,)


def test_more_examples_and_classes_that_go(classifier: sdk.FewShotClassifier) -> None:
    classifier.add("warm", picture("red"))
    classifier.add("cold", pictures("blue"))
    classifier.add("warm", [picture("red", 1), picture("red", 2, side=120)])
    assert classifier.info["examples"] == {"warm": 3, "cold": 3}
    classifier.remove("warm")
    assert classifier.labels == ["cold"]
    assert classifier.predict(picture("red")).label == "cold"
    with pytest.raises(ArgumentError, match="no class 'warm'"):
        classifier.remove("warm")


def test_other_sizes_are_resized_as_the_core_does(classifier: sdk.FewShotClassifier) -> None:
    show_all(classifier)
    wide = np.random.default_rng(3).integers(0, 256, (60, 200, 3), np.uint8)
    resized = _core.resize(wide[None], SIDE, SIDE)[0]
    assert classifier.predict(wide) == classifier.predict(resized)


def test_files_are_read_upright_and_in_colour(
    classifier: sdk.FewShotClassifier, tmp_path: Path
) -> None:
    show_all(classifier)
    path = tmp_path / "blue.png"
    Image.fromarray(picture("blue", 5)).convert("RGBA").save(path)
    assert classifier.predict(path).label == "blue"
    assert classifier.predict(str(path)) == classifier.predict(picture("blue", 5))
    half = picture("red")
    half[: SIDE // 2] = picture("green")[: SIDE // 2]
    turned, exif = tmp_path / "turned.png", Image.Exif()
    exif[0x0112] = 3  # upside down
    Image.fromarray(half[::-1, ::-1]).save(turned, exif=exif)
    assert classifier.predict(turned) == classifier.predict(half)


def test_saving_keeps_classes_and_no_picture(
    classifier: sdk.FewShotClassifier, tmp_path: Path
) -> None:
    show_all(classifier)
    path = tmp_path / "colours.classifier"
    classifier.save(path)
    assert path.stat().st_size < 8000
    loaded = sdk.FewShotClassifier.load(path, runtime="onnxruntime")
    assert loaded.labels == classifier.labels
    assert loaded.info == classifier.info
    queries = [picture(colour, 4) for colour in COLOURS] + [stranger()]
    for ours, theirs in zip(classifier.predict(queries), loaded.predict(queries), strict=True):
        assert np.array_equal(ours, theirs)
    loaded.add("red", picture("red", 77))
    assert loaded.info["examples"]["red"] == 4


def test_a_file_of_another_embedder_is_refused(
    classifier: sdk.FewShotClassifier, embedder: Write, tmp_path: Path
) -> None:
    show_all(classifier)
    path = tmp_path / "colours.classifier"
    classifier.save(path)
    other = embedder("other")
    with pytest.raises(
        BundleError, match=r"another embedder 'tiles'.*other\.safetensors"
    ) as caught:
        sdk.FewShotClassifier.load(path, embedder=other)
    assert str(path) in str(caught.value)
    with pytest.raises(BundleError, match="'classifier' is needed"):
        sdk.FewShotClassifier.load(other)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(BundleError, match=r"colours\.classifier"):
        sdk.FewShotClassifier.load(path)
    with pytest.raises(StorageError):
        classifier.save(tmp_path / "absent" / "x")


def test_an_incomplete_classifier_is_refused(
    classifier: sdk.FewShotClassifier, tmp_path: Path
) -> None:
    show_all(classifier)
    path = tmp_path / "colours.classifier"
    classifier.save(path)
    saved = Bundle.open(path)
    tensors = {name: saved.tensor(name) for name in saved.names()}
    kept = {k: v for k, v in saved.manifest.items() if k in ("precision", "metric", "head")}
    write_bundle(tmp_path / "x", kind="classifier", name="x", manifest=kept, tensors=tensors)
    with pytest.raises(BundleError, match=r"incomplete.*labels"):
        sdk.FewShotClassifier.load(tmp_path / "x")


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((8, 8), np.uint8), "picture 0 is gray"),
        (np.zeros((8, 8, 1), np.uint8), "picture 0 is gray"),
        (np.zeros((8, 8, 4), np.uint8), "alpha channel"),
        (np.zeros((3, 8, 8), np.uint8), "channels first"),
        (np.zeros((8, 8, 5), np.uint8), r"shape \(8, 8, 5\)"),
        (np.zeros((0, 8, 3), np.uint8), r"shape \(0, 8, 3\)"),
        (np.zeros(8, np.uint8), r"shape \(8,\)"),
        (np.full((8, 8, 3), np.nan), "NaN"),
        (np.full((8, 8, 3), 0.5), r"float64 with values 0.5 to 0.5.*255 \* image"),
        (np.full((8, 8, 3), 200.0), r"image.astype\(np.uint8\)"),
        (np.full((8, 8, 3), -1), "scale them to that range"),
        (np.full((8, 8, 3), "x"), "pixels are uint8"),
    ],
)
def test_what_is_no_picture(
    classifier: sdk.FewShotClassifier, image: NDArray[Any], message: str
) -> None:
    show_all(classifier)
    for act in (classifier.predict, lambda given: classifier.add("new", given)):
        with pytest.raises(PictureError, match=message):
            act(image)
    assert classifier.labels == list(COLOURS)


def test_other_bad_input(classifier: sdk.FewShotClassifier, embedder: Write) -> None:
    with pytest.raises(NotCalibratedError, match="no class yet"):
        classifier.predict(picture("red"))
    with pytest.raises(ArgumentError, match="'red' is given no picture"):
        classifier.add("red", [])
    with pytest.raises(ArgumentError, match="label"):
        classifier.add("", picture("red"))
    with pytest.raises(ArgumentError, match="not int"):
        classifier.add("red", 7)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="unreadable must be"):
        classifier.add("red", picture("red"), unreadable="ignore")
    with pytest.raises(ArgumentError, match="unknown head 'forest'"):
        sdk.FewShotClassifier(embedder(), head="forest")
    with pytest.raises(ArgumentError, match="has no int8 model"):
        sdk.FewShotClassifier(embedder(), runtime="onnxruntime", precision="int8")
    with pytest.raises(ArgumentError, match="precision must be"):
        sdk.FewShotClassifier(embedder(), runtime="onnxruntime", precision="int4")
    with pytest.raises(BundleError, match=r"lacks embedder\.temperature"):
        sdk.FewShotClassifier(embedder(temperature=None), runtime="onnxruntime")


def test_an_unreadable_picture_among_many(
    classifier: sdk.FewShotClassifier, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    show_all(classifier)
    good, bad = tmp_path / "good.png", tmp_path / "bad.png"
    Image.fromarray(picture("green", 6)).save(good)
    bad.write_bytes(good.read_bytes()[:200])
    given: list[Any] = [picture("red", 8), bad, good, tmp_path / "gone.png"]
    with pytest.raises(PictureError, match=r"bad\.png"):
        classifier.add("more", given)
    assert "more" not in classifier.labels
    with caplog.at_level(logging.WARNING):
        classifier.add("more", given, unreadable="skip")
        found = classifier.predict(given, unreadable="skip")
    assert classifier.info["examples"]["more"] == 2
    assert found.label[[1, 3]].tolist() == [None, None]
    assert np.isnan(found.probability).tolist() == [False, True, False, True]
    assert found.is_unknown[[1, 3]].all()
    assert "bad.png" in caplog.text
    assert "gone.png: no such file" in caplog.text
    with pytest.raises(ArgumentError, match="no picture that can be used"):
        classifier.add("none", [bad], unreadable="skip")


def test_threads_add_and_predict_at_once(classifier: sdk.FewShotClassifier) -> None:
    show_all(classifier)
    failures: list[BaseException] = []

    def work(at: int) -> None:
        try:
            for turn in range(20):
                classifier.add(f"class {at}", picture("red", turn))
                assert classifier.predict(picture("blue", turn)).label == "blue"
                classifier.remove(f"class {at}")
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(at,)) for at in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert classifier.labels == list(COLOURS)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of folders of pictures."""
    for colour in COLOURS:
        (tmp_path / "examples" / colour).mkdir(parents=True)
        for at, pixels in enumerate(pictures(colour)):
            Image.fromarray(pixels).save(tmp_path / "examples" / colour / f"{at}.png")
    return tmp_path / "examples"


def test_the_command_classifies_files(
    folder: Path, embedder: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    query, odd, saved = tmp_path / "query.png", tmp_path / "odd.png", tmp_path / "kept"
    Image.fromarray(picture("green", 8)).save(query)
    Image.fromarray(stranger()).save(odd)
    common = ["classify", str(query), str(odd), "--runtime", "onnxruntime"]
    learn = ["--examples", str(folder), "--embedder", str(embedder()), "--save", str(saved)]
    assert cli.main([*common, *learn, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["picture"] for row in rows] == [str(query), str(odd)]
    assert [row["is_unknown"] for row in rows] == [False, True]
    assert rows[0]["label"] == "green"
    assert cli.main([*common, "--load", str(saved)]) == 0
    out = capsys.readouterr().out
    assert "green" in out
    assert "unknown" in out
    # A picture that cannot be read: refused, or passed over.
    odd.write_bytes(b"no picture")
    assert cli.main([*common, "--load", str(saved)]) == 1
    assert "odd.png" in capsys.readouterr().err
    assert cli.main([*common, "--load", str(saved), "--skip-unreadable", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert rows[1] == {
        "picture": str(odd), "label": None, "probability": None, "is_unknown": True,
    }  # fmt: skip


def test_the_command_refuses_what_it_cannot_learn_from(
    folder: Path, embedder: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--embedder", str(embedder()), "--runtime", "onnxruntime"]
    query = str(folder / "red" / "0.png")
    (folder / "empty").mkdir()
    assert cli.main(["classify", query, "--examples", str(folder), *options]) == 1
    assert "'empty'" in capsys.readouterr().err
    assert cli.main(["classify", query, "--examples", str(tmp_path / "gone"), *options]) == 1
    assert "gone" in capsys.readouterr().err
    assert cli.main(["classify", query, *options]) == 1
    assert "--examples or --load" in capsys.readouterr().err
    assert cli.main(["classify", "--examples", str(folder), *options]) == 1
    assert "nothing to do" in capsys.readouterr().err
    assert cli.main(["classify", query, "--load", "x", "--precision", "int8"]) == 1
    assert "those of the classes that are loaded" in capsys.readouterr().err
    assert cli.main(["classify", query, "--examples", str(folder), *options, "--head", "vote"]) == 1
    assert "unknown head 'vote'" in capsys.readouterr().err


def test_the_command_may_only_learn(
    folder: Path, embedder: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    saved = tmp_path / "kept"
    learn = ["classify", "--examples", str(folder), "--embedder", str(embedder())]
    assert cli.main([*learn, "--save", str(saved)]) == 0
    assert capsys.readouterr().out == f"{saved}: blue, green, red\n"
    assert cli.main([*learn, "--save", str(saved), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []
    assert sdk.FewShotClassifier.load(saved).labels == ["blue", "green", "red"]


def test_importing_it_needs_no_pillow() -> None:
    script = (
        "import sys; sys.modules['PIL'] = None\n"
        "from edgewise.fewshot.pictures import each_picture\n"
        "import numpy as np\n"
        "assert len(list(each_picture(np.zeros((2, 4, 4, 3), np.uint8)))) == 2\n"
        "try: list(each_picture('x.png'))\n"
        "except ValueError as error: assert 'edgewise[image]' in str(error)\n"
        "else: raise SystemExit('no error')\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
