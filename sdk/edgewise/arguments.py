"""Checks of arguments that several modules share."""

from __future__ import annotations

import operator
import re

from .errors import ArgumentError

_UNITS = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9}
_UNITS |= {"kib": 2**10, "mib": 2**20, "gib": 2**30}


def positive_int(name: str, value: object) -> int:
    """`value` as an int, when it is a whole number above 0 (numpy's too); ArgumentError if not."""
    try:
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        number = 0
    if isinstance(value, bool) or number < 1:
        raise ArgumentError(f"{name} must be a positive whole number, not {value!r}")
    return number


def bytes_of(text: str) -> int:
    """Bytes of `20MB`, `1.5GiB` or `4096`; kB, MB, GB count by 1000, KiB, MiB, GiB by 1024.

    Raises ArgumentError for what is no such amount, or not above 0.
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-zA-Z]*)\s*", text)
    unit = found[2].lower() if found else None
    if found is None or unit not in _UNITS or float(found[1]) == 0:
        raise ArgumentError(f"{text!r} is no amount of memory; write 20MB, 1.5GiB or 4096")
    return round(float(found[1]) * _UNITS[unit])


def positive_seconds(name: str, value: object) -> float:
    """`value` as a float, when it is above 0 (infinity too); ArgumentError if not."""
    try:
        seconds = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        seconds = 0.0
    if not seconds > 0:
        raise ArgumentError(f"{name} must be a positive number of seconds, not {value!r}")
    return seconds
