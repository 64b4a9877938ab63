"""The long runs of docs/hardening.md in short: mutated bundles, and kills while saving."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import edgewise
from edgewise.runtimes import available_runtimes

ROOT = Path(__file__).resolve().parents[2]


def run(name: str, output: Path, *words: str) -> dict[str, Any]:
    paths = [str(Path(edgewise.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    done = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / name), *words, "--output", str(output)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(output.read_text())
    return found


def test_some_hundred_mutated_bundles(tmp_path: Path) -> None:
    found = run("mutated_bundles.py", tmp_path / "mutated.json", "--count", "400")
    assert found["faults"] == []
    assert sum(found["outcomes"].values()) == 400
    assert found["outcomes"]["used"] > 0  # some changes do no harm
    assert found["outcomes"]["BundleError"] > 0


@pytest.mark.skipif("onnxruntime" not in available_runtimes(), reason="the classifier is ONNX")
def test_some_kills(tmp_path: Path) -> None:
    words = ("--kills", "12", "--kinds", "profile", "classifier")
    found = run("kills.py", tmp_path / "kills.json", *words)
    for kind in ("profile", "classifier"):
        assert found[kind]["faults"] == []
        assert found[kind]["old"] + found[kind]["new"] == 12


@pytest.mark.skipif("onnxruntime" not in available_runtimes(), reason="the networks are ONNX")
def test_some_kills_of_zoo_add(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    found = run("kills.py", tmp_path / "kills.json", "--kills", "4", "--kinds", "zoo")
    assert found["zoo"]["faults"] == []
    assert found["zoo"]["old"] + found["zoo"]["new"] == 4
