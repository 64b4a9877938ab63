"""A report as one HTML page that needs nothing else: no script, no font, no picture is fetched."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from .info import BY_CALLABLE
from .report import Report, Row
from .report_charts import Band, Bar, Point, bands, bars, scatter

_STYLE = """
:root { color-scheme: light dark; --ink: #1c2430; --dim: #667085; --rule: #d0d5dd;
  --page: #ffffff; --mark: #2563eb; --out: #c2410c; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e7ec; --dim: #98a2b3; --rule: #344054;
  --page: #101828; --mark: #7aa5ff; --out: #fb923c; } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--page);
  max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; margin-bottom: 0; } h2 { font-size: 1.15rem; margin-top: 2.5rem; }
p.dim, dt, caption { color: var(--dim); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1.5rem; }
dd { margin: 0; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .85rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; padding-bottom: .4rem; }
th, td { text-align: right; padding: .2rem .6rem; border-bottom: 1px solid var(--rule);
  white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
td.out { color: var(--out); font-weight: 600; }
svg { width: 100%; max-width: 46rem; height: auto; font-size: 12px; fill: var(--ink); }
svg .grid { stroke: var(--rule); } svg .eq { stroke: var(--dim); stroke-dasharray: 5 4; }
svg .iv { stroke: var(--mark); stroke-width: 2; } svg .bar, svg .pt { fill: var(--mark); }
svg .out { fill: var(--out); } svg .out .iv { stroke: var(--out); }
svg .mid { text-anchor: middle; } svg .end { text-anchor: end; }
"""


def page(report: Report) -> str:
    """The whole page."""
    info = report.info
    title = f"{info.get('space')} on {info.get('cpu')}"
    sections = (
        _head(report, title),
        _section("Predicted against measured", _predicted(report)),
        _section("The timings", _timings(report)),
        _section("Conditions", _conditions(report)),
        _section("What the device executes", _hypotheses(report)),
        _section("Largest costs", _costs(report)),
        _section("What was assumed", _assumed(report)),
    )
    body = "\n".join(part for section in sections for part in section)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n"
        f"<body>\n{body}\n</body>\n</html>\n"
    )


def _section(title: str, parts: Iterable[str]) -> list[str]:
    return [f"<h2>{escape(title)}</h2>", *parts]


def _head(report: Report, title: str) -> list[str]:
    info = report.info
    when = info.get("calibrated_at")
    return [
        f"<h1>{escape(title)}</h1>",
        _dim(f"{len(report.rows)} timings, {info.get('runtime')}, calibrated at {when}"),
        *([_paragraph(f"Warning: {report.warning}.")] if report.warning else []),
    ]


def _predicted(report: Report) -> list[str]:
    if not report.predicted:
        return [_paragraph("Too few timings: leaving one out leaves too few to adapt to.")]
    points = [
        Point(row.measurement.name, row.measurement.ms, *row.predicted)
        for row in report.rows
        if row.predicted is not None
    ]
    text = (
        "Each network is predicted from the timings of the others alone, and drawn with its "
        f"{report.confidence:.0%} interval. Mean error {report.error:.1%}; {report.inside} of "
        f"{report.predicted} lie in their interval."
    )
    return [_paragraph(text), scatter(points, "predicted against measured milliseconds")]


def _timings(report: Report) -> list[str]:
    head = ("architecture", "median ms", "p90 ms", "spread", "runs", "predicted ms", "interval")
    rows = "".join(_timing(row) for row in report.rows)
    cells = "".join(f"<th>{name}</th>" for name in (*head, "error"))
    measured = [row.measurement for row in report.rows]
    spreads = [Band(_short(m.name), m.spread, m.p90 / m.ms - 1, f"{m.ms:.4g} ms") for m in measured]
    table = f"<table><thead><tr>{cells}</tr></thead><tbody>{rows}</tbody></table>"
    text = (
        "Single runs around their median: the bar is their spread to either side, the tick their "
        "90th percentile."
    )
    return [
        f'<div class="wide">{table}</div>',
        _paragraph(text),
        bands(spreads, "spread of single runs relative to their median"),
    ]


def _timing(row: Row) -> str:
    m, p = row.measurement, row.predicted
    cells = [escape(m.name), f"{m.ms:.4g}", f"{m.p90:.4g}", f"{m.spread:.1%}", str(m.runs)]
    if p is None:
        cells += ["–", "–", "–"]
    else:
        cells += [f"{p.ms:.4g}", f"{p.low:.4g} to {p.high:.4g}", f"{p.ms / m.ms - 1:+.1%}"]
    outside = p is not None and not p.low <= m.ms <= p.high
    last = f'<td class="out">{cells[-1]}</td>' if outside else f"<td>{cells[-1]}</td>"
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells[:-1])}{last}</tr>"


def _conditions(report: Report) -> list[str]:
    info = report.info
    by_callable = info.get("runtime") == BY_CALLABLE
    runtime = f"{info.get('runtime')} {info.get('runtime_version') or ''}".strip()
    pairs = [
        ("machine", f"{info.get('cpu')}, {info.get('cores')} cores, {info.get('os')}"),
        (
            "runtime",
            "a callable was asked; the machine is the one that asked"
            if by_callable
            else f"{runtime}, threads {info.get('threads')}",
        ),
        ("clock governor", info.get("governor") or "unknown"),
        ("noise", f"{float(info.get('noise', 0)):.1%}, as the predictor sees it"),
        ("unsteady speed", f"{float(info.get('unsteady', 0)):.1%}, while it was timed"),
        ("time taken", f"{info.get('seconds')} s"),
        ("edgewise", info.get("edgewise")),
    ]
    notes = [str(note) for note in info.get("notes") or []]
    text = "Nothing was seen that may have spoilt the timings." if not notes else ""
    return [_definitions(pairs), _paragraph(text) if text else _list(notes)]


def _hypotheses(report: Report) -> list[str]:
    if not report.hypotheses:
        return [_paragraph("The predictor does not model what a runtime leaves out of a graph.")]
    ordered = sorted(report.hypotheses.items(), key=lambda item: -item[1])
    rows = [Bar(name, share, f"{share:.1%}") for name, share in ordered]
    text = (
        "How probable each way of executing a graph is, after the timings. What is not listed has "
        "been ruled out."
    )
    return [_paragraph(text), bars(rows, "probability of each graph semantics")]


def _costs(report: Report) -> list[str]:
    if not report.costs:
        return [_paragraph("The predictor has no costs that stand for something by themselves.")]
    rows = [Bar(_short(name), cost, f"{cost:.3g} ms") for name, cost in report.costs]
    text = "Expected milliseconds that each adds to a network that has it, the largest first."
    return [_paragraph(text), bars(rows, "largest costs in milliseconds")]


def _assumed(report: Report) -> list[str]:
    info = report.info
    known = ", ".join(report.trained_on) or "unknown devices"
    likeness = (
        f"Where the timings do not say otherwise, the device is like those that bundle "
        f"{info.get('bundle')!r} was learnt from: {known}."
    )
    milliseconds = (
        "Milliseconds are the median of one run, at the batch and picture size of the reference "
        "networks, in float32 unless a callable timed others."
    )
    steadiness = (
        "Runtime, thread count and clock speed are those of the calibration; device.check() says "
        "when they have changed."
    )
    intervals = (
        f"An interval of predictor {info.get('predictor')!r} holds the true milliseconds with a "
        f"probability of {report.confidence:.0%} if its errors are as on those devices."
    )
    return [_list([likeness, milliseconds, steadiness, intervals])]


def _short(name: str) -> str:
    return name if len(name) <= 44 else f"{name[:20]} … {name[-20:]}"


def _paragraph(text: str) -> str:
    return f"<p>{escape(text)}</p>"


def _dim(text: str) -> str:
    return f'<p class="dim">{escape(text)}</p>'


def _list(items: Sequence[str]) -> str:
    return f"<ul>{''.join(f'<li>{escape(item)}</li>' for item in items)}</ul>"


def _definitions(pairs: Iterable[tuple[str, object]]) -> str:
    rows = (f"<dt>{escape(name)}</dt><dd>{escape(str(value))}</dd>" for name, value in pairs)
    return f"<dl>{''.join(rows)}</dl>"
