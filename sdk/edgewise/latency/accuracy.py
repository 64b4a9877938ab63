"""Reads a user's table of accuracies: CSV, JSON or NumPy."""

from __future__ import annotations

import csv
import json
from pathlib import Path

from ..errors import ArgumentError


def read_accuracy(path: str | Path, column: str | None = None) -> dict[str, float]:
    """Architecture -> accuracy.

    `.csv`: a header, the architecture in the first column; `column` is the accuracy's (default:
    the second). `.json`: an object. `.npz`: `arch` (N,) and an array (N,) named `column` (default:
    the only other one). Raises ArgumentError, naming file and cause, for anything else.
    """
    path = Path(path)
    readers = {".csv": _from_csv, ".json": _from_json, ".npz": _from_npz}
    if path.suffix not in readers:
        raise ArgumentError(f"{path}: an accuracy table is a .csv, .json or .npz file")
    try:
        return readers[path.suffix](path, column)
    except ArgumentError:
        raise
    except FileNotFoundError:
        raise ArgumentError(f"{path}: there is no such file") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, EOFError) as error:
        raise ArgumentError(f"{path}: not a table of accuracies ({error})") from error


def _from_csv(path: Path, column: str | None) -> dict[str, float]:
    with path.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.reader(file) if row]
    if not rows or len(rows[0]) < 2:
        raise ArgumentError(f"{path}: needs a header and two columns, architecture and accuracy")
    header = rows[0]
    if column is not None and column not in header[1:]:
        raise ArgumentError(f"{path}: has no column {column!r}, only {', '.join(header[1:])}")
    at = 1 if column is None else header.index(column)
    return {row[0]: float(row[at]) for row in rows[1:] if len(row) > at}


def _from_json(path: Path, _column: str | None) -> dict[str, float]:
    content = json.loads(path.read_text(encoding="utf-8"))
    return {str(arch): float(value) for arch, value in content.items()}


def _from_npz(path: Path, column: str | None) -> dict[str, float]:
    import numpy as np

    with np.load(path, allow_pickle=False) as arrays:
        others = [name for name in arrays if name != "arch"]
        name = column or (others[0] if len(others) == 1 else "")
        if "arch" not in arrays or name not in others:
            raise ArgumentError(
                f"{path}: choose a column of {', '.join(others)}"
                if "arch" in arrays
                else f"{path}: has no array `arch`"
            )
        archs, values = arrays["arch"].tolist(), arrays[name].astype(np.float64).tolist()
    return dict(zip(archs, values, strict=True))
