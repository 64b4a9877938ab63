"""Puts the sources of the site together: the guides as they are, and what is generated."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from . import benchmarks, c_reference, cpp_reference, model_cards, python_reference

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
    "Reference": [
        "python-reference",
        "c-reference",
        "cpp-reference",
        "file-format",
        "model-cards",
        "changelog",
    ],
    "Results": ["benchmarks", "reference-design"],
}
"""The pages of the site but the first, in order; guides not named come after the others."""

_MADE_OF = {
    "CHANGELOG.md": "changelog.md",
    "native/include/edgewise/edgewise.h": "c-reference.md",
    "native/include/edgewise/edgewise.hpp": "cpp-reference.md",
}
"""Files of the repository that guides link to, and the pages that are made of them."""


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
    changes = (root / "CHANGELOG.md").read_text().replace("](docs/", "](")
    (sources / "changelog.md").write_text(_within(changes))
    with (sources / "index.md").open("a") as index:
        index.write(_contents({guide.stem for guide in (root / "docs").glob("*.md")}))
    results = root / "docs" / "results"
    shutil.copytree(results, sources / "results")
    headers = root / "native" / "include" / "edgewise"
    (sources / "benchmarks.md").write_text(benchmarks.page(results))
    (sources / "model-cards.md").write_text(model_cards.page(root))
    c = c_reference.page((headers / "edgewise.h").read_text())
    (sources / "c-reference.md").write_text(c)
    cpp = cpp_reference.page((headers / "edgewise.hpp").read_text())
    (sources / "cpp-reference.md").write_text(cpp)
    (sources / "python-reference.rst").write_text(python_reference.page())


def _within(text: str) -> str:
    """A guide whose links lead to the site's own pages; other files of the repository are named."""
    for file, page in _MADE_OF.items():
        text = re.sub(rf"\]\((?:\.\./)?{re.escape(file)}\)", f"]({page})", text)
    return re.sub(r"\[([^\]]+)\]\(\.\./([^)\s]+)\)", r"\1 (`\2`)", text)


def _contents(guides: set[str]) -> str:
    """The contents of the site, for the margin; plain viewers of the repository need none."""
    named = {page for pages in NAVIGATION.values() for page in pages}
    more = sorted(guides - named - {"index"})
    trees = []
    for caption, pages in NAVIGATION.items():
        listed = [*pages, *(more if caption == "Guides" else [])]
        trees.append(
            "\n".join(["```{toctree}", ":hidden:", f":caption: {caption}", "", *listed, "```"])
        )
    return "\n" + "\n\n".join(trees) + "\n"
