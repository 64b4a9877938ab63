"""Checks of arguments that several modules share."""

from __future__ import annotations

from .errors import ArgumentError


def positive_int(name: str, value: object) -> int:
    """`value`, when it is a whole number above 0; ArgumentError, naming the argument, otherwise."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ArgumentError(f"{name} must be a positive whole number, not {value!r}")
    return value


def positive_seconds(name: str, value: float) -> float:
    """`value`, when it is above 0 (infinity too); ArgumentError otherwise."""
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        seconds = 0.0
    if not seconds > 0:
        raise ArgumentError(f"{name} must be a positive number of seconds, not {value!r}")
    return seconds
