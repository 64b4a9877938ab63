"""Checks of arguments that several modules share."""

from __future__ import annotations

import contextlib
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


def positive_number(name: str, value: object, unit: str) -> float:
    """`value` as a float, when it is a number above 0 (infinity too); ArgumentError if not.

    `unit` is what the message counts it in: seconds, milliseconds.
    """
    number = 0.0
    if not isinstance(value, (bool, str)):
        with contextlib.suppress(TypeError, ValueError, OverflowError):
            number = float(value)  # type: ignore[arg-type]
    if not number > 0:
        raise ArgumentError(f"{name} must be a positive number of {unit}, not {value!r}")
    return number
