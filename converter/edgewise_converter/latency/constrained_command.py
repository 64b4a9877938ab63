"""``edgewise-converter evaluate search``: HELP's searches under a limit (its Tables 4 and 5)."""

from __future__ import annotations

import argparse
import csv
import math
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from edgewise.errors import ArgumentError
from edgewise.spaces import get_space
from edgewise_converter.latency.command import Data, add_data
from edgewise_converter.latency.constrained import (
    ALLOWANCE,
    Outcome,
    Rule,
    Search,
    Shortlist,
    Trial,
    choose_confidence,
    try_confidences,
)
from edgewise_converter.latency.protocols import domain_of
from edgewise_converter.latency.published import CONSTRAINED, Constrained
from edgewise_converter.latency.report import versions, write_json
from edgewise_converter.latency.tables import LatencyTable

_RULE = {
    "padded": "the upper end of the interval keeps the limit",
    "bare": "the prediction keeps the limit",
    "timed": "a timing keeps the limit, of the first whose interval's lower end does",
}


def add_search_parser(subparsers: Any) -> None:
    """Add ``search`` to the subcommands of ``evaluate``."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "search",
        help="search under a limit of milliseconds on devices not seen, beside HELP's results",
    )
    add_data(parser, train_required=True)
    parser.add_argument(
        "--candidates",
        type=Path,
        metavar="FILE",
        help="CSV of candidates, the most promising first: column arch, then their accuracy in "
        "percent (without it: the table's queries, the largest network first)",
    )
    parser.add_argument(
        "--limit",
        action="append",
        type=_limits,
        metavar="DEVICE=MS,MS",
        help="device to search on and its limits; repeatable (those of HELP's paper)",
    )
    parser.add_argument("--samples", type=int, default=10, help="references timed (10)")
    parser.add_argument("--seed", type=int, default=0, help="of the design (0)")
    parser.add_argument("--tried", type=int, default=3, metavar="N", help=(
        "candidates that fit and are tried out, of which the best is taken (3, as HELP does)"
    ))  # fmt: skip
    parser.add_argument(
        "--timed",
        type=int,
        default=10,
        metavar="N",
        help="candidates timed where the limit is kept by timing instead of a margin (10)",
    )
    parser.add_argument(
        "--confidence",
        type=float,
        help="of the interval that is to keep the limit (by default chosen on the training "
        "devices, their families left out in turn)",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the results here")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    data = Data(arguments)
    table, published = data.merged, CONSTRAINED.get(data.merged.space, {})
    limits = dict(arguments.limit or [])
    if not limits:
        limits = {device: [found.limit for found in rows] for device, rows in published.items()}
    if not limits:
        raise ArgumentError(f"HELP published no limits for {table.space}: give them with --limit")
    if not 0 <= (arguments.confidence or 0.0) < 1:
        raise ArgumentError("--confidence must be at least 0 and below 1")
    if min(arguments.tried, arguments.timed) < 1:
        raise ArgumentError("--tried and --timed must be at least 1")
    shortlist = _shortlist(arguments.candidates, data, next(iter(limits)))
    search = Search(
        table, data.split, data.info, shortlist, samples=arguments.samples, seed=arguments.seed
    )
    trials: list[Trial] = []
    rules = {"bare": Rule(0.0, arguments.tried)}
    for name, timed in (("padded", 0), ("timed", arguments.timed)):
        confidence = arguments.confidence
        if confidence is None:
            found = try_confidences(search, data.train, arguments.tried, timed)
            confidence = choose_confidence(found)
            trials += found
        rules[name] = Rule(confidence, arguments.tried, timed)
    outcomes = search.run(data.train, limits, list(dict.fromkeys(rules.values())))
    by_rule = {
        name: [outcome for outcome in outcomes if outcome.rule == rule]
        for name, rule in rules.items()
    }
    by_size = arguments.candidates is None
    for line in _lines(by_size, trials, by_rule, published):
        print(line)
    if arguments.json is not None:
        values = _as_json(arguments, data, trials, by_rule, published)
        write_json(arguments.json, values)
    return 0


def _limits(text: str) -> tuple[str, list[float]]:
    device, _, numbers = text.partition("=")
    limits = [float(number) for number in numbers.split(",")]
    if not device or not all(0 < limit < math.inf for limit in limits):
        raise ValueError(text)
    return device, limits


def _shortlist(path: Path | None, data: Data, device: str) -> Shortlist:
    """Candidates of a file, or the queries of the table: those that no design may time."""
    if path is not None:
        return _read_candidates(path, data.merged)
    space = get_space(data.merged.space)
    indices = domain_of(data.merged, device, data.split).query
    written = space.semantics[0]
    size = np.array([space.flops(data.merged.archs[index], written) / 1e6 for index in indices])
    order = np.argsort(-size, kind="stable")
    return Shortlist(indices[order], size[order])


def _read_candidates(path: Path, table: LatencyTable) -> Shortlist:
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.reader(file))[1:]
        parse = get_space(table.space).parse
        archs = [parse(row[0]) for row in rows]
        quality = np.array([float(row[1]) for row in rows])
    except FileNotFoundError as error:
        raise ArgumentError(f"{path}: no such file") from error
    except (OSError, ValueError, IndexError, csv.Error) as error:
        raise ArgumentError(
            f"{path}: not a CSV of architectures and accuracies ({error})"
        ) from error
    index = {arch: at for at, arch in enumerate(table.archs)}
    missing = [arch for arch in archs if arch not in index]
    if missing or not archs:
        raise ArgumentError(f"{path}: candidate {(missing or ['none'])[0]} is not in the table")
    return Shortlist(np.array([index[arch] for arch in archs]), quality)


def _lines(
    by_size: bool,
    trials: Sequence[Trial],
    by_rule: Mapping[str, Sequence[Outcome]],
    published: Mapping[str, Sequence[Constrained]],
) -> Iterator[str]:
    if trials:
        yield "On the training devices, families (or else hardware) left out in turn:"
        yield f"{'confidence':>12}{'timed':>8}{'searches':>10}{'broken %':>10}{'regret':>8}"
    for trial in trials:
        yield (
            f"{trial.confidence:>12}{trial.timed:>8}{trial.searches:>10}{100 * trial.broken:>10.1f}"
            f"{trial.regret:>8.2f}"
        )
    unit = "MFLOPs" if by_size else "accuracy %"
    for name, outcomes in by_rule.items():
        rule = outcomes[0].rule
        yield ""
        yield f"{name}: {_RULE[name]}; confidence {rule.confidence}, {rule.tried} tried out"
        yield (
            f"{'device':<16}{'limit':>7}{'predicted':>11}{'needed':>9}{'true ms':>9}"
            f"{unit:>12}{'possible':>10}{'HELP ms':>10}{'HELP %':>8}"
        )
        for outcome in outcomes:
            theirs = _theirs(outcome, published)
            beside = f"{theirs.ms:>10.1f}{theirs.accuracy:>8.1f}" if theirs else ""
            yield (
                f"{outcome.device:<16}{outcome.limit:>7g}{outcome.predicted:>11.2f}"
                f"{outcome.needed:>9.2f}{outcome.ms:>9.2f}{outcome.quality:>12.2f}"
                f"{outcome.best:>10.2f}{beside}{'' if outcome.kept else '  broken'}"
            )
        summary = _summary(outcomes, published, by_size=by_size)
        line = f"kept {summary['kept']} of {summary['searches']}, regret {summary['regret']:.2f}"
        if published:
            line += f"; HELP kept {summary['help_kept']}"
        if "help_kept_and_better" in summary:
            line += f", and was more accurate in {summary['help_kept_and_better']} of those"
        yield line


def _as_json(
    arguments: argparse.Namespace,
    data: Data,
    trials: Sequence[Trial],
    by_rule: Mapping[str, Sequence[Outcome]],
    published: Mapping[str, Sequence[Constrained]],
) -> dict[str, Any]:
    return {
        "command": shlex.join(arguments.command_line),
        "versions": versions(),
        "space": data.merged.space,
        "train": list(data.train),
        "samples": arguments.samples,
        "allowance": ALLOWANCE,
        "trials": [_rounded(asdict(trial)) for trial in trials],
        "rules": {
            name: {
                "fits": _RULE[name],
                **asdict(outcomes[0].rule),
                **_rounded(_summary(outcomes, published, by_size=arguments.candidates is None)),
                "searches": [_outcome_json(outcome, published) for outcome in outcomes],
            }
            for name, outcomes in by_rule.items()
        },
    }


def _outcome_json(
    outcome: Outcome, published: Mapping[str, Sequence[Constrained]]
) -> dict[str, Any]:
    values = asdict(outcome) | {"kept": outcome.kept, "regret": outcome.regret}
    del values["rule"]
    theirs = _theirs(outcome, published)
    if theirs is not None:
        values |= {"help_ms": theirs.ms, "help_accuracy": theirs.accuracy}
    return _rounded(values)


def _summary(
    outcomes: Sequence[Outcome],
    published: Mapping[str, Sequence[Constrained]],
    *,
    by_size: bool,
) -> dict[str, Any]:
    pairs = [(outcome, _theirs(outcome, published)) for outcome in outcomes]
    held = [(ours, theirs) for ours, theirs in pairs if theirs and theirs.ms <= theirs.limit]
    summary: dict[str, Any] = {
        "searches": len(outcomes),
        "kept": sum(outcome.kept for outcome in outcomes),
        "regret": float(np.nanmean([outcome.regret for outcome in outcomes])),
        "help_kept": len(held),
    }
    if held and not by_size:
        # Theirs is printed to one digit.
        better = [not ours.quality >= theirs.accuracy - 0.05 for ours, theirs in held]
        summary["help_kept_and_better"] = sum(better)
    return summary


def _theirs(outcome: Outcome, published: Mapping[str, Sequence[Constrained]]) -> Constrained | None:
    rows = published.get(outcome.device, ())
    return next((found for found in rows if found.limit == outcome.limit), None)


def _rounded(values: Mapping[str, Any]) -> dict[str, Any]:
    """Numbers to four digits; none for what is not a number, which JSON does not know."""
    return {
        name: (None if math.isnan(value) else round(value, 4))
        if isinstance(value, float)
        else value
        for name, value in values.items()
    }
