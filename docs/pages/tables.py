"""Tables in Markdown, out of records."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

Row = dict[str, Any]
"""A row: column to value. The first column names the row."""

HEADS = {
    "spearman mid": "Spearman, mid",
    "spearman all": "Spearman, all",
    "spearman": "Spearman",
    "mape": "error, %",
    "coverage": "in 90 % interval, %",
    "width": "width of the interval, %",
}
"""What columns are called whose names in files are short."""

_MOST_ROWS = 60
_MOST_COLUMNS = 10
_MOST_OF_A_LIST = 6


def table(rows: Sequence[Row]) -> str:
    """The rows as one table: the columns of all of them, in order; what a row lacks is a dash.

    A few rows with many columns are shown the other way round.
    """
    columns = list(dict.fromkeys(column for row in rows for column in row))
    if len(columns) > max(_MOST_COLUMNS, len(rows)):
        first, *others = columns
        names = [cell(row.get(first)) for row in rows]
        turned = [[row.get(column) for row in rows] for column in others]
        rows = [
            {first: column, **dict(zip(names, values, strict=True))}
            for column, values in zip(others, turned, strict=True)
        ]
        columns = [first, *names]
    lines = [
        _line([HEADS.get(column, column) for column in columns]),
        _line(["---"] * len(columns)),
    ]
    lines += [_line([cell(row.get(column)) for column in columns]) for row in rows[:_MOST_ROWS]]
    if len(rows) > _MOST_ROWS:
        lines += ["", f"The first {_MOST_ROWS} of {len(rows)}."]
    return "\n".join(lines)


def cell(value: Any) -> str:
    """A value as text: numbers to four digits, a mean with its deviation or half interval."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (int, float)):
        return number(value)
    if isinstance(value, dict) and is_estimate(value):
        around = [number(value[key]) for key in ("sd", "half") if value.get(key)]  # 0: of one
        return " ± ".join([number(value["mean"]), *around])
    if isinstance(value, list):
        return ", ".join(cell(item) for item in value)
    text = str(value).replace("|", "\\|")
    return f"`{text}`" if "\\|" in text or '{"' in text else text.replace("_", "\\_")


def number(value: float) -> str:
    """Four digits; small ones by their exponent, large ones whole."""
    if isinstance(value, int) or float(value).is_integer():
        return f"{int(value):,}"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.4g}" if abs(value) >= 1e-4 else f"{value:.2g}"


def is_estimate(value: dict[str, Any]) -> bool:
    """Whether it is a mean with what it is sure to."""
    return "mean" in value and set(value) <= {"mean", "sd", "half"}


def is_short(value: Any) -> bool:
    """Whether it fits into a cell."""
    if isinstance(value, dict):
        return is_estimate(value)
    if isinstance(value, list):
        return len(value) <= _MOST_OF_A_LIST and all(
            isinstance(item, (int, float, str)) for item in value
        )
    return True


def flat(value: dict[str, Any], above: str = "") -> Row:
    """All that is short in a record, what lies deeper under the names that lead to it."""
    found: Row = {}
    for key, item in value.items():
        name = f"{above} {key}".strip().replace("_", " ")
        if is_short(item):
            found[name] = item
        elif isinstance(item, dict):
            found |= flat(item, name)
    return found


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
