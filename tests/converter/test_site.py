"""The site: it builds without a warning, needs no other host, and no link in it is dead."""

from __future__ import annotations

import html
import os
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

import edgewise

ROOT = Path(__file__).resolve().parents[2]
LOADED = {
    "script": "src",
    "img": "src",
    "iframe": "src",
    "source": "src",
    "video": "src",
    "embed": "src",
    "object": "data",
    "link": "href",
}
"""What a browser loads by itself, and by which attribute."""


class Page(HTMLParser):
    """What a page loads, links to, and can be linked to at."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.feed(path.read_text())

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        found = dict(attributes)
        named = found.get("id") or (found.get("name") if tag == "a" else None)
        if named:
            self.anchors.add(named)
        if tag in LOADED and found.get(LOADED[tag]):
            self.loads.append(str(found[LOADED[tag]]))
        if tag == "a" and found.get("href"):
            self.links.append(str(found["href"]))
        self.loads += re.findall(r"url\(['\"]?([^'\")]+)", found.get("style") or "")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built as `make docs` builds it: by the same module, warnings being errors."""
    built = tmp_path_factory.mktemp("docs") / "site"
    paths = [str(ROOT / "docs"), *filter(None, [os.environ.get("PYTHONPATH")])]
    done = subprocess.run(
        [sys.executable, "-m", "pages", str(built)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return built


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Page]:
    """Every page of it."""
    return {path: Page(path) for path in site.rglob("*.html")}


def test_nothing_is_loaded_from_another_host(site: Path, pages: dict[Path, Page]) -> None:
    loaded = [(path, target) for path, page in pages.items() for target in page.loads]
    for sheet in site.rglob("*.css"):
        loaded += [(sheet, target) for target in _loaded_by_style(sheet.read_text())]
    assert len(loaded) > 100
    for path, target in loaded:
        if target.startswith("data:"):
            continue
        split = urlsplit(target)
        assert not split.scheme + split.netloc, f"{path} loads {target}"
        if split.path:
            assert (path.parent / unquote(split.path)).is_file(), f"{path} loads {target}"


def test_every_link_leads_somewhere(pages: dict[Path, Page]) -> None:
    count = 0
    for path, page in pages.items():
        for link in page.links:
            split = urlsplit(link)
            if split.scheme or split.netloc:
                continue
            target = (path.parent / unquote(split.path)).resolve() if split.path else path.resolve()
            assert target.is_file(), f"{path} links to {link}"
            if split.fragment and target.suffix == ".html":
                anchors = pages[target].anchors if target in pages else Page(target).anchors
                assert unquote(split.fragment) in anchors, f"{path} links to {link}"
            count += 1
    assert count > 500


def test_searching_needs_no_server(site: Path, pages: dict[Path, Page]) -> None:
    """The index is a script, which pages of the file system may load; what is fetched is not."""
    assert "searchindex.js" in pages[site / "search.html"].loads
    index = (site / "searchindex.js").read_text()
    assert index.startswith("Search.setIndex(")
    for word in ("calibr", "tutorial-board", "edgewise_device_predict"):
        assert word in index


def test_every_guide_and_result_is_there(site: Path) -> None:
    index = (site / "index.html").read_text()
    for guide in (ROOT / "docs").glob("*.md"):
        assert (site / f"{guide.stem}.html").is_file()
        assert f"{guide.stem}.html" in index or guide.stem == "index"
    benchmarks = (site / "benchmarks.html").read_text()
    for result in (ROOT / "docs" / "results").glob("*.json"):
        assert f"/{result.name}" in benchmarks
    cards = (site / "model-cards.html").read_text()
    for bundle in (ROOT / "sdk" / "edgewise" / "bundles").glob("*.safetensors"):
        assert bundle.name in cards


def test_the_interfaces_are_whole(site: Path, pages: dict[Path, Page]) -> None:
    python = pages[site / "python-reference.html"].anchors
    assert {f"edgewise.{name}" for name in edgewise.__all__} <= python
    assert "edgewise.Device.next_reference" in python
    text = _text(site / "c-reference.html")
    declared = set(re.findall(r"EDGEWISE_API[^;(]*?\b(edgewise_\w+)\(", _header("edgewise.h")))
    assert len(declared) > 40
    for name in declared:
        assert re.search(rf"\b{name}\(", text)


def test_the_interface_of_cpp_is_whole(site: Path, pages: dict[Path, Page]) -> None:
    """Types are headings, members have their declarations, and nothing private is there."""
    within = re.compile(
        r"^namespace detail \{.*^\}  // namespace detail$", re.MULTILINE | re.DOTALL
    )
    header = within.sub("", _header("edgewise.hpp"))
    text = _text(site / "cpp-reference.html")
    types = re.findall(r"^(?:class|struct) (\w+)", header, re.MULTILINE)
    assert {"Error", "Bundle", "Device", "ClassifierOptions"} <= set(types)
    assert {name.lower() for name in types} <= pages[site / "cpp-reference.html"].anchors
    for kind in types:
        for name in _public_functions(header, kind):
            assert re.search(rf"\b{name}\(", text), f"{kind}::{name}"
    for name in ("version", "nearest"):
        assert re.search(rf"\b{name}\(", text)
    assert "size() const noexcept;  // 0: not listable" in text
    for private in ("handle_", "read_options", "detail", "Closer", "return edgewise_"):
        assert private not in text


def test_guides_link_to_files_of_the_repository() -> None:
    """Those who read the guides in a viewer of the repository have the files, not the site."""
    generated = {"benchmarks.md"}
    dead = defaultdict(list)
    for guide in [*(ROOT / "docs").glob("*.md"), *ROOT.glob("*.md")]:
        prose = re.sub(r"^```.*?^```$", "", guide.read_text(), flags=re.DOTALL | re.MULTILINE)
        for link in re.findall(r"\]\(([^)#\s]+)[^)]*\)", prose):
            here = not urlsplit(link).scheme and link not in generated
            if here and not (guide.parent / link).exists():
                dead[guide.name].append(link)
    assert not dead


def _header(name: str) -> str:
    return (ROOT / "native" / "include" / "edgewise" / name).read_text()


def _text(page: Path) -> str:
    return html.unescape(re.sub(r"<[^>]+>", "", page.read_text()))


def _public_functions(header: str, kind: str) -> set[str]:
    """Names of a type's public functions, as the header's indentation has them."""
    body = re.split(rf"^(?:class|struct) {kind}\b", header, flags=re.MULTILINE)[1]
    public = re.split(r"^(?: private:|};)$", body, flags=re.MULTILINE)[0]
    return set(re.findall(r"^  (?=\w)(?:[^(=;\n]*\W)?(\w+)\(", public, re.MULTILINE))


def _loaded_by_style(sheet: str) -> Iterator[str]:
    text = re.sub(r"/\*.*?\*/", "", sheet, flags=re.DOTALL)
    yield from re.findall(r"url\(\s*['\"]?([^'\")]+)", text)
    yield from re.findall(r"@import\s+['\"]([^'\"]+)", text)
