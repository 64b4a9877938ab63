"""``compile networks``: the bundle from which a device predicts model files."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from edgewise_converter.latency.prior_networks import write_networks


def add_parser(subparsers: Any) -> None:
    """Add ``networks`` to the subcommands of ``compile``; `run` of its arguments does the work."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "networks", help="assemble the bundle from which devices predict model files"
    )
    parser.add_argument("--output", type=Path, required=True, help="the bundle to write")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    write_networks(arguments.output, command="edgewise-converter compile networks")
    print(f"{arguments.output}: {arguments.output.stat().st_size:,} bytes")
    return 0
