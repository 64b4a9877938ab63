"""A user's own network in a zoo: found by pictures like its own, and at work as it was."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from onnx import helper
from PIL import Image
from torch import Tensor, nn

import edgewise as sdk
from edgewise.bundle import Bundle
from edgewise.errors import ArgumentError
from edgewise_converter import cli
from edgewise_converter.compile.own_network import open_own
from edgewise_converter.compile.zoo_add import Addition, add_to_zoo

from .small_zoo import COLD, SmallZoo

SIDE = 40
MEAN, DEVIATION = (0.4, 0.5, 0.6), (0.2, 0.25, 0.3)
COLOURS = {"coal": (20, 20, 20), "snow": (240, 240, 245)}


class Brightness(nn.Module):
    """Knows coal from snow by construction."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(3, 6, 5, stride=2)
        self.head = nn.Linear(6, 2)
        with torch.no_grad():
            self.convolution.weight[:3] = -self.convolution.weight[:3].abs()
            self.convolution.weight[3:] = self.convolution.weight[3:].abs()
            sign = torch.tensor([1.0, 1, 1, -1, -1, -1])
            self.head.weight.copy_(torch.stack([sign, -sign]))
            self.head.bias.copy_(torch.tensor([0.1, -0.1]))

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, 40, 40) standardised to logits (N, 2)."""
        logits: Tensor = self.head(torch.relu(self.convolution(images)).mean((2, 3)))
        return logits


@pytest.fixture(scope="module")
def network() -> Brightness:
    torch.manual_seed(0)
    return Brightness().eval()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    generator = np.random.default_rng(0)
    for name, colour in COLOURS.items():
        place = tmp_path / "lumps" / name
        place.mkdir(parents=True)
        for at in range(20):
            noise = generator.normal(0, 12, (48, 44, 3))
            pixels = np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(place / f"{at:02d}.png")
    return tmp_path / "lumps"


def write(network: nn.Module, path: Path) -> Path:
    example = (torch.zeros(1, 3, SIDE, SIDE),)
    program = torch.export.export(network, example)
    if path.suffix == ".pt2":
        torch.export.save(program, path)
    else:
        converted = torch.onnx.export(program, dynamo=True, verbose=False)
        assert converted is not None
        converted.save(str(path))
    return path


def pictures(folder: Path, each: int = 6) -> tuple[list[Path], list[str]]:
    files = [file for name in COLOURS for file in sorted((folder / name).iterdir())[:each]]
    return files, [file.parent.name for file in files]


@pytest.mark.parametrize("suffix", [".onnx", ".pt2"])
@pytest.mark.filterwarnings("ignore")
def test_an_own_network_is_found_and_runs(
    small: SmallZoo, zoo: Path, network: Brightness, folder: Path, tmp_path: Path, suffix: str
) -> None:
    file, output = write(network, tmp_path / f"own{suffix}"), tmp_path / "larger.safetensors"
    words = ["zoo", "add", str(zoo), "--network", str(file), "--pictures", str(folder)]
    words += ["--name", "lumps", "--output", str(output), "--licence", "mine"]
    words += ["--mean", "0.4,0.5,0.6", "--deviation", "0.2,0.25,0.3"]
    assert cli.main(words) == 0
    larger, before = sdk.ModelZoo(output), sdk.ModelZoo(zoo)
    assert list(larger)[:6] == list(before)
    entry = larger["lumps"]
    assert (entry.number, entry.labels, entry.licence) == (6, ("coal", "snow"), "mine")
    assert (entry.arch, entry.image, entry.features) == (None, (SIDE, SIDE), 6)
    assert entry.test_accuracy == entry.validation_accuracy == 1
    assert entry.params == 6 * 3 * 25 + 6
    assert entry.flops == pytest.approx(2 * 18 * 18 * 6 * 75 + 0, rel=0.01)
    files, labels = pictures(folder)
    hit = larger.retrieve(files, labels, k=1)[0]
    assert hit.name == "lumps"
    loaded = hit.load("onnxruntime")
    np.testing.assert_allclose(
        loaded.features(files[0]), expected_features(network, files[0]), rtol=1e-4, atol=1e-5
    )
    assert loaded.predict(files).label.tolist() == labels
    classifier = hit.classifier(files, labels, runtime="onnxruntime")
    classifier.save(tmp_path / "lumps.classifier")
    again = sdk.FewShotClassifier.load(tmp_path / "lumps.classifier", runtime="onnxruntime")
    assert again.predict(files).label.tolist() == labels
    # What was there is found as before, and its files load.
    asked = small.pictures("omniglot/cold")
    assert larger.retrieve(*asked, k=1)[0].as_json() == before.retrieve(*asked, k=1)[0].as_json()
    assert set(larger.load("omniglot/cold#1").predict(asked[0]).label) <= set(COLD)
    Bundle.open(output).verify()


def expected_features(network: Brightness, file: Path) -> NDArray[np.float32]:
    from edgewise import _core

    pixels = _core.resize(np.array(Image.open(file))[None], SIDE, SIDE)[0] / np.float32(255)
    standard = (pixels - np.array(MEAN)) / np.array(DEVIATION)
    images = torch.from_numpy(standard.astype(np.float32)).permute(2, 0, 1)[None]
    with torch.no_grad():
        return torch.relu(network.convolution(images)).mean((2, 3)).numpy()


@pytest.mark.filterwarnings("ignore")
def test_two_that_add_at_once_both_stay(
    zoo: Path, network: Brightness, folder: Path, tmp_path: Path
) -> None:
    file, copy = write(network, tmp_path / "own.onnx"), tmp_path / "zoo.safetensors"
    copy.write_bytes(zoo.read_bytes())
    names = ["lumps", "bumps", "humps"]
    with ThreadPoolExecutor(len(names)) as pool:
        added = pool.map(lambda name: add_to_zoo(copy, Addition(name, file, folder)), names)
    assert [card["name"] for card in added] == names
    assert {entry.name for entry in sdk.ModelZoo(copy)} >= set(names)
    Bundle.open(copy).verify()


@pytest.mark.filterwarnings("ignore")
def test_labels_say_which_answer_is_which(
    zoo: Path, network: Brightness, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, output = write(network, tmp_path / "own.onnx"), tmp_path / "larger.safetensors"
    words = ["zoo", "add", str(zoo), "--network", str(file), "--pictures", str(folder)]
    words += ["--mean", "0.4,0.5,0.6", "--deviation", "0.2,0.25,0.3", "--output", str(output)]
    assert cli.main([*words, "--name", "swapped", "--labels", "snow,coal"]) == 0
    assert sdk.ModelZoo(output)["swapped"].test_accuracy == 0
    capsys.readouterr()
    for extra, message in (
        (["--name", "cifar100/warm#0"], "already"),
        (["--name", "own", "--labels", "snow,ash"], "differ in ['ash', 'coal']"),
        (["--name", "own", "--mean", "0,0"], "three numbers"),
        (["--name", "own", "--mean", "a,b,c"], "no numbers"),
        (["--name", "own", "--deviation", "0,1,1"], "above 0"),
    ):
        assert cli.main([*words, *extra]) == 1
        assert message in capsys.readouterr().err
    (folder / "third").mkdir()
    for at in range(6):
        Image.new("RGB", (9, 9)).save(folder / "third" / f"{at}.png")
    assert cli.main([*words, "--name", "own"]) == 1
    assert "tells 2 classes apart" in capsys.readouterr().err


@pytest.mark.filterwarnings("ignore")
def test_what_is_no_classifier(network: Brightness, tmp_path: Path) -> None:
    def refused(path: Path, message: str) -> None:
        with pytest.raises(ArgumentError, match=message) as caught:
            open_own(path, MEAN, DEVIATION)
        assert str(path) in str(caught.value)

    refused(tmp_path / "network.tflite", ".onnx file, or .pt2")
    refused(tmp_path / "absent.onnx", "cannot be read")
    (tmp_path / "broken.onnx").write_bytes(b"no network")
    refused(tmp_path / "broken.onnx", "cannot be read")
    (tmp_path / "broken.pt2").write_bytes(b"no network")
    refused(tmp_path / "broken.pt2", "cannot be read")
    whole = write(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()), tmp_path / "maps.onnx")
    refused(whole, "ends in Relu")
    model = onnx.load(write(network, tmp_path / "own.onnx"))
    shapes: tuple[list[int | str | None], ...] = (
        [1, 1, SIDE, SIDE],
        [4, 3, SIDE, SIDE],
        [1, 3, "h", "w"],
    )
    for shape in shapes:
        model.graph.input[0].CopyFrom(
            helper.make_tensor_value_info(model.graph.input[0].name, 1, shape)
        )
        model.ClearField("functions")
        del model.graph.value_info[:]
        path = tmp_path / "shaped.onnx"
        path.write_bytes(model.SerializeToString())
        with pytest.raises(ArgumentError, match=r"takes \[|cannot be read"):
            open_own(path, MEAN, DEVIATION)
