"""The host's commands in the guides: every one of them is what the parser takes."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from edgewise_converter import cli

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    "guide",
    [
        "docs/add-your-device.md",
        "docs/fewshot-embedder.md",
        "docs/fewshot-training.md",
        "docs/retrieval.md",
        "README.md",
    ],
)
def test_the_commands_of_the_host_exist(guide: str) -> None:
    text = (ROOT / guide).read_text()
    blocks = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    lines = (
        "".join(block for language, block in blocks if not language)
        .replace("\\\n", "")
        .splitlines()
    )
    commands = [shlex.split(line, comments=True) for line in lines]
    ours = [words[1:] for words in commands if words[:1] == ["edgewise-converter"]]
    assert ours
    for words in ours:
        assert cli._parser(words).parse_args(words).run is not None
