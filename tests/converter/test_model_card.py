"""Model cards: they say what the manifest says, and nothing of it is left to somebody's memory."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from edgewise.bundle import Bundle, write_bundle
from edgewise.errors import BundleError
from edgewise.shipped import BUNDLES
from edgewise_converter import cli
from edgewise_converter.model_card import model_card


@pytest.mark.parametrize("path", sorted(BUNDLES.glob("*.safetensors")), ids=lambda path: path.stem)
def test_it_says_what_the_manifest_says(path: Path) -> None:
    card, manifest = model_card(path), Bundle.open(path).manifest
    assert card.startswith(f"## {manifest['name']}\n")
    assert manifest["licence"] in card
    assert manifest["command"].replace("|", "\\|") in card
    assert hashlib.sha256(path.read_bytes()).hexdigest() in card
    assert "Limits:\n\n- " in card
    if manifest["kind"] == "latency":
        assert all(device in card for device in manifest["trained_on"])


def test_classes_are_counted_and_figures_listed(tmp_path: Path) -> None:
    path = tmp_path / "b.safetensors"
    trained_on = [f"birds/{number}" for number in range(20)]
    about = {"trained_on": trained_on, "metrics": {"validation": {"auroc": 0.75123}}, "seed": 7}
    embedder = {"image": [84, 84, 3], "unknown": {"shots": 5}}
    manifest = {**about, "licence": "L", "command": "a | b", "embedder": embedder}
    write_bundle(path, kind="embedder", name="n", manifest=manifest, tensors={"m.onnx": b"1"})
    card = model_card(path)
    assert "| trained on | 20 classes of birds |" in card
    assert "| validation auroc | 0.7512 |" in card
    assert "| made by | `a \\| b` |" in card
    assert "| seed | 7 |" in card
    assert "set for 5 examples a class" in card


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bundle, output = BUNDLES / "network.safetensors", tmp_path / "card.md"
    assert cli.main(["card", str(bundle), "-o", str(output)]) == 0
    assert output.read_text() == model_card(bundle)
    assert cli.main(["card", str(bundle)]) == 0
    assert capsys.readouterr().out == output.read_text()
    output.write_text("no bundle")
    assert cli.main(["card", str(output)]) == 1
    with pytest.raises(BundleError):
        model_card(output)
