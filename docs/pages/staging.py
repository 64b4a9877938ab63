"""Puts the sources of the site together: the guides as they are, and what is generated."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from . import benchmarks, c_reference, model_cards, python_reference

NAVIGATION = {
    "Begin": ["tutorial-board", "tutorial-app", "tutorial-research"],
    "Guides": [
        "add-your-device",
        "measuring",
        "search",
        "fewshot",
        "retrieval",
        "c-library",
        "wheels",
        "evaluate",
        "fewshot-training",
        "fewshot-embedder",
        "retrieval-training",
    ],
    "Reference": ["python-reference", "c-reference", "file-format", "model-cards", "changelog"],
    "Results": ["benchmarks", "reference-design"],
}
"""Every page of the site but the first, in order."""


def stage(root: Path, sources: Path) -> None:
    """Write the sources of the site into the folder `sources`, which is emptied first.

    Args:
        root: the repository.
        sources: a folder that holds nothing else.
    """
    if sources.exists():
        shutil.rmtree(sources)
    sources.mkdir(parents=True)
    for guide in sorted((root / "docs").glob("*.md")):
        (sources / guide.name).write_text(_within(guide.read_text()))
    (sources / "changelog.md").write_text(_within((root / "CHANGELOG.md").read_text()))
    with (sources / "index.md").open("a") as index:
        index.write(_contents())
    results = root / "docs" / "results"
    shutil.copytree(results, sources / "results")
    header = root / "native" / "include" / "edgewise" / "edgewise.h"
    (sources / "benchmarks.md").write_text(benchmarks.page(results))
    (sources / "model-cards.md").write_text(model_cards.page(root))
    (sources / "c-reference.md").write_text(c_reference.page(header.read_text()))
    (sources / "python-reference.rst").write_text(python_reference.page())


def _within(text: str) -> str:
    """A guide whose links to files beside docs/ lead to the site's own pages."""
    return re.sub(r"\]\((?:\.\./)?CHANGELOG\.md\)", "](changelog.md)", text)


def _contents() -> str:
    """The contents of the site, for the margin; plain viewers of the repository need none."""
    trees = []
    for caption, pages in NAVIGATION.items():
        lines = ["```{toctree}", ":hidden:", f":caption: {caption}", "", *pages, "```"]
        trees.append("\n".join(lines))
    return "\n" + "\n\n".join(trees) + "\n"
