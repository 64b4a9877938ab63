"""Assembling a latency bundle from trained parts, and inspecting it."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgewise.bundle import Bundle, write_bundle
from edgewise.errors import BundleError
from edgewise.runtimes import get_runtime
from edgewise.spaces import get_space
from edgewise_converter import inspect
from edgewise_converter.compile import latency_bundle
from edgewise_converter.compile.latency_bundle import LatencyParts, compile_latency, help_network

ARCHS = get_space("nasbench201").architectures()[5000:5003]


def write_part(path: Path, tensors: dict[str, Any], **manifest: Any) -> Bundle:
    about = {"space": "nasbench201", "trained_on": ["raspi4"], "seed": 3, "command": "train"}
    write_bundle(path, kind="latency", name="part", manifest=about | manifest, tensors=tensors)
    return Bundle.open(path)


@pytest.fixture
def prior(tmp_path: Path) -> Bundle:
    return write_part(
        tmp_path / "prior.safetensors",
        {"edgewise.mean": np.arange(3.0), "edgewise.noise": np.ones(2)},
        references=ARCHS,
        metrics={"mape": 4.0},
        licence="MIT data",
    )


def test_a_bundle_holds_what_the_device_needs(prior: Bundle, tmp_path: Path) -> None:
    path = tmp_path / "bundle.safetensors"
    lines: list[str] = []
    compile_latency(LatencyParts(prior), path, command="compile", references=2, report=lines.append)
    bundle = Bundle.open(path, kind="latency")
    bundle.verify()
    assert bundle.manifest["references"] == ARCHS[:2]
    assert bundle.manifest["trained_on"] == ["raspi4"]
    assert bundle.manifest["metrics"] == {"edgewise": {"mape": 4.0}}
    assert bundle.manifest["edgewise"]["command"] == "train"
    assert bundle.manifest["command"] == "compile"
    assert {entry["cases"] for entry in bundle.manifest["parity"]["references"]} <= {2}
    np.testing.assert_array_equal(bundle.tensor("edgewise.mean"), np.arange(3.0))
    runtime = get_runtime("auto")
    session = runtime.load(bundle.blob(f"reference.01.{runtime.format}"))
    assert session.outputs[0].shape == (1, 10)
    assert len(lines) == 2


def test_too_few_references_are_refused(prior: Bundle, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="names 3 reference architectures, 4"):
        compile_latency(LatencyParts(prior), tmp_path / "x", command="", references=4, report=print)
    assert not (tmp_path / "x").exists()


def test_parts_of_different_spaces_are_refused(prior: Bundle, tmp_path: Path) -> None:
    other = write_part(tmp_path / "help.safetensors", {"help.learner": np.zeros(1)}, space="fbnet")
    with pytest.raises(BundleError, match="different spaces"):
        _ = LatencyParts(prior, other).space


def test_a_learner_of_the_wrong_size_is_refused(tmp_path: Path) -> None:
    tensors = {"help.learner": np.zeros(5, np.float32), "help.noise": np.zeros((10, 3), np.float32)}
    about = {"references": ARCHS, "width": 4, "residual": 0.1}
    part = write_part(tmp_path / "help.safetensors", tensors, help=about)
    with pytest.raises(BundleError, match=r"help.learner \(5,\)"):
        help_network(part)


def parse(module: Any, *arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    module.add_parser(parser.add_subparsers(required=True))
    return parser.parse_args(arguments)


def test_inspect_prints_manifest_tensors_and_sizes(
    prior: Bundle, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = parse(inspect, "inspect", prior.path, "--verify")
    assert arguments.run(arguments) == 0
    text = capsys.readouterr().out
    assert "latency bundle 'part'" in text
    assert "edgewise.mean" in text
    assert "float64[3]" in text
    assert "every sha256 is right" in text
    assert '"command": "train"' in text


def test_inspect_as_json(prior: Bundle, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = parse(inspect, "inspect", prior.path, "--json")
    arguments.run(arguments)
    found = json.loads(capsys.readouterr().out)
    assert found["kind"] == "latency"
    assert found["bytes"] == Path(prior.path).stat().st_size
    assert found["tensors"][0] == {
        "name": "edgewise.mean",
        "dtype": "float64",
        "shape": [3],
        "stored": 24,
        "inflated": None,
        "lender": None,
        "whole": 24,
    }


def test_verify_finds_a_flipped_bit(prior: Bundle, tmp_path: Path) -> None:
    data = bytearray(Path(prior.path).read_bytes())
    data[-1] ^= 1
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(data)
    with pytest.raises(BundleError, match=r"edgewise\.noise"):
        inspect.inspect_bundle(broken, verify=True)


def test_command_line_names_files_and_not_folders(prior: Bundle, tmp_path: Path) -> None:
    output = tmp_path / "out.safetensors"
    arguments = parse(
        latency_bundle,
        "latency",
        "--prior",
        prior.path,
        "--output",
        str(output),
        "--references",
        "1",
    )
    assert arguments.run(arguments) == 0
    command = Bundle.open(output).manifest["command"]
    assert command == (
        "edgewise-converter compile latency --prior prior.safetensors --references 1"
    )
