"""Retrieval on a device: a small real zoo, asked for networks under limits, and these at work."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import edgewise as sdk
from edgewise import _core
from edgewise import cli as device_cli
from edgewise.bundle import Bundle, write_bundle
from edgewise.errors import ArgumentError, BundleError, NotCalibratedError, PictureError
from edgewise.fewshot.embedder import Embedder, open_embedder
from edgewise.fewshot.pictures import ready
from edgewise.latency import Device, calibrate, current
from edgewise.retrieval.statistics import query_statistics
from edgewise.runtimes import available_runtimes
from edgewise.spaces import get_space

from ..sdk.embedder_by_hand import write_embedder
from .small_zoo import SmallZoo

WARM, COLD = "cifar100/warm", "omniglot/cold"
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def no_current_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(current, "_current", None)


@pytest.fixture(scope="module")
def models(zoo: Path) -> sdk.ModelZoo:
    return sdk.ModelZoo(zoo)


def a_device() -> Device:
    """One that takes 1 ms, and 1 ms more for every 20 million operations."""
    space = get_space("nasbench201")
    return calibrate(measure=lambda arch: 1 + space.flops(arch) / 20e6, progress=False)


@pytest.fixture
def folder(small: SmallZoo, tmp_path: Path) -> Path:
    """Pictures of a task as files, one folder for each class."""
    images, labels = small.pictures(COLD, 3)
    for at, (image, label) in enumerate(zip(images, labels, strict=True)):
        place = tmp_path / "pictures" / label
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(place / f"{at}.png")
    return tmp_path / "pictures"


@pytest.mark.parametrize("task", [WARM, COLD])
def test_pictures_find_the_networks_of_their_task(
    small: SmallZoo, models: sdk.ModelZoo, task: str
) -> None:
    hits = models.retrieve(*small.pictures(task), k=3)
    assert [hit.task for hit in hits] == [task] * 3
    assert hits[0].expected_accuracy > 0.7
    assert hits[0].predicted_ms is None
    accuracies = [hit.expected_accuracy for hit in hits]
    assert accuracies == sorted(accuracies, reverse=True)
    assert models[hits[0].name] == models[hits[0].entry.number] == hits[0].entry


def test_the_answer_is_the_twin_s(small: SmallZoo, zoo: Path, models: sdk.ModelZoo) -> None:
    """All in float64, straight from the bundle's tensors."""
    images, labels = small.pictures(WARM)
    bundle = Bundle.open(zoo)
    embedder = Embedder(open_embedder("default"), runtime="auto", precision=None, threads=1)
    pictures = [p for p in ready(images, embedder.height, embedder.width) if p is not None]
    numbers = np.unique(labels, return_inverse=True)[1]
    about = bundle.manifest["zoo"]
    row = query_statistics(embedder.embed(pictures), numbers, about["statistics"]).astype(float)

    def tensor(name: str) -> Any:
        return np.asarray(bundle.tensor(name), np.float64)

    query = row @ tensor("query.0.weight") + tensor("query.0.bias")
    query /= np.linalg.norm(query)
    networks = tensor("index") * tensor("index.scale")[:, None]
    cosines = networks @ query
    pairs = np.concatenate([np.tile(query, (len(networks), 1)), networks, networks * query], 1)
    hidden = np.maximum(pairs @ tensor("performance.0.weight") + tensor("performance.0.bias"), 0)
    logits = (hidden @ tensor("performance.1.weight") + tensor("performance.1.bias"))[:, 0]
    expected = 1 / (1 + np.exp(-logits))
    hits = models.retrieve(images, labels, k=4)
    assert len({hit.entry.number for hit in hits}) == about["nearest"]
    least = np.sort(cosines)[-about["nearest"]]
    for hit in hits:
        # The core's query has 8 bits: of networks that are about as near, another may be taken.
        assert hit.cosine == pytest.approx(cosines[hit.entry.number], abs=0.01)
        assert cosines[hit.entry.number] >= least - 0.02
        assert hit.expected_accuracy == pytest.approx(expected[hit.entry.number], abs=1e-4)
        assert hit.cosine == pytest.approx(cosines[hit.entry.number], abs=0.02)


def test_limits_come_before_the_ranking(small: SmallZoo, models: sdk.ModelZoo) -> None:
    asked = small.pictures(WARM)
    sizes = sorted({entry.params for entry in models})
    hits = models.retrieve(*asked, k=6, max_params=sizes[0])
    assert {hit.params for hit in hits} == {sizes[0]}
    assert [hit.task for hit in hits] == [WARM, COLD]  # the nearest that keeps to it first
    limit = models[1].bytes
    assert {hit.bytes for hit in models.retrieve(*asked, k=6, max_bytes=limit)} == {limit}
    assert len(models.retrieve(*asked, k=10**30)) == 6


def test_milliseconds_are_those_of_the_device(
    small: SmallZoo, zoo: Path, models: sdk.ModelZoo, tmp_path: Path
) -> None:
    asked, device = small.pictures(WARM), a_device()
    found = models.predicted_ms(device)
    for entry in models:
        model = tmp_path / "model.tflite"
        model.write_bytes(sdk.ModelZoo(zoo)._file.model(entry, "tflite") or b"")
        by_file = device.predict(str(model), 0.9)
        for ours, theirs in zip(found, by_file, strict=True):
            assert ours[entry.number] == pytest.approx(theirs)
    limit = float(np.sort(found.high)[2])
    for given in (device, None):  # calibrating has made it the current one
        hits = models.retrieve(*asked, k=6, max_ms=limit, device=given)
        kept = {entry.number for entry in models if found.high[entry.number] <= limit}
        assert {hit.entry.number for hit in hits} == kept
        for hit in hits:
            assert hit.predicted is not None
            ms, low, high = hit.predicted
            assert ms == hit.predicted_ms == found.ms[hit.entry.number]
            assert (low, high) == (hit.predicted_low, hit.predicted_high)
            assert low < ms < high <= limit
    device.update(get_space("nasbench201").architectures()[77], 300.0)
    assert not np.allclose(models.predicted_ms(device).ms, found.ms)


def test_the_supernet_s_own_space_is_asked_where_it_was_calibrated(
    models: sdk.ModelZoo,
) -> None:
    space = get_space("supernet")
    device = calibrate(
        "supernet", measure=lambda arch: 0.1 + space.flops(arch) / 20e6, progress=False
    )
    archs = [str(entry.arch) for entry in models]
    for ours, theirs in zip(models.predicted_ms(device), device.predict(archs, 0.9), strict=True):
        assert np.array_equal(ours, theirs)
    exact = [0.1 + entry.flops / 20e6 for entry in models]
    np.testing.assert_allclose(models.predicted_ms(device).ms, exact, rtol=0.1)


def test_without_a_device_there_are_no_milliseconds(small: SmallZoo, models: sdk.ModelZoo) -> None:
    with pytest.raises(NotCalibratedError, match=r"calibrate\(\).*pass device="):
        models.retrieve(*small.pictures(WARM), max_ms=3)
    with pytest.raises(NotCalibratedError):
        models.predicted_ms()


def test_nothing_fits_says_what_would(
    small: SmallZoo, models: sdk.ModelZoo, caplog: pytest.LogCaptureFixture
) -> None:
    hits = models.retrieve(*small.pictures(WARM), max_params=10, max_ms=1e-6, device=a_device())
    assert hits == []
    assert hits.closest is not None
    assert hits.closest.predicted_high is not None
    assert "nothing keeps to 1e-06 ms and 10 parameters; the closest" in hits.reason
    assert hits.reason in caplog.text
    only = models.retrieve(*small.pictures(WARM), max_params=10)
    assert only.closest is not None
    assert only.closest.params == min(entry.params for entry in models)


@pytest.mark.parametrize("runtime", available_runtimes())
def test_a_network_knows_its_task(small: SmallZoo, models: sdk.ModelZoo, runtime: str) -> None:
    images, labels = small.pictures(WARM)
    network = models.retrieve(images, labels, k=1)[0].load(runtime)
    entry = network.entry
    assert network.runtime == runtime
    assert network.features(images).shape == (len(images), 160)
    answers = network.predict(images)
    assert np.mean(answers.label == np.array(labels)) > 0.7
    assert set(answers.label) <= set(entry.labels)
    assert np.all((answers.probability > 1 / 3) & (answers.probability <= 1))
    one = network.predict(images[0])
    assert one.label == answers.label[0]
    assert one.probability == pytest.approx(answers.probability[0])
    large = np.repeat(np.repeat(images[:1], 3, axis=1), 2, axis=2)
    np.testing.assert_allclose(
        network.features(large), network.features(_core.resize(large, 32, 32)), rtol=1e-6
    )


def test_a_classifier_stands_on_the_network(
    small: SmallZoo, zoo: Path, models: sdk.ModelZoo, tmp_path: Path
) -> None:
    images, labels = small.pictures(COLD)
    hit = models.retrieve(images, labels, k=1)[0]
    classifier = hit.classifier(images[::2], labels[::2])
    assert classifier.labels == list(dict.fromkeys(labels))
    assert classifier.info["embedder"] == hit.name
    found = classifier.predict(images[1::2])
    assert np.mean(found.label == np.array(labels[1::2])) > 0.7
    path = tmp_path / "cold.classifier"
    classifier.save(path)
    loaded = sdk.FewShotClassifier.load(path)
    for ours, theirs in zip(found, loaded.predict(images[1::2]), strict=True):
        assert np.array_equal(ours, theirs)
    moved = tmp_path / "moved.safetensors"
    moved.write_bytes(zoo.read_bytes())
    assert sdk.FewShotClassifier.load(path, embedder=moved).labels == classifier.labels
    with pytest.raises(BundleError, match="'zoo' is needed"):
        sdk.FewShotClassifier.load(path, embedder=open_embedder("default").path)
    with pytest.raises(ArgumentError, match="relation module"):
        sdk.FewShotClassifier(hit.load(), head="relation")


def test_another_network_of_that_name_is_refused(
    small: SmallZoo, zoo: Path, models: sdk.ModelZoo, tmp_path: Path
) -> None:
    path, other = tmp_path / "warm.classifier", tmp_path / "other.safetensors"
    images, labels = small.pictures(WARM)
    hit = models.retrieve(images, labels, k=1)[0]
    hit.classifier(images, labels).save(path)
    rewrite(zoo, other, changed={f"biases.{hit.entry.number:04d}": lambda a: a + np.float32(1)})
    with pytest.raises(BundleError, match=rf"another embedder '{zoo.stem}'.*show the classes"):
        sdk.FewShotClassifier.load(path, embedder=other)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"labels": ["a"]}, "24 pictures and 1 labels"),
        ({"labels": ["a"] * 24}, "of one class, 'a'"),
        ({"labels": "warm"}, "labels are a sequence"),
        ({"images": [], "labels": []}, "no pictures"),
        ({"k": 0}, "k must be a positive"),
        ({"k": True}, "k must be a positive"),
        ({"max_ms": -1}, "max_ms must be a positive"),
        ({"max_ms": float("nan")}, "max_ms must be a positive"),
        ({"max_ms": [3.0]}, "max_ms must be a positive"),
        ({"max_params": 0}, "max_params must be a positive"),
        ({"max_bytes": 2.5}, "max_bytes must be a positive"),
    ],
)
def test_what_cannot_be_asked(
    small: SmallZoo, models: sdk.ModelZoo, changed: dict[str, Any], message: str
) -> None:
    images, labels = small.pictures(WARM)
    with pytest.raises(ArgumentError, match=message):
        models.retrieve(**{"images": images, "labels": labels, **changed})


def test_a_broken_picture_is_named(small: SmallZoo, models: sdk.ModelZoo, folder: Path) -> None:
    files = sorted(folder.glob("*/*.png"))
    broken = files[4]
    broken.write_bytes(broken.read_bytes()[:60])
    labels = [file.parent.name for file in files]
    with pytest.raises(PictureError, match=str(broken)):
        models.retrieve(files, labels)
    found = models.retrieve(files, labels, k=1, unreadable="skip")
    kept = [file for file in files if file != broken]
    again = models.retrieve(kept, [file.parent.name for file in kept], k=1)
    assert found[0].as_json() == again[0].as_json()
    wrong: Any = np.ones((9, 9, 3))
    with pytest.raises(PictureError, match="picture 0 is float"):
        models.retrieve([wrong, small.pictures(WARM)[0][0]], ["a", "b"])


def rewrite(
    zoo: Path,
    path: Path,
    manifest: dict[str, Any] | None = None,
    changed: dict[str, Callable[[Any], Any]] | None = None,
) -> None:
    """The zoo again, with some tensors changed; None leaves one out."""
    bundle = Bundle.open(zoo)
    deflate = [name for name in bundle.names() if name.startswith("model.")]
    tensors = {
        name: bundle.blob(name) if name in deflate else bundle.tensor(name)
        for name in bundle.names()
    }
    for name, change in (changed or {}).items():
        tensors[name] = change(tensors[name])
        if tensors[name] is None:
            del tensors[name]
    own = ("format_version", "kind", "name", "sha256", "deflated")
    about = {key: value for key, value in bundle.manifest.items() if key not in own}
    write_bundle(
        path,
        kind="zoo",
        name=bundle.name,
        manifest={**about, **(manifest or {})},
        tensors=tensors,
        deflate=[name for name in deflate if name in tensors],
    )


def test_a_damaged_zoo_is_named(small: SmallZoo, zoo: Path, tmp_path: Path) -> None:
    path = tmp_path / "damaged.safetensors"

    def refused(message: str) -> None:
        with pytest.raises(BundleError, match=message) as caught:
            sdk.ModelZoo(path)
        assert str(path) in str(caught.value)

    refused("damaged")
    path.write_bytes(zoo.read_bytes()[:5000])
    refused("bytes")
    about = Bundle.open(zoo).manifest
    for key in ("dim", "statistics", "embedder", "nearest", "network_columns"):
        left = {name: value for name, value in about["zoo"].items() if name != key}
        rewrite(zoo, path, {"zoo": left})
        refused(f"incomplete.*{key}")
    rewrite(zoo, path, {"zoo": {**about["zoo"], "statistics": ["mean", "mood"]}})
    refused("unknown statistic 'mood'.*update edgewise")
    columns = [*about["zoo"]["network_columns"][:-1], "magic"]
    rewrite(zoo, path, {"zoo": {**about["zoo"], "network_columns": columns}})
    refused("magic.*compile the zoo again")
    rewrite(zoo, path, {"entries": about["entries"][:1] * 6})
    refused("one name")
    rewrite(zoo, path, {"entries": about["entries"][:5]})
    refused("kernels")
    rewrite(zoo, path, changed={"query.0.bias": lambda a: a * np.float32(np.nan)})
    refused("query.0 is not finite")
    rewrite(zoo, path, changed={"performance.1.weight": lambda a: a[:5]})
    refused("layers of performance do not fit")
    rewrite(zoo, path, changed={"index": lambda a: a.astype(np.int16)})
    refused("its index is int16")
    rewrite(zoo, path, changed={"head.0000": lambda a: a[:2], "weights.0001": lambda a: a[:9]})
    damaged = sdk.ModelZoo(path)
    with pytest.raises(BundleError, match="the head of 'cifar100/warm#0'"):
        damaged.load(0)
    with pytest.raises(BundleError, match="the model of 'cifar100/warm#1' cannot be put together"):
        damaged.load(1)
    for form in ("tflite", "onnx"):
        rewrite(zoo, path, changed={f"model.0000.{form}": lambda a: a[: len(a) // 2]})
        with pytest.raises(BundleError, match=r"cannot (be put together|load)"):
            sdk.ModelZoo(path).load(0, "onnxruntime" if form == "onnx" else "auto")
    with pytest.raises(BundleError, match="under construction"):
        sdk.ModelZoo(next(small.folder.glob("*.safetensors")))
    with pytest.raises(BundleError, match="no zoo"):
        sdk.ModelZoo(open_embedder("default"))


def test_another_embedder_is_refused(zoo: Path, tmp_path: Path) -> None:
    other = write_embedder(tmp_path / "other.safetensors")
    with pytest.raises(BundleError, match=r"another embedder 'embedder'.*other\.safetensors"):
        sdk.ModelZoo(zoo, embedder=other)


def test_the_command(
    folder: Path, zoo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["retrieve", str(folder), "--zoo", str(zoo)]
    assert device_cli.main([*words, "--k", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert "not calibrated" in lines[1]
    assert COLD in lines[1]
    profile = tmp_path / "device.profile"
    a_device().save(profile)
    assert (
        device_cli.main(
            [*words, "--json", "--profile", str(profile), "--max-ms", "50", "--max-bytes", "1MB"]
        )
        == 0
    )
    found = json.loads(capsys.readouterr().out)
    assert found["closest"] is None
    assert found["hits"][0]["task"] == COLD
    assert 0 < found["hits"][0]["predicted_ms"] < 50
    assert device_cli.main([*words, "--json", "--max-params", "5"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["hits"] == []
    assert "nothing keeps to 5 parameters" in found["reason"]
    assert found["closest"]["params"] > 5
    assert device_cli.main([*words, "--max-params", "-5"]) == 1
    assert "max_params must be" in capsys.readouterr().err
    assert device_cli.main(["retrieve", str(tmp_path / "none"), "--zoo", str(zoo)]) == 1
    assert "no such folder" in capsys.readouterr().err


def test_retrieving_needs_no_torch_and_no_network(folder: Path, zoo: Path) -> None:
    program = (
        "import socket, sys\n"
        "def refuse(*a, **k): raise AssertionError('a socket was opened')\n"
        "socket.socket = refuse\n"
        "from edgewise.cli import main\n"
        f"code = main(['retrieve', {str(folder)!r}, '--zoo', {str(zoo)!r}])\n"
        "assert not {'torch', 'onnx', 'pyarrow'} & set(sys.modules), 'heavy modules'\n"
        "sys.exit(code)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("own", [False, True], ids=["drawn", "own pictures"])
def test_the_example_calibrates_retrieves_and_classifies(
    small: SmallZoo, zoo: Path, tmp_path: Path, own: bool
) -> None:
    command = [sys.executable, str(ROOT / "examples/retrieve.py"), "--zoo", str(zoo)]
    command += ["--max-ms", "500"]
    a_device()  # is the current one of later processes, too
    if own:
        images, labels = small.pictures(COLD)
        for at, (image, label) in enumerate(zip(images, labels, strict=True)):
            place = tmp_path / "own" / label
            place.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(place / f"{at}.png")
        command += ["--pictures", str(tmp_path / "own")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert "calibrating" not in lines[0]
    assert lines[0].startswith("asked 6 networks")
    assert len(lines) == 5
    if own:
        right, _, count = lines[-1].split("class: ")[1].split()[:3]
        assert (int(count), COLD in lines[-1]) == (9, True)
        assert int(right) >= 7
    refused = subprocess.run(
        [*command, "--max-ms", "0.000001"], capture_output=True, text=True, check=False
    )
    assert refused.returncode == 1
    assert "nothing keeps to" in refused.stdout


@pytest.mark.slow
def test_the_example_calibrates_where_there_is_no_profile(zoo: Path) -> None:
    command = [sys.executable, str(ROOT / "examples/retrieve.py"), "--zoo", str(zoo)]
    done = subprocess.run(
        [*command, "--max-ms", "500"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("calibrating this device\nasked 6 networks")


def test_the_guide_runs(small: SmallZoo, zoo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its Python, with this zoo as the one that ships, and a device that is calibrated at once."""
    text = (ROOT / "docs/retrieval.md").read_text()
    (block,) = re.findall(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    space = get_space("supernet")
    block = block.replace(
        '("supernet")', '("supernet", measure=lambda a: space.flops(a) / 1e8, progress=False)'
    )
    images, labels = small.pictures(WARM)
    block = block.replace("sdk.ModelZoo()", "sdk.ModelZoo(path)")
    exec(
        compile(block, "guide", "exec"),
        {"images": images, "labels": labels, "space": space, "path": zoo},
    )
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(WARM)
    assert lines[-1].startswith("(24, 160)")
