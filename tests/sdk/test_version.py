"""One version: of the package, of its core, of its files, and in what CHANGELOG.md promises."""

from __future__ import annotations

import re
from importlib import metadata
from pathlib import Path

import edgewise

ROOT = Path(__file__).resolve().parents[2]


def test_the_version_is_that_of_the_project() -> None:
    found = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert found is not None
    assert edgewise.__version__ == found[1]
    assert re.fullmatch(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)", edgewise.__version__)
    try:
        installed = metadata.version("edgewise")
    except metadata.PackageNotFoundError:  # run from its sources
        return
    assert installed == edgewise.__version__


def test_the_changelog_is_of_this_version() -> None:
    text = (ROOT / "CHANGELOG.md").read_text()
    (newest, *_) = re.findall(r"^## (\S+)", text, re.MULTILINE)
    assert newest == edgewise.__version__
    for promised in ("Semantic Versioning", "`edgewise.__all__`", "*Deprecation.*", "SOVERSION"):
        assert promised in text


def test_every_public_name_is_there() -> None:
    for name in edgewise.__all__:
        assert getattr(edgewise, name) is not None
    assert set(edgewise.__all__) <= set(dir(edgewise))
