"""Files that earlier versions wrote: read as CHANGELOG promises, or refused with the cure."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import edgewise
from edgewise import ProfileError
from edgewise.bundle import Bundle
from edgewise.latency.profile import load_profile
from edgewise.runtimes import available_runtimes

from ..fixtures.write import answer

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures"
VERSIONS = sorted(path.name for path in FIXTURES.iterdir() if (path / "answers.json").is_file())


def series(version: str) -> list[str]:
    """The two numbers within which files are read."""
    return version.split(".")[:2]


def test_this_series_left_files() -> None:
    assert any(series(version) == series(edgewise.__version__) for version in VERSIONS)


@pytest.mark.parametrize("version", VERSIONS)
def test_all_of_every_file_is_read(version: str) -> None:
    """Bundles outlive the series: format and digests hold as long as the format version does."""
    files = [path for path in (FIXTURES / version).iterdir() if path.suffix != ".json"]
    assert {Bundle.open(path).kind for path in files} == {
        *("latency", "profile", "embedder", "classifier", "zoo")
    }
    for path in files:
        Bundle.open(path).verify()


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.skipif("onnxruntime" not in available_runtimes(), reason="its networks are ONNX")
def test_files_answer_as_when_they_were_written(version: str) -> None:
    folder = FIXTURES / version
    if series(version) != series(edgewise.__version__):
        with pytest.raises(ProfileError, match=rf"was made by edgewise {version}, this is"):
            load_profile(folder / "device.profile")
        return
    expected, found = json.loads((folder / "answers.json").read_text()), answer(folder)
    assert found.keys() == expected.keys()
    for name in expected:
        same(found[name], expected[name], name)


def same(found: Any, expected: Any, where: str) -> None:
    """Numbers to single precision, for runtimes differ in the last bits; all else exactly."""
    if isinstance(expected, dict):
        assert found.keys() == expected.keys(), where
        for name in expected:
            same(found[name], expected[name], f"{where}: {name}")
    elif isinstance(expected, list):
        assert len(found) == len(expected), where
        for left, right in zip(found, expected, strict=True):
            same(left, right, where)
    elif isinstance(expected, float):
        assert found == pytest.approx(expected, rel=1e-5, abs=1e-6), where
    else:
        assert found == expected, where
