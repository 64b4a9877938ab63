"""A written evaluation as one HTML page that needs nothing else: tables and plots by device."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from edgewise.errors import ArgumentError

Scores = Mapping[str, Mapping[str, Any]]
"""Methods of an evaluation, by name, as they are written."""

_COLUMNS = (
    ("spearman_mid", "Spearman, mid", 3),
    ("spearman_all", "Spearman, all", 3),
    ("mape", "MAPE %", 1),
    ("coverage", "in interval %", 1),
    ("width", "width %", 1),
)
_PLOTS = (
    ("spearman_mid", "rank correlation, middle queries"),
    ("mape", "mean absolute error, percent"),
)
_SEARCH = (
    ("device", "device"),
    ("limit", "limit ms"),
    ("predicted", "predicted ms"),
    ("needed", "kept to be within ms"),
    ("ms", "true ms"),
    ("quality", "quality"),
    ("best", "best possible"),
    ("help_ms", "HELP ms"),
    ("help_accuracy", "HELP %"),
)
_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #1c2430; background: #fff;
  max-width: 64rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; margin-bottom: 0; } h2 { font-size: 1.15rem; margin-top: 2.5rem; }
h3 { font-size: 1rem; margin-bottom: .3rem; } p.dim { color: #667085; }
code { font-size: .8rem; overflow-wrap: anywhere; }
table { border-collapse: collapse; font-size: .85rem; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: .2rem .6rem; border-bottom: 1px solid #d0d5dd; }
th:first-child, td:first-child { text-align: left; }
tr.broken td { color: #c2410c; } svg { width: 100%; height: auto; }
"""


def evaluation_page(written: Mapping[str, Any]) -> str:
    """The page of an evaluation as ``evaluate`` writes it.

    Raises:
        ArgumentError: it is none.
    """
    try:
        parts = "\n".join(_body(written))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ArgumentError(f"not an evaluation that this version writes: {error!r}") from error
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(_title(written))}</title>\n<style>{_STYLE}</style>\n</head>\n"
        f"<body>\n{parts}\n</body>\n</html>\n"
    )


def _title(written: Mapping[str, Any]) -> str:
    if "rules" in written:
        return f"{written['space']}: search under a limit"
    return f"{written['space']}, {written['samples']} timings, protocol {written['protocol']}"


def _body(written: Mapping[str, Any]) -> Iterator[str]:
    yield f"<h1>{escape(_title(written))}</h1>"
    yield f'<p class="dim"><code>{escape(written["command"])}</code></p>'
    if "rules" in written:
        yield from _searches(written)
        return
    if "folds" in written:
        yield from _folds(written)
        return
    yield f'<p class="dim">Learnt from {escape(", ".join(written["train"]))}.</p>'
    yield from _devices(written["methods"], written["published_spearman_mid"])


def _devices(methods: Scores, published: Mapping[str, Mapping[str, float]]) -> Iterator[str]:
    """Plots of all devices, then a table of each and of their mean."""
    devices = list(next(iter(methods.values()))["devices"])
    for key, title in _PLOTS:
        yield f"<h2>{escape(title.capitalize())}</h2>"
        yield _plot(methods, devices, key, title)
    for device in devices:
        scores = {name: method["devices"][device] for name, method in methods.items()}
        yield from _table(device, scores, methods, published)
    if len(devices) > 1:
        means = {name: method["mean"] for name, method in methods.items()}
        yield from _table("mean", means, methods, published)


def _folds(written: Mapping[str, Any]) -> Iterator[str]:
    """The mean of each fold side by side, then each fold as an evaluation of its own."""
    folds, names = written["folds"], list(written["mean"])
    for key, title, digits in _COLUMNS[:3]:
        rows = [
            [fold, *(_figure(content["methods"][name]["mean"], key, digits) for name in names)]
            for fold, content in folds.items()
        ]
        rows.append(["mean", *(_figure(written["mean"][name], key, digits) for name in names)])
        yield f"<h2>{escape(title)}, each of the {escape(written['left_out'])} left out</h2>"
        yield _rows([written["left_out"], *names], rows)
    for fold, content in folds.items():
        yield f"<h2>Without {escape(fold)}</h2>"
        yield f'<p class="dim">Learnt from {escape(", ".join(content["train"]))}.</p>'
        yield from _devices(content["methods"], {})


def _searches(written: Mapping[str, Any]) -> Iterator[str]:
    for name, rule in written["rules"].items():
        yield f"<h2>{escape(name.capitalize())}: {escape(rule['fits'])}</h2>"
        yield (
            f"<p>Confidence {rule['confidence']}, {rule['tried']} tried out: kept {rule['kept']} "
            f"of {len(rule['searches'])} limits, mean regret {rule['regret']:.2f}.</p>"
        )
        rows = [[_cell(search.get(key)) for key, _ in _SEARCH] for search in rule["searches"]]
        broken = [not search["kept"] for search in rule["searches"]]
        yield _rows([title for _, title in _SEARCH], rows, broken)


def _table(
    device: str,
    scores: Mapping[str, Mapping[str, Any]],
    methods: Scores,
    published: Mapping[str, Mapping[str, float]],
) -> Iterator[str]:
    rows = []
    for name, summary in scores.items():
        label = f"{name} (apart)" if methods[name]["apart"] else name
        figures = [_figure(summary, key, digits, spread=True) for key, _, digits in _COLUMNS]
        rows.append([label, str(methods[name]["timings"]), *figures])
    for name, figures_of in published.items():
        if device in figures_of:
            rest = [""] * (len(_COLUMNS) - 1)
            rows.append([name, "", f"{figures_of[device]:.3f}", *rest])
    yield f"<h3>{escape(device)}</h3>"
    yield _rows(["method", "timings", *(title for _, title, _ in _COLUMNS)], rows)


def _plot(methods: Scores, devices: Sequence[str], key: str, title: str) -> str:
    """A dot for each repetition, devices side by side, as an SVG."""
    figure = Figure(figsize=(1.6 + 1.3 * len(devices), 3.6), layout="constrained")
    axis = figure.add_subplot()
    width = 0.8 / len(methods)
    for index, (name, method) in enumerate(methods.items()):
        place, values = [], []
        for at, device in enumerate(devices):
            each = method["repetitions"][device][key]
            place += [at - 0.4 + width * (index + 0.5)] * len(each)
            values += each
        marker = "x" if method["apart"] else "o"
        axis.plot(place, values, marker, markersize=4, color=f"C{index % 10}", label=name)
    axis.set_xticks(np.arange(len(devices)), devices, rotation=20, ha="right")
    axis.set_ylabel(title)
    axis.grid(axis="y", alpha=0.4)
    axis.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    file = io.StringIO()
    figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    text = file.getvalue()
    return text[text.index("<svg") :]


def _figure(summary: Mapping[str, Any], key: str, digits: int, *, spread: bool = False) -> str:
    if key not in summary:
        return "–"
    mean, deviation = summary[key]["mean"], summary[key]["sd"]
    return f"{mean:.{digits}f} ± {deviation:.{digits}f}" if spread else f"{mean:.{digits}f}"


def _cell(value: object) -> str:
    if value is None:
        return "–"
    return f"{value:.4g}" if isinstance(value, (int, float)) else str(value)


def _rows(
    head: Sequence[str], rows: Sequence[Sequence[str]], broken: Sequence[bool] | None = None
) -> str:
    marks = broken or [False] * len(rows)
    lines = [
        f"<tr{' class=broken' * mark}>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>"
        for row, mark in zip(rows, marks, strict=True)
    ]
    cells = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    return f"<table><thead><tr>{cells}</tr></thead><tbody>{''.join(lines)}</tbody></table>"
