"""The drawings of a report, as SVG text: no library, no script, nothing fetched."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from html import escape
from typing import NamedTuple

_WIDE, _HIGH = 640, 420
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 16, 12, 44
_ROW = 22  # height of a row of bars
_LABEL = 300  # width of a bar's label
_LOGARITHMIC = 8.0  # from this ratio of the largest to the smallest value


class Point(NamedTuple):
    """A measured value beside its prediction, milliseconds."""

    label: str
    measured: float
    predicted: float
    low: float
    high: float


class Bar(NamedTuple):
    """One row of a bar chart; `text` is written behind the bar."""

    label: str
    value: float
    text: str


class Band(NamedTuple):
    """One row of a chart of spreads, each relative to the median of the row."""

    label: str
    spread: float
    """Of single runs, around the median."""
    p90: float
    """The 90th percentile above the median."""
    text: str


def scatter(points: Sequence[Point], what: str) -> str:
    """Predictions with their intervals against what was measured, on equal axes."""
    values = [v for p in points for v in (p.measured, p.low, p.high)]
    axis = _Axis(min(values), max(values))
    x = axis.onto(_LEFT, _WIDE - _RIGHT)
    y = axis.onto(_HIGH - _BOTTOM, _TOP)
    parts = [*_grid(axis, x, y), _line(x(axis.low), y(axis.low), x(axis.high), y(axis.high), "eq")]
    for p in points:
        title = f"{p.label}: {p.measured:.4g} ms, predicted {p.predicted:.4g} "
        title += f"({p.low:.4g} to {p.high:.4g})"
        outside = "" if p.low <= p.measured <= p.high else " out"
        parts.append(
            f'<g class="pt{outside}"><title>{escape(title)}</title>'
            f"{_line(x(p.measured), y(p.low), x(p.measured), y(p.high), 'iv')}"
            f'<circle cx="{x(p.measured):.1f}" cy="{y(p.predicted):.1f}" r="4"/></g>'
        )
    middle = (_TOP + _HIGH - _BOTTOM) / 2
    parts.append(_text((_LEFT + _WIDE - _RIGHT) / 2, _HIGH - 6, "measured, ms", "mid"))
    parts.append(
        f'<text class="mid" transform="translate(14 {middle:.0f}) rotate(-90)">predicted, ms</text>'
    )
    return _svg(_HIGH, what, parts)


def bars(rows: Sequence[Bar], what: str) -> str:
    """Horizontal bars; those of negative values go to the left."""
    low, high = min(0.0, *(r.value for r in rows)), max(0.0, *(r.value for r in rows))
    span = (high - low) or 1.0
    room = _WIDE - _LABEL - 80
    parts = []
    for i, row in enumerate(rows):
        top = i * _ROW
        begin = _LABEL + room * (min(row.value, 0.0) - low) / span
        length = room * abs(row.value) / span
        parts.append(_text(_LABEL - 8, top + 15, row.label, "end"))
        parts.append(
            f'<rect class="bar" x="{begin:.1f}" y="{top + 4}" width="{length:.1f}" '
            f'height="{_ROW - 8}"/>'
        )
        parts.append(_text(begin + length + 6, top + 15, row.text, ""))
    return _svg(len(rows) * _ROW, what, parts)


def bands(rows: Sequence[Band], what: str) -> str:
    """For each row, the spread around its median as a bar and its 90th percentile as a tick."""
    widest = max(0.02, *(max(r.spread, r.p90) for r in rows))
    begin, room = _LABEL, _WIDE - _LABEL - 80
    low = max([0.0, *(r.spread for r in rows)])
    scale = room / (low + widest)
    zero = begin + low * scale
    high = len(rows) * _ROW
    parts = [_line(zero, 0, zero, high, "eq")]
    for i, row in enumerate(rows):
        top = i * _ROW
        at = zero + row.p90 * scale
        parts.append(_text(_LABEL - 8, top + 15, row.label, "end"))
        parts.append(
            f'<rect class="bar" x="{zero - row.spread * scale:.1f}" y="{top + 7}" '
            f'width="{2 * row.spread * scale:.1f}" height="{_ROW - 14}"/>'
        )
        parts.append(_line(at, top + 4, at, top + _ROW - 4, "iv"))
        parts.append(_text(begin + room + 8, top + 15, row.text, ""))
    return _svg(high, what, parts)


class _Axis:
    """A range of values that holds the data with a margin; logarithmic where the data are wide."""

    def __init__(self, least: float, most: float) -> None:
        self.log = least > 0 and most / least > _LOGARITHMIC
        low, high = (math.log(least), math.log(most)) if self.log else (least, most)
        margin = 0.06 * (high - low) or 0.1 * abs(high) or 1.0
        low, high = low - margin, high + margin
        if not self.log:
            low = max(low, 0.0) if least >= 0 else low
        self._low, self._high = low, high
        self.low, self.high = (math.exp(low), math.exp(high)) if self.log else (low, high)

    def onto(self, begin: float, end: float) -> Callable[[float], float]:
        """Maps a value to pixels, the low end of the axis to `begin`."""

        def place(value: float) -> float:
            at = math.log(value) if self.log else value
            return begin + (end - begin) * (at - self._low) / (self._high - self._low)

        return place

    def ticks(self) -> list[float]:
        """Round values within the range, three at least."""
        return _log_ticks(self.low, self.high) if self.log else _ticks(self.low, self.high)


def _ticks(low: float, high: float) -> list[float]:
    power = 10.0 ** math.floor(math.log10((high - low) / 3))
    step = next(m * power for m in (5, 2, 1) if (high - low) / (m * power) >= 3)
    first = math.ceil(low / step)
    return [i * step for i in range(first, math.floor(high / step) + 1)]


def _log_ticks(low: float, high: float) -> list[float]:
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    wide = math.log10(high / low) > 3
    values = [m * 10.0**p for p in powers for m in ((1,) if wide else (1, 2, 5))]
    return [value for value in values if low <= value <= high]


def _grid(axis: _Axis, x: Callable[[float], float], y: Callable[[float], float]) -> Iterable[str]:
    for tick in axis.ticks():
        yield _line(x(tick), _TOP, x(tick), _HIGH - _BOTTOM, "grid")
        yield _line(_LEFT, y(tick), _WIDE - _RIGHT, y(tick), "grid")
        yield _text(x(tick), _HIGH - _BOTTOM + 16, f"{tick:.4g}", "mid")
        yield _text(_LEFT - 6, y(tick) + 4, f"{tick:.4g}", "end")


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _text(x: float, y: float, text: str, kind: str) -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}">{escape(text)}</text>'


def _svg(height: float, what: str, parts: Iterable[str]) -> str:
    return (
        f'<svg viewBox="0 0 {_WIDE} {height:.0f}" role="img" aria-label="{escape(what)}">'
        f"{''.join(parts)}</svg>"
    )
