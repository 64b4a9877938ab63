"""The command ``report``: pages that hold every number and fetch nothing."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from edgewise_converter.cli import main


def page_of(arguments: list[str], folder: Path) -> tuple[dict[str, object], str]:
    written, page = folder / "evaluation.json", folder / "pages" / "report.html"
    assert main([*arguments, "--json", str(written)]) == 0
    assert main(["report", str(written), "-o", str(page)]) == 0
    return json.loads(written.read_text()), page.read_text(encoding="utf-8")


def check_alone(page: str) -> None:
    """One whole document; the only addresses are names of XML."""
    assert page.startswith("<!DOCTYPE html>")
    assert page.rstrip().endswith("</html>")
    assert not re.findall(r"<script|<link|<img|@import", page)
    fetched = re.findall(r'(?:src|href)="(?!#)[^"]*"', page.replace("xlink:href", "href"))
    assert fetched == []


def test_a_page_of_devices(data: Path, tmp_path: Path) -> None:
    arguments = ["evaluate", "latency", "--table", str(data), "--train", "meta_train,meta_valid"]
    arguments += ["--test", "meta_test", "--predictors", "edgewise,ridge,ridge-doptimal"]
    written, page = page_of([*arguments, "--seeds", "2"], tmp_path)
    check_alone(page)
    assert page.count("<svg") == 2
    methods = written["methods"]
    assert isinstance(methods, dict)
    for name, method in methods.items():
        for device in ("board", "chip"):
            found = method["devices"][device]["mape"]
            assert f"<td>{found['mean']:.1f} ± {found['sd']:.1f}</td>" in page, (name, device)
    assert "ridge-doptimal (apart)" in page
    assert "<h3>mean</h3>" in page
    # Ridge has no intervals.
    assert "<td>–</td>" in page


def test_a_page_of_what_was_left_out(data: Path, tmp_path: Path) -> None:
    arguments = ["evaluate", "latency", "--table", str(data), "--train", "meta_train,meta_valid"]
    written, page = page_of(
        [*arguments, "--leave-out", "families", "--predictors", "flops,nearest"], tmp_path
    )
    check_alone(page)
    mean = written["mean"]
    assert isinstance(mean, dict)
    cells = "".join(f"<td>{mean[name]['spearman_mid']['mean']:.3f}</td>" for name in mean)
    assert f"<td>mean</td>{cells}" in page
    assert [f"Without {name}" in page for name in ("gpu", "cpu", "phone")] == [True] * 3


def test_a_page_of_searches(data: Path, tmp_path: Path) -> None:
    arguments = ["evaluate", "search", "--table", str(data), "--train", "meta_train,meta_valid"]
    arguments += ["--limit", "chip=20,40", "--confidence", "0.9"]
    written, page = page_of(arguments, tmp_path)
    check_alone(page)
    rules = written["rules"]
    assert isinstance(rules, dict)
    for rule in rules.values():
        assert f"kept {rule['kept']} of 2 limits" in page
        for search in rule["searches"]:
            assert f"<td>{search['ms']:.4g}</td>" in page


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no such file"),
        ("{", "not JSON"),
        ("[]", "not an evaluation"),
        ('{"space": "x", "samples": 1, "protocol": "strict"}', "not an evaluation"),
    ],
)
def test_what_is_no_evaluation_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str | None, message: str
) -> None:
    path, page = tmp_path / "evaluation.json", tmp_path / "page.html"
    if content is not None:
        path.write_text(content)
    assert main(["report", str(path), "-o", str(page)]) == 1
    error = capsys.readouterr().err
    assert f"{path}: " in error
    assert message in error
    assert not page.exists()
