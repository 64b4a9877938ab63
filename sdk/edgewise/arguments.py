"""Checks of arguments that several modules share."""

from __future__ import annotations

import operator

from .errors import ArgumentError


def positive_int(name: str, value: object) -> int:
    """`value` as an int, when it is a whole number above 0 (numpy's too); ArgumentError if not."""
    try:
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        number = 0
    if isinstance(value, bool) or number < 1:
        raise ArgumentError(f"{name} must be a positive whole number, not {value!r}")
    return number


def positive_seconds(name: str, value: object) -> float:
    """`value` as a float, when it is above 0 (infinity too); ArgumentError if not."""
    try:
        seconds = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        seconds = 0.0
    if not seconds > 0:
        raise ArgumentError(f"{name} must be a positive number of seconds, not {value!r}")
    return seconds
