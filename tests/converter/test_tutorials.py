"""The tutorials: all their Python and all their commands run, in order, as they stand."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from edgewise import cli
from edgewise.latency import current
from edgewise.runtimes import available_runtimes
from edgewise_converter import cli as converter

DOCS = Path(__file__).resolve().parents[2] / "docs"
PROGRAMS = {"edgewise": cli.main, "edgewise-converter": converter.main}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, where nothing is calibrated yet."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(current, "_current", None)
    return tmp_path


def follow(tutorial: str) -> dict[str, object]:
    """Do what the tutorial says; the names that its Python has made."""
    text = (DOCS / f"{tutorial}.md").read_text()
    names: dict[str, object] = {"__name__": tutorial}
    for language, block in re.findall(r"^```(\w*)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE):
        if language == "python":
            exec(compile(block, tutorial, "exec"), names)
        elif not language:
            for line in block.replace("\\\n", " ").splitlines():
                command(shlex.split(line))
        else:
            assert language == "c"  # tests/c compiles it
    return names


def command(words: list[str]) -> None:
    if words[:2] != ["pip", "install"]:
        assert PROGRAMS[words[0]](words[1:]) == 0


@pytest.mark.skipif("litert" not in available_runtimes(), reason="it takes LiteRT")
def test_the_milliseconds_of_a_board(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = follow("tutorial-board")
    assert len(names["every"]) == 15625  # type: ignore[arg-type]
    assert (here / "board.html").stat().st_size > 1000
    said = capsys.readouterr().out
    assert "ms; nine times of ten between" in said
    assert "operators without a cost" in said


@pytest.mark.skipif("litert" not in available_runtimes(), reason="it takes LiteRT")
def test_classes_in_an_app(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = follow("tutorial-app")
    said = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"ball \d+% known", said[0])
    assert "a stranger is unknown: True" in said
    assert "confetti" in said
    assert names["nearest"] == "rug"
    assert said[-1] == "True"  # the runtime alone answers as the classifier does
    assert (here / "things.classifier").is_file()


@pytest.mark.skipif("litert" not in available_runtimes(), reason="it takes LiteRT")
def test_from_tables_to_a_bundle(
    here: Path, shared_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "D").symlink_to(shared_data / "latency")
    names = follow("tutorial-research")
    assert names["device"].space == "nasbench201"  # type: ignore[attr-defined]
    assert "## latency of nasbench201" in (here / "mine.md").read_text()
    assert "Prediction(ms=" in capsys.readouterr().out
