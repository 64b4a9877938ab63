"""The command ``train latency``: parts that ``compile latency`` can assemble."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgewise.bundle import Bundle
from edgewise.latency.edgewise import EdgewisePredictor
from edgewise.spaces import get_space
from edgewise_converter.cli import main, without_folders
from edgewise_converter.compile.latency_bundle import help_network
from edgewise_converter.latency.tables import LatencyTable


def train(data: Path, predictor: str, output: Path, *options: str) -> int:
    arguments = ["train", "latency", "--table", str(data), "--train", "meta_train,meta_valid"]
    return main([*arguments, "--predictor", predictor, "--output", str(output), *options])


@pytest.fixture
def prior(data: Path, tmp_path: Path) -> Path:
    path = tmp_path / "prior.safetensors"
    assert train(data, "edgewise", path, "--references", "12") == 0
    return path


def test_the_prior_predicts_a_new_device(prior: Path, table: LatencyTable) -> None:
    bundle = Bundle.open(prior, kind="latency")
    manifest = bundle.manifest
    assert manifest["trained_on"] == list(table.devices[:6])
    assert manifest["command"].startswith("edgewise-converter train latency")
    assert manifest["tables"] == ["table.npz"]
    assert "licence" in manifest
    space = get_space("nasbench201")
    assert [space.parse(arch) for arch in manifest["references"]] == manifest["references"]
    assert len(set(manifest["references"])) == 12
    predictor = EdgewisePredictor.from_bundle(bundle)
    row = dict(zip(table.archs, table.row("chip"), strict=True))
    timed = predictor.references[:10]
    adapted = predictor.adapt(timed, [row[arch] for arch in timed])
    predicted = np.asarray(adapted.predict(list(table.archs)).ms)
    assert np.abs(predicted / table.row("chip") - 1).mean() < 0.05


def test_help_trains_on_the_priors_references(data: Path, prior: Path, tmp_path: Path) -> None:
    path = tmp_path / "help.safetensors"
    options = ("--prior", str(prior), "--samples", "7", "--seed", "3", "--episodes", "4")
    assert train(data, "help", path, *options) == 0
    bundle = Bundle.open(path, kind="latency")
    about = bundle.manifest["help"]
    assert about["references"] == Bundle.open(prior).manifest["references"][:7]
    assert about["residual"] > 0
    assert bundle.manifest["seed"] == 3
    assert bundle.manifest["metrics"]["best_episode"] == 4
    network = help_network(bundle)
    assert network.embedding_size == 7
    assert bundle.tensor("help.noise").shape == (10, network.latent_size)


def test_help_needs_a_prior(
    data: Path, prior: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "help.safetensors"
    assert train(data, "help", path) == 1
    assert "help needs --prior" in capsys.readouterr().err
    assert train(data, "help", path, "--prior", str(prior), "--samples", "13") == 1
    assert "has 12 references, 13 asked for" in capsys.readouterr().err
    assert not path.exists()


@pytest.mark.parametrize(
    ("word", "recorded"),
    [
        ("/home/me/tables/fbnet.npz", "fbnet.npz"),
        ("--table=/home/me/fbnet.npz", "--table=fbnet.npz"),
        ("own=/home/me/space.safetensors", "own=space.safetensors"),
        ("T/fbnet.npz", "T/fbnet.npz"),
        ("cifar100/fish#3", "cifar100/fish#3"),
        ("--seeds=10", "--seeds=10"),
        ("", ""),
    ],
)
def test_files_do_not_say_where_things_lay(word: str, recorded: str) -> None:
    assert without_folders(word) == recorded
