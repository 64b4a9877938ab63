"""What several commands of this folder read alike from their command lines."""

from __future__ import annotations


def whole_numbers(text: str) -> tuple[int, ...]:
    """`1,5` as (1, 5); ValueError for anything else, which argparse tells."""
    return tuple(int(each) for each in text.split(","))
