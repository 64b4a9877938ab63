"""``edgewise-converter report``: a written evaluation as a page."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from edgewise.errors import ArgumentError
from edgewise.storage import write_atomic


def add_report_parser(subparsers: Any) -> None:
    """Add ``report`` to the commands."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "report",
        help="draw an evaluation as a page",
        description="Writes one HTML page, which needs nothing else, of what `evaluate --json` "
        "wrote: tables and plots by device.",
    )
    parser.add_argument("evaluation", type=Path, metavar="FILE", help="what `evaluate` wrote")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="PAGE")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from edgewise_converter.latency.evaluation_page import evaluation_page

    path = arguments.evaluation
    try:
        written = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ArgumentError(f"{path}: no such file") from error
    except (OSError, ValueError) as error:
        raise ArgumentError(f"{path}: not JSON ({error})") from error
    try:
        page = evaluation_page(written)
    except ArgumentError as error:
        raise ArgumentError(f"{path}: {error}") from error
    write_atomic(arguments.output, page.encode(), create_parents=True)
    print(f"{arguments.output}: {arguments.output.stat().st_size:,} bytes")
    return 0
