"""The report of a device: that its figures are right, and that its page stands alone."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest

import edgewise as sdk
from edgewise import cli
from edgewise.bundle import Bundle
from edgewise.errors import ArgumentError, StorageError
from edgewise.latency import calibrate
from edgewise.latency.edgewise import EdgewisePredictor
from edgewise.latency.report_charts import Band, Bar, Point, bands, bars, scatter

VOID = {"meta"}


class Page(HTMLParser):
    """Checks that tags are closed in order; collects what a browser would fetch, and the text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.fetched: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in VOID:
            self.open.append(tag)  # one written <tag/> is closed at once
        self.fetched += [f"{n}={v}" for n, v in attrs if n in ("src", "href", "srcset", "action")]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def written(device: sdk.Device, path: Path) -> str:
    device.report(path)
    return path.read_text(encoding="utf-8")


def test_the_page_stands_alone(device: sdk.Device, tmp_path: Path) -> None:
    text = written(device, tmp_path / "report.html")
    page = Page(text)
    assert page.open == []
    assert page.fetched == []
    assert "script" not in page.tags
    assert not re.search(r"@import|url\(|https?:", text)
    drawings = re.findall(r"<svg.*?</svg>", text, re.DOTALL)
    assert len(drawings) == 4
    for drawing in drawings:
        for element in ET.fromstring(drawing).iter():
            for name in ("x", "y", "x1", "x2", "y1", "y2", "cx", "cy", "width", "height"):
                assert np.isfinite(float(element.get(name, "0")))


def test_what_it_says(device: sdk.Device, tmp_path: Path) -> None:
    text = Page(written(device, tmp_path / "report.html")).text
    for m in device.measurements:
        assert m.name in text
        assert f"{m.ms:.4g}" in text
    for fact in (device.info["cpu"], device.info["semantics"], device.info["calibrated_at"]):
        assert str(fact) in text


def test_each_is_predicted_from_the_others(device: sdk.Device, bundle: Bundle) -> None:
    measured = device.measurements
    report = device.report(confidence=0.8)
    predictor = EdgewisePredictor.from_bundle(bundle)
    assert [row.measurement for row in report.rows] == measured
    for i, row in enumerate(report.rows):
        others = measured[:i] + measured[i + 1 :]
        adapted = predictor.adapt([m.name for m in others], [m.ms for m in others])
        assert row.predicted == pytest.approx(adapted.predict(measured[i].name, 0.8))
    errors = [abs(r.predicted.ms / r.measurement.ms - 1) for r in report.rows if r.predicted]
    assert report.error == pytest.approx(np.mean(errors))
    assert report.predicted == len(measured) >= report.inside > 0
    assert sum(report.hypotheses.values()) == pytest.approx(1.0, abs=0.01)
    assert [abs(c) for _, c in report.costs] == sorted(
        (abs(c) for _, c in report.costs), reverse=True
    )
    assert report.costs[0][1] == pytest.approx(np.abs(device.embedding).max())


def test_too_few_timings_are_said(
    cost: Callable[[str], float], bundle: Bundle, tmp_path: Path
) -> None:
    least = EdgewisePredictor.from_bundle(bundle).min_samples
    device = calibrate(measure=cost, samples=least, progress=False)
    assert "Too few timings" in Page(written(device, tmp_path / "report.html")).text
    assert all(row.predicted is None for row in device.report().rows)


def test_help_has_a_report_too(cost: Callable[[str], float], tmp_path: Path) -> None:
    device = calibrate(measure=cost, predictor="help", progress=False)
    text = Page(written(device, tmp_path / "report.html")).text
    assert "does not model" in text


def test_a_name_cannot_break_the_page(device: sdk.Device, tmp_path: Path) -> None:
    device._profile.info["cpu"] = "<b>&\"'</i>"  # type: ignore[index]
    page = Page(written(device, tmp_path / "report.html"))
    assert page.open == []
    assert "<b>&\"'</i>" in page.text


def test_errors(device: sdk.Device, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="folder does not exist"):
        device.report(tmp_path / "absent" / "report.html")
    with pytest.raises(ArgumentError, match="confidence"):
        device.report(confidence=1.5)


def test_the_command(
    device: sdk.Device, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    profile, page = tmp_path / "mine.safetensors", tmp_path / "report.html"
    device.save(profile)
    assert cli.main(["report", str(profile), "-o", str(page)]) == 0
    assert "10 timings" in capsys.readouterr().out
    assert Page(page.read_text(encoding="utf-8")).open == []
    assert cli.main(["report", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [row["arch"] for row in found["timings"]] == [m.name for m in device.measurements]
    assert found["predicted"] == 10
    assert cli.main(["report"]) == 1
    assert "-o FILE" in capsys.readouterr().err
    assert cli.main(["report", str(tmp_path / "absent"), "-o", str(page)]) == 1
    assert "absent" in capsys.readouterr().err


def heights(drawing: str, tag: str, *names: str) -> list[list[float]]:
    found = ET.fromstring(drawing).iter(tag)
    return [[float(element.get(name, "nan")) for name in names] for element in found]


@pytest.mark.parametrize("largest", [2.0, 500.0])  # a linear and a logarithmic axis
def test_a_scatter_puts_equal_values_on_the_diagonal(largest: float) -> None:
    points = [Point(str(v), v, v, 0.9 * v, 1.1 * v) for v in np.linspace(1.0, largest, 7).tolist()]
    drawing = scatter(points, "what")
    diagonal = ET.fromstring(drawing).find("line[@class='eq']")
    assert diagonal is not None
    x1, y1, x2, y2 = (float(diagonal.get(n, "nan")) for n in ("x1", "y1", "x2", "y2"))
    for cx, cy in heights(drawing, "circle", "cx", "cy"):
        assert (cy - y1) / (y2 - y1) == pytest.approx((cx - x1) / (x2 - x1), abs=0.01)
    assert len(set(re.findall(r'class="mid"[^>]*>([\d.]+)<', drawing))) >= 3


def test_a_point_outside_its_interval_is_marked() -> None:
    inside, outside = Point("in", 1.0, 1.1, 0.9, 1.2), Point("out", 2.0, 1.1, 0.9, 1.2)
    kinds = [g.get("class") for g in ET.fromstring(scatter([inside, outside], "")).iter("g")]
    assert kinds == ["pt", "pt out"]


def test_bars_are_as_long_as_their_values() -> None:
    drawing = bars([Bar("a", 4.0, ""), Bar("b", -1.0, ""), Bar("c", 2.0, "")], "what")
    (ax, a), (bx, b), (cx, c) = heights(drawing, "rect", "x", "width")
    assert (a, c) == pytest.approx((4 * b, 2 * b), abs=0.2)
    assert ax == cx == pytest.approx(bx + b, abs=0.2)
    assert heights(bars([Bar("zero", 0.0, "")], "what"), "rect", "width") == [[0.0]]


def test_bands_are_as_wide_as_their_spreads() -> None:
    drawing = bands([Band("a", 0.02, 0.05, ""), Band("b", 0.01, 0.0, "")], "what")
    (_, a), (_, b) = heights(drawing, "rect", "x", "width")
    assert a == pytest.approx(2 * b, abs=0.2)
    single = bands([Band("one run", 0.0, 0.0, "")], "what")
    assert heights(single, "rect", "width") == [[0.0]]
