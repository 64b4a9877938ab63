"""The page of the benchmarks: a section for each file of docs/results, with its command and seed.

Tables are made of what the files hold, so figures cannot drift from what was run. Files of one kind
have a table of their own making (`results`); of any other, all that is short is shown.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from .results import tables
from .tables import table

GROUPS = {
    "latency_": "Latency: devices that were not trained on",
    "real_device_": "Latency: this kind of machine",
    "prior_validation_": "Latency: settings of a prior, families left out",
    "robust_": "Latency: calibrated while disturbed",
    "well_known_": "Latency: networks that nobody here designed",
    "fewshot_": "Few-shot classification",
    "retrieval_": "Retrieval",
    "fuzz": "Fuzzing",
    "": "Speed, size, and what else was measured",
}
"""Beginning of a file's name, and the title of what it belongs to; the first that fits counts."""

_ABOUT = """# Benchmarks

Every figure here is out of a file of `docs/results`, written by the command that stands above the
table. The files are linked, and hold more than is shown. `D` and `T` stand for folders of published
tables and pictures. What the figures mean, and what they do not, the README says.
"""


def page(results: Path) -> str:
    """The page as Markdown, of the folder of results.

    Raises:
        ValueError: a file is no JSON; it is named.
    """
    left = sorted(results.glob("*.json"))
    lines = [_ABOUT]
    for beginning, title in GROUPS.items():
        chosen = [path for path in left if path.name.startswith(beginning)]
        left = [path for path in left if path not in chosen]
        if chosen:
            lines.append(f"## {title}\n")
        lines += [_section(path) for path in chosen]
    return "\n".join(lines)


def _section(path: Path) -> str:
    try:
        found = json.loads(path.read_text())
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    if not isinstance(found, dict):
        found = {"rows": found}
    lines = [f"### {path.stem.replace('_', ' ')}", ""]
    lines += ["```", _command(found), "```", ""]
    lines += [f"{_seed(found)} File: [{path.name}](results/{path.name})", ""]
    for title, rows in tables(found):
        lines += [f"*{title}*", ""] if title else []
        lines += [table(rows), ""]
    return "\n".join(lines)


def _command(found: dict[str, Any]) -> str:
    command = found.get("command")
    if command is None:
        runs = found.get("runs") or []
        named = [run["command"] for run in runs if isinstance(run, dict) and "command" in run]
        command = "\n".join(named) or "(the file names no command)"
    return str(command)


def _seed(found: dict[str, Any]) -> str:
    """What was drawn: as the file says, or its command."""
    seed = found.get("seeds", found.get("seed"))
    if seed is None:
        named = re.findall(r"--seeds? (\S+)", _command(found))
        seed = ", ".join(dict.fromkeys(named)) or None
    if isinstance(seed, list):
        seed = ", ".join(map(str, seed))
    return "No seed is recorded." if seed is None else f"Seed {seed}."
