"""The embedder that ships: the guide's code, the command and the app run with it, offline."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import edgewise as sdk
from edgewise import _core, cli
from edgewise.fewshot.embedder import open_embedder

ROOT = Path(__file__).resolve().parents[2]

# Raises at any attempt to open a connection; Python imports it before anything else.
NO_NETWORK = """
import socket
def refuse(*arguments):
    raise AssertionError(f"a socket was opened: {arguments}")
socket.socket.connect = socket.socket.bind = refuse
"""


# Of stripes down and of stripes across, two each.
COLOURS = (((200, 60, 50), (240, 220, 210)), ((50, 70, 190), (20, 30, 50)))


def striped(turned: bool, count: int, seed: int) -> NDArray[np.uint8]:
    """(count, 84, 84, 3): stripes of any width, down in about red, or across in about blue."""
    generator = np.random.default_rng(seed)
    images = []
    for _ in range(count):
        edges = np.arange(84) // generator.integers(6, 12) % 2
        colours = np.array(COLOURS[turned]) + generator.integers(-40, 41, (2, 3))
        image = colours[edges][:, None].repeat(84, axis=1)
        images.append(image.transpose(1, 0, 2) if turned else image)
    return np.array(np.clip(images, 0, 255), np.uint8)


@pytest.fixture
def offline(tmp_path: Path) -> dict[str, str]:
    """An environment for another process that may open no socket."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(NO_NETWORK)
    paths = [str(tmp_path / "site"), *filter(None, sys.path)]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}


def test_it_holds_every_model(runtime: str) -> None:
    bundle = open_embedder("default")
    bundle.verify()
    assert Path(bundle.path).stat().st_size <= 3_000_000
    for key in ("trained_on", "licence", "seed", "command", "metrics"):
        assert key in bundle.manifest
    for precision in ("float32", "int8"):
        info = sdk.FewShotClassifier(runtime=runtime, precision=precision).info
        assert (info["runtime"], info["precision"]) == (runtime, precision)


def test_all_models_see_the_same(runtime: str) -> None:
    """Classes that nobody mistakes, as every model and runtime names them."""
    for precision in ("float32", "int8"):
        classifier = sdk.FewShotClassifier(runtime=runtime, precision=precision)
        classifier.add("down", striped(False, 5, 0))
        classifier.add("across", striped(True, 5, 1))
        found = [classifier.predict(striped(turned, 10, 7)).label for turned in (False, True)]
        right = (found[0] == "down").sum() + (found[1] == "across").sum()
        assert right >= 18


def test_embeddings_of_runtimes_agree() -> None:
    image = striped(False, 1, 3)
    classifiers = [
        sdk.FewShotClassifier(runtime=name, precision="float32")
        for name in ("litert", "onnxruntime")
    ]
    rows = [classifier._embedder.embed([image]) for classifier in classifiers]
    np.testing.assert_allclose(rows[0], rows[1], rtol=1e-3, atol=1e-4)


def test_the_guide_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "docs" / "fewshot.md").read_text()
    blocks = re.findall(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    names: dict[str, object] = {
        "mugs": striped(False, 5, 0),
        "plants": striped(True, 5, 1),
        "lamps": _core.resize(
            np.random.default_rng(2).integers(0, 256, (5, 4, 4, 3), np.uint8), 84, 84
        ),
        "another": striped(False, 1, 2)[0],
        "picture": striped(False, 1, 3)[0],
    }
    exec(compile("\n".join(blocks), "docs/fewshot.md", "exec"), names)
    later = names["later"]
    assert isinstance(later, sdk.FewShotClassifier)
    assert later.labels == ["mug", "lamp"]
    assert later.info["examples"]["mug"] == 6


def test_the_app_runs_offline(runtime: str, offline: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / "fewshot_app.py"), "--runtime", runtime],
        capture_output=True,
        text=True,
        env=offline,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "a new process that loads them gives the same answers" in done.stdout
    stranger = re.search(r"was never shown: (\d+) of (\d+) called unknown", done.stdout)
    assert stranger is not None


def test_the_app_takes_the_users_pictures(tmp_path: Path, offline: dict[str, str]) -> None:
    for at, name in enumerate("abcde"):
        (tmp_path / "mine" / name).mkdir(parents=True)
        for number, image in enumerate(striped(at % 2 == 0, 7, at)):
            Image.fromarray(image).save(tmp_path / "mine" / name / f"{number}.png")
    done = subprocess.run(
        [
            sys.executable,
            str(ROOT / "examples" / "fewshot_app.py"),
            "--pictures",
            str(tmp_path / "mine"),
        ],
        capture_output=True,
        text=True,
        env=offline,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "shown 5 pictures each of a, b, c" in done.stdout


def test_classes_of_one_process_are_another_s(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], offline: dict[str, str]
) -> None:
    examples, query = tmp_path / "examples", tmp_path / "query.png"
    for name, turned in (("down", False), ("across", True)):
        (examples / name).mkdir(parents=True)
        for number, image in enumerate(striped(turned, 5, 4)):
            Image.fromarray(image).save(examples / name / f"{number}.png")
    Image.fromarray(striped(True, 1, 9)[0]).save(query)
    learn = ["classify", "--examples", str(examples), str(query), "--json"]
    assert cli.main([*learn, "--save", str(tmp_path / "kept")]) == 0
    here = json.loads(capsys.readouterr().out)
    load = ["classify", "--load", str(tmp_path / "kept"), str(query), "--json"]
    there = subprocess.run(
        [sys.executable, "-m", "edgewise.cli", *load],
        capture_output=True,
        text=True,
        env=offline,
        check=True,
    )
    assert json.loads(there.stdout) == here
    assert here[0]["label"] == "across"
