"""Model cards: what a bundle's manifest says of it, as a page for people."""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgewise.bundle import Bundle
from edgewise.storage import write_atomic

_MOST_NAMES = 12


def model_card(path: Path) -> str:
    """The card of the bundle at `path`, as Markdown with a heading of the second level.

    Raises:
        BundleError: the file is no bundle, or is damaged.
    """
    bundle = Bundle.open(path)
    bundle.verify()
    manifest = bundle.manifest
    rows = {
        "file": f"`{path.name}`, {path.stat().st_size:,} bytes",
        "sha256": f"`{hashlib.sha256(path.read_bytes()).hexdigest()}`",
        "kind": bundle.kind,
        "space": manifest.get("space"),
        "holds": _holds(bundle),
        "trained on": _trained_on(manifest.get("trained_on", [])),
        "licence": manifest.get("licence"),
        "seed": manifest.get("seed"),
        "made by": _code(manifest.get("command")),
        "learnt by": _code(_training(manifest)),
    }
    lines = [f"## {bundle.name}", "", "| | |", "|---|---|"]
    lines += [f"| {name} | {text} |" for name, text in rows.items() if text not in (None, "")]
    metrics = manifest.get("metrics") or {}
    measured = [*_figures(metrics), *_parity(metrics), *_parity(manifest.get("parity"))]
    if measured:
        lines += ["", "Measured when it was compiled:", "", "| | |", "|---|---|"]
        lines += [f"| {name} | {value} |" for name, value in measured]
    else:
        lines += ["", "Nothing was measured when it was compiled; see the benchmarks."]
    lines += ["", "Limits:", "", *(f"- {limit}" for limit in _limits(bundle))]
    return "\n".join(lines) + "\n"


def _limits(bundle: Bundle) -> list[str]:
    """What holds for every bundle of the kind, with the figures of this one."""
    if bundle.kind == "latency":
        learnt = (
            "all that it learnt from" if bundle.manifest.get("trained_on") else "those imagined"
        )
        return [
            "Predictions are for the runtime, thread count and clock speed that were calibrated.",
            f"Devices unlike {learnt} are predicted less well.",
        ]
    limits = []
    about = bundle.manifest.get("embedder")
    if isinstance(about, dict) and "image" in about:
        height, width, _ = about["image"]
        limits.append(f"Pictures are seen at {height} × {width} pixels, whatever is in them.")
        shots = about.get("unknown", {}).get("shots")
        if shots is not None:
            limits.append(
                f"What is unknown was set for {shots} examples a class; with fewer, more known "
                "pictures are called unknown."
            )
    if bundle.kind == "zoo":
        limits.append(
            "Accuracies are those on the data that each network was trained for; on other "
            "pictures they are expectations."
        )
    limits.append(
        "Whether it treats people alike has not been measured: do so before it judges faces, "
        "health or identity."
    )
    return limits


def _holds(bundle: Bundle) -> str:
    """How many of what: models, references, networks, and numbers that were learnt or set."""
    models = [name for name in bundle.names() if name.endswith((".tflite", ".onnx"))]
    numbers = sum(
        bundle.tensor(name).size
        for name in bundle.names()
        if name not in models and bundle.tensor(name).dtype.kind == "f"
    )
    references, entries = (bundle.manifest.get(key) or [] for key in ("references", "entries"))
    counted = {
        "references": len(references),
        "networks of a zoo": len(entries),
        "model files": len(models),
        "numbers in tensors": numbers,
    }
    return ", ".join(f"{count:,} {name}" for name, count in counted.items() if count)


def _trained_on(names: list[str]) -> str:
    """All of a few; of many, how many of each data set, the part of a name before its slash."""
    if not names:
        return "no data"
    if len(names) <= _MOST_NAMES or not all("/" in name for name in names):
        return ", ".join(names)
    sets = [name.split("/")[0] for name in names]
    return ", ".join(f"{sets.count(name)} classes of {name}" for name in dict.fromkeys(sets))


def _training(manifest: Mapping[str, Any]) -> str | None:
    for part in ("training", "edgewise"):
        about = manifest.get(part)
        if isinstance(about, dict) and about.get("command") != manifest.get("command"):
            return about.get("command")
    return None


def _code(text: str | None) -> str | None:
    return None if text is None else "`" + text.replace("|", "\\|") + "`"


def _figures(values: Mapping[str, Any], above: str = "") -> list[tuple[str, str]]:
    """Every figure below, under the names that lead to it."""
    rows: list[tuple[str, str]] = []
    for key, value in values.items():
        name = f"{above} {key}".strip().replace("_", " ")
        if isinstance(value, dict):
            rows += _figures(value, name)
        elif isinstance(value, (int, float, str)):
            rows.append((name, f"{value:.4g}" if isinstance(value, float) else f"{value}"))
    return rows


def _parity(parity: Any) -> list[tuple[str, str]]:
    """How far each runtime is from what the models were made of, as compiling has noted it."""
    if not isinstance(parity, dict):
        return []
    if "parity" in parity:
        return _parity(parity["parity"])
    rows = []
    for part, runs in parity.items():
        for run in runs if isinstance(runs, list) else []:
            if isinstance(run, dict) and "runtime" in run and "error" in run:
                where = f"{run['runtime']} {run.get('version', '')}".strip()
                rows.append((f"{part} in {where}, largest difference", f"{run['error']:.2g}"))
    return rows


def add_parser(subparsers: Any) -> None:
    """Add ``card`` to the subcommands; `run` of its arguments does the work."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "card", help="write a bundle's model card, as Markdown"
    )
    parser.add_argument("bundle", type=Path)
    parser.add_argument("-o", "--output", type=Path, help="file (standard output)")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    card = model_card(arguments.bundle)
    if arguments.output is None:
        print(card, end="")
    else:
        write_atomic(arguments.output, [card.encode()])
    return 0
