"""What several commands of this folder read alike from their command lines."""

from __future__ import annotations

import argparse
from pathlib import Path

from edgewise_converter.fewshot.base_classes import SETS


def whole_numbers(text: str) -> tuple[int, ...]:
    """`1,5` as (1, 5); ValueError for anything else, which argparse tells."""
    return tuple(int(each) for each in text.split(","))


def add_bases(parser: argparse.ArgumentParser) -> None:
    """Add the options that ``open_bases`` is called with: `data`, `cache` and `sets`."""
    parser.add_argument(
        "--data", type=Path, required=True, metavar="DIR", help="of Parquet files and splits.json"
    )
    parser.add_argument("--cache", type=Path, metavar="DIR", help="of decoded pictures")
    parser.add_argument(
        "--sets",
        type=lambda text: tuple(text.split(",")),
        default=SETS,
        metavar="NAME,…",
        help=f"whose classes are used ({','.join(SETS)})",
    )
