"""A table of timings that grows: written whole after every step, so that it can be gone on with.

Besides the columns of any table (``latency.tables``) it has `conditions` (D,), JSON text for each
device: the machine, runtime, threads and library of its timings and what may have spoilt them;
empty for devices that were measured elsewhere.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewise.errors import ArgumentError
from edgewise.spaces import get_space
from edgewise.storage import write_atomic
from edgewise_converter.latency.tables import load_table

_OFA_COLUMNS = {"kernel": "ks", "expand": "e", "depth": "d", "resolution": "r"}
_COLUMNS = {"space", "arch", "arch_ops", *_OFA_COLUMNS, "devices", "latency_ms", "reference"}
_CONDITIONS = "conditions"
_SAME = ("cpu", "runtime", "runtime_version", "threads", "command")
"""Conditions that must be equal for timings to be of one device."""


class GrowingTable:
    """Timings of several devices, one of which is being measured."""

    def __init__(self, path: Path, space: str, device: str, conditions: Mapping[str, Any]) -> None:
        """An empty table that will be written to `path`."""
        self.path = path
        self.space = get_space(space)
        self.device = device
        self.archs: list[str] = []
        self._ms: dict[str, dict[str, float]] = {device: {}}
        self._conditions: dict[str, dict[str, Any]] = {device: dict(conditions)}
        self._reference: NDArray[np.int64] = np.empty(0, np.int64)

    @classmethod
    def open(
        cls, path: Path, space: str, device: str, conditions: Mapping[str, Any], *, append: bool
    ) -> GrowingTable:
        """The table at `path` if there is one, else an empty one; `device` is to be measured.

        Raises:
            ArgumentError: the file is no table, of another space, has columns that would be lost,
                lacks the device and `append` is not set, or has it under other conditions.
        """
        grown = cls(path, space, device, conditions)
        if not path.exists():
            if append:
                raise ArgumentError(f"{path}: there is no table to append to")
            return grown
        grown._read(append)
        return grown

    def _read(self, append: bool) -> None:
        path, table = self.path, load_table(self.path)
        if table.space != self.space.name:
            raise ArgumentError(f"{path}: is of space {table.space!r}, not {self.space.name!r}")
        conditions = _read_conditions(path, table.devices)
        if self.device not in table.devices and not append:
            known = ", ".join(table.devices)
            raise ArgumentError(
                f"{path}: exists, with {known}; --append adds device {self.device!r} to it"
            )
        if self.device in table.devices:
            self._check_same(conditions[self.device])
        self.archs = [self.space.parse(arch) for arch in table.archs]
        for device in table.devices:
            pairs = zip(self.archs, table.row(device).tolist(), strict=True)
            self._ms[device] = {arch: ms for arch, ms in pairs if not np.isnan(ms)}
        # in the order of the file, the new one last
        self._ms = {d: self._ms[d] for d in (*table.devices, self.device)}
        self._conditions = {self.device: self._conditions[self.device]} | conditions
        self._reference = table.reference

    def _check_same(self, found: Mapping[str, Any]) -> None:
        now = self._conditions[self.device]
        for key in _SAME:
            if found.get(key) != now.get(key):
                raise ArgumentError(
                    f"{self.path}: device {self.device!r} was measured with {key} "
                    f"{found.get(key)!r}, not {now.get(key)!r}; choose another --device-name"
                )

    def want(self, archs: Sequence[str]) -> list[str]:
        """Those of `archs` (canonical) that the device has no timing of; new ones get a column."""
        known = set(self.archs)
        self.archs += [arch for arch in archs if arch not in known]
        return [arch for arch in archs if arch not in self._ms[self.device]]

    def fastest(self) -> tuple[str, float] | None:
        """The architecture that takes the device least, and its milliseconds; None at first."""
        timed = self._ms[self.device]
        return min(timed.items(), key=lambda item: item[1]) if timed else None

    def put(self, ms: Mapping[str, float], notes: Sequence[str] = ()) -> None:
        """Take timings of the device, and what may have spoilt them, and write the table.

        Raises:
            StorageError: the file cannot be written.
        """
        self._ms[self.device].update(ms)
        self._conditions[self.device].setdefault("notes", []).extend(notes)
        self.save()

    def save(self) -> None:
        """Write the table, atomically."""
        rows = [[row.get(arch, np.nan) for arch in self.archs] for row in self._ms.values()]
        conditions = (self._conditions.get(device) for device in self._ms)
        columns: dict[str, Any] = {
            "space": np.array(self.space.name),
            **_architecture_columns(self.space.name, self.archs),
            "devices": np.array(list(self._ms)),
            "latency_ms": np.array(rows, np.float64).reshape(len(rows), len(self.archs)),
            "reference": self._reference,
            _CONDITIONS: np.array([json.dumps(each) if each else "" for each in conditions]),
        }
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **columns)
        write_atomic(self.path, buffer.getvalue())


def _read_conditions(path: Path, devices: Sequence[str]) -> dict[str, dict[str, Any]]:
    with np.load(path, allow_pickle=False) as columns:
        lost = sorted(set(columns.files) - _COLUMNS - {_CONDITIONS})
        if lost:
            raise ArgumentError(
                f"{path}: appending would lose its columns {', '.join(lost)}; write another file, "
                "tables of one space can be used side by side"
            )
        texts = columns[_CONDITIONS].tolist() if _CONDITIONS in columns else [""] * len(devices)
    try:
        return {d: json.loads(text or "{}") for d, text in zip(devices, texts, strict=True)}
    except ValueError as error:
        raise ArgumentError(f"{path}: its column {_CONDITIONS} is damaged ({error})") from error


def _architecture_columns(space: str, archs: Sequence[str]) -> dict[str, NDArray[Any]]:
    """The architectures in the columns of the space."""
    if space != "ofa":
        return {"arch": np.array(list(archs), dtype=np.str_)}
    settings = [json.loads(arch) for arch in archs]
    return {
        column: np.array([setting[key] for setting in settings], np.int64)
        for column, key in _OFA_COLUMNS.items()
    }
