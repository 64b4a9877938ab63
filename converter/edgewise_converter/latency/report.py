"""Prints an evaluation as tables, and writes it down as JSON with the command that made it."""

from __future__ import annotations

import json
import platform
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import edgewise
from edgewise.storage import write_atomic
from edgewise_converter.latency.leave_out import Fold
from edgewise_converter.latency.published import PUBLISHED
from edgewise_converter.latency.question import Answer, Question
from edgewise_converter.latency.scoring import Score, Summary, mean_score, summarise_scores

_COLUMNS = (
    ("spearman_mid", "mid", 3),
    ("spearman_all", "all", 3),
    ("mape", "MAPE %", 1),
    ("coverage", "in interval %", 1),
    ("width", "width %", 1),
)
_PACKAGES = ("torch", "numpy", "scipy", "scikit-learn", "lightgbm")
_WIDE = 15
_NAME = 31
_FOLD = 20
_FOLD_TABLES = (
    ("spearman_mid", "Spearman, mid", 3),
    ("spearman_all", "all", 3),
    ("mape", "MAPE %", 1),
)


def print_answer(question: Question, answer: Answer) -> None:
    """A table per device, then one of the mean over devices, methods beside each other."""
    for line in _lines(question, answer):
        print(line)


def print_folds(folds: Sequence[Fold], by: str) -> None:
    """A row per family (or hardware) left out, the mean over its devices; methods in columns."""
    for line in _fold_lines(folds, by):
        print(line)


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Write an evaluation.

    Raises:
        StorageError: the file could not be written.
    """
    text = json.dumps(values, indent=1, ensure_ascii=False)
    # A list of numbers on one line: the repetitions of one score.
    text = re.sub(r"\[[^\[\]{}\"]+\]", lambda found: " ".join(found[0].split()), text)
    write_atomic(path, (text + "\n").encode(), create_parents=True)


def answer_as_json(question: Question, answer: Answer, command: Sequence[str]) -> dict[str, Any]:
    """The evaluation as JSON values: summaries, and every single score behind them."""
    return {
        **_question_json(question, command),
        **_devices_json(question),
        "methods": {name: _method_json(answer, name) for name in answer.scores},
        "published_spearman_mid": PUBLISHED.get(question.tables[0].space, {}),
    }


def folds_as_json(folds: Sequence[Fold], by: str, command: Sequence[str]) -> dict[str, Any]:
    """Evaluations that left something out each: the mean over them, then each as its own."""
    return {
        **_question_json(folds[0].question, command),
        "left_out": by,
        "mean": {name: _summary_json(_mean_of_folds(folds, name)) for name in _methods(folds)},
        "folds": {
            fold.name: {
                **_devices_json(fold.question),
                "methods": {name: _method_json(fold.answer, name) for name in fold.answer.scores},
            }
            for fold in folds
        },
    }


def _devices_json(question: Question) -> dict[str, Any]:
    return {
        "train": list(question.train),
        "valid": list(question.valid),
        "test": list(question.test),
    }


def _question_json(question: Question, command: Sequence[str]) -> dict[str, Any]:
    return {
        "command": shlex.join(command),
        "versions": versions(),
        "space": question.tables[0].space,
        "tables": [Path(table.source).name for table in question.tables],
        "protocol": question.protocol,
        "samples": question.samples,
        "seeds": list(range(question.seeds)),
        "episodes": question.episodes,
        "scores": {
            "spearman": "rank correlation; mid: queries between the 10th and 90th percentile of "
            "true latency, all: every query",
            "mape": "mean absolute relative error in percent, connected networks",
            "coverage": "percent of the queries inside the 90 % interval",
            "width": "mean width of the interval relative to the prediction, in percent",
        },
    }


def versions() -> dict[str, str]:
    """Versions of what computed a result."""
    found = {"python": platform.python_version(), "edgewise": edgewise.__version__}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _method_json(answer: Answer, name: str) -> dict[str, Any]:
    devices = answer.scores[name]
    return {
        "apart": name in answer.apart,
        "timings": answer.timings[name],
        "mean": _summary_json(_means(devices)),
        "devices": {device: _summary_json(scores) for device, scores in devices.items()},
        "repetitions": {device: _each_json(scores) for device, scores in devices.items()},
    }


def _summary_json(scores: Sequence[Score]) -> dict[str, dict[str, float]]:
    return {
        name: {"mean": round(summary.mean, 5), "sd": round(summary.deviation, 5)}
        for name, summary in summarise_scores(scores).items()
    }


def _each_json(scores: Sequence[Score]) -> dict[str, list[float]]:
    """The same score of every repetition, by name; those that a method has."""
    values = {part.name: [getattr(score, part.name) for score in scores] for part in fields(Score)}
    return {
        name: [round(value, 5) for value in each]
        for name, each in values.items()
        if None not in each
    }


def _means(devices: Mapping[str, Sequence[Score]]) -> list[Score]:
    """Mean over devices of each repetition."""
    return [mean_score(scores) for scores in zip(*devices.values(), strict=True)]


def _lines(question: Question, answer: Answer) -> Iterator[str]:
    space, protocol = question.tables[0].space, question.protocol
    yield f"{space}, protocol {protocol}, {question.samples} samples, {question.seeds} repetitions."
    yield (
        "Spearman on the middle queries and on all; mean absolute relative error; share of queries "
        "in the 90 % interval, and its relative width."
    )
    for device in question.test:
        yield from _table(answer, device, {name: s[device] for name, s in answer.scores.items()})
        yield from _published(space, device)
    if len(question.test) > 1:
        title = f"mean of {len(question.test)} devices"
        yield from _table(answer, title, {name: _means(s) for name, s in answer.scores.items()})
        if set(question.test) == _published_devices(space):
            yield from _published(space, "mean")


def _table(answer: Answer, title: str, scores: Mapping[str, Sequence[Score]]) -> Iterator[str]:
    yield ""
    header = "".join(f"{label:>{_WIDE}}" for _, label, _ in _COLUMNS)
    yield f"{title:<{_NAME}}{'timings':>8}{header}"
    for apart in (False, True):
        for name, repetitions in scores.items():
            if (name in answer.apart) == apart:
                label = f"{name} (apart)" if apart else name
                summary = summarise_scores(repetitions)
                cells = "".join(
                    f"{_cell(summary.get(key), digits):>{_WIDE}}" for key, _, digits in _COLUMNS
                )
                yield f"{label:<{_NAME}}{answer.timings[name]:>8}{cells}"


def _cell(summary: Summary | None, digits: int) -> str:
    if summary is None:
        return "-"
    return f"{summary.mean:.{digits}f} ± {summary.deviation:.{digits}f}"


def _published(space: str, device: str) -> Iterator[str]:
    for name, figures in PUBLISHED.get(space, {}).items():
        if device in figures:
            yield f"{name:<{_NAME}}{'':>8}{figures[device]:>{_WIDE - 8}.3f}"


def _published_devices(space: str) -> set[str]:
    figures = next(iter(PUBLISHED.get(space, {}).values()), {})
    return set(figures) - {"mean"}


def _fold_lines(folds: Sequence[Fold], by: str) -> Iterator[str]:
    question = folds[0].question
    yield (
        f"{question.tables[0].space}, each of {len(folds)} {by} left out, protocol "
        f"{question.protocol}, {question.samples} samples, {question.seeds} repetitions."
    )
    methods = _methods(folds)
    wide = [max(len(name), 7) + 2 for name in methods]
    for key, title, digits in _FOLD_TABLES:
        yield ""
        names = "".join(f"{name:>{size}}" for name, size in zip(methods, wide, strict=True))
        yield f"{title:<{_FOLD}}{'devices':>8}{names}"
        for fold in folds:
            cells = [_mean_of(fold.means(name), key, digits) for name in methods]
            yield _fold_row(fold.name, len(fold.question.test), cells, wide)
        cells = [_mean_of(_mean_of_folds(folds, name), key, digits) for name in methods]
        yield _fold_row("mean", len(folds), cells, wide)


def _fold_row(label: str, count: int, cells: Sequence[str], wide: Sequence[int]) -> str:
    aligned = (f"{cell:>{size}}" for cell, size in zip(cells, wide, strict=True))
    return f"{label:<{_FOLD}}{count:>8}{''.join(aligned)}"


def _mean_of(scores: Sequence[Score], key: str, digits: int) -> str:
    return f"{summarise_scores(scores)[key].mean:.{digits}f}"


def _methods(folds: Sequence[Fold]) -> list[str]:
    """Those held to the protocol first."""
    answer = folds[0].answer
    return sorted(answer.scores, key=lambda name: name in answer.apart)


def _mean_of_folds(folds: Sequence[Fold], method: str) -> list[Score]:
    """Mean over the folds, each as much as another, of every repetition."""
    each = zip(*(fold.means(method) for fold in folds), strict=True)
    return [mean_score(scores) for scores in each]
