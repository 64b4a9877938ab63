"""Tables of measured latencies, the splits of their devices, and what each device is.

A table is an ``.npz`` file without pickles: ``space``; the architectures, in the columns of the
space; ``devices`` (D,); ``latency_ms`` (D, A) in milliseconds, NaN where nothing was measured;
optionally ``reference``, indices of the architectures that the data's authors time on a new device.
A ``.csv`` file is one device's, of transformers (``hat_tables``).
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewise.errors import ArgumentError, EdgewiseError
from edgewise.spaces import get_space
from edgewise_converter.latency.hat_tables import SPACE, hat_hardware, read_hat_table

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_GROUPS = ("meta_train", "meta_valid", "meta_test")
_OFA_COLUMNS = ("kernel", "expand", "depth", "resolution")


@dataclass(frozen=True)
class LatencyTable:
    """Latencies of the architectures of one space on several devices.

    Attributes:
        source: where the table comes from, for messages.
        space: name of the search space.
        archs: (A,) architectures as the space writes them, each once.
        devices: (D,) names, each once.
        latency_ms: (D, A) float64 milliseconds, NaN = not measured.
        reference: indices into ``archs`` of the authors' reference architectures; may be empty.
    """

    source: str
    space: str
    archs: tuple[str, ...]
    devices: tuple[str, ...]
    latency_ms: FloatArray
    reference: IntArray

    def row(self, device: str) -> FloatArray:
        """Latencies of one device, (A,) milliseconds.

        Raises:
            ArgumentError: the table has no such device.
        """
        if device not in self.devices:
            known = ", ".join(self.devices)
            raise ArgumentError(f"{self.source}: no device {device!r}; it has {known}")
        row: FloatArray = self.latency_ms[self.devices.index(device)]
        return row

    def measured(self, devices: Sequence[str]) -> IntArray:
        """Indices of the architectures measured on every one of ``devices``, ascending."""
        known = np.ones(len(self.archs), dtype=bool)
        for device in devices:
            known &= ~np.isnan(self.row(device))
        return np.flatnonzero(known)

    def select(self, devices: Sequence[str]) -> LatencyTable:
        """The same architectures with only ``devices``, in the given order."""
        rows = np.array([self.row(device) for device in devices]).reshape(-1, len(self.archs))
        return LatencyTable(
            self.source, self.space, self.archs, tuple(devices), rows, self.reference
        )


@dataclass(frozen=True)
class Split:
    """How a table's devices and architectures are divided, after HELP.

    Attributes:
        groups: device names by ``meta_train``, ``meta_valid``, ``meta_test``.
        pool: the first so many architectures are those that may be sampled.
        query: the next so many are those that predictions are scored on.
    """

    groups: Mapping[str, tuple[str, ...]]
    pool: int
    query: int

    def fits(self, table: LatencyTable) -> bool:
        """Whether the split was made for this table: it names the table's devices."""
        named = {device for group in self.groups.values() for device in group}
        return named <= set(table.devices) and self.pool + self.query <= len(table.archs)


@dataclass(frozen=True)
class DeviceInfo:
    """What a device is: batch sizes are settings of one hardware, hardware is of a family."""

    hardware: str
    family: str


def load_table(path: str | Path, target: str = "decoder") -> LatencyTable:
    """Read a table; architectures come out in the space's canonical writing.

    Args:
        path: an ``.npz``, or a ``.csv`` of transformers, whose device is named after the file.
        target: which latency is taken of the latter.

    Raises:
        ArgumentError: no such file, not an ``.npz``, pickled content, a missing column, shapes that
            do not fit, a repeated device or architecture, one that the space does not know, or a
            latency that is not positive.
    """
    path, source = Path(path), str(path)
    if path.suffix == ".csv":
        return _load_csv(path, target)
    columns = _read_columns(path)
    space = str(_column(columns, "space", source))
    archs = _architectures(columns, space, source)
    devices = tuple(str(device) for device in np.atleast_1d(_column(columns, "devices", source)))
    latency = _column(columns, "latency_ms", source)
    if latency.dtype.kind not in "fiu" or latency.shape != (len(devices), len(archs)):
        raise ArgumentError(
            f"{source}: latency_ms is {latency.dtype} {latency.shape}, expected numbers of shape "
            f"({len(devices)} devices, {len(archs)} architectures)"
        )
    latency = latency.astype(np.float64)
    _check_latencies(latency, devices, source)
    for name, values in (("devices", devices), ("architectures", archs)):
        if len(set(values)) != len(values):
            twice = next(value for value in values if values.count(value) > 1)
            raise ArgumentError(f"{source}: {name} holds {twice!r} twice")
    reference = np.asarray(columns.get("reference", np.empty(0, np.int64)))
    if reference.size and (
        reference.dtype.kind not in "iu" or reference.min() < 0 or reference.max() >= len(archs)
    ):
        raise ArgumentError(f"{source}: reference must hold indices below {len(archs)}")
    return LatencyTable(source, space, archs, devices, latency, reference.astype(np.int64))


def merge_tables(tables: Sequence[LatencyTable]) -> LatencyTable:
    """All devices of tables of one space; an architecture that one lacks is NaN there.

    The architectures of the first table keep their indices.

    Raises:
        ArgumentError: no table, tables of different spaces, or a device in two of them.
    """
    if not tables:
        raise ArgumentError("no table given")
    first = tables[0]
    for table in tables[1:]:
        if table.space != first.space:
            raise ArgumentError(
                f"{table.source} is of space {table.space!r}, {first.source} of {first.space!r}"
            )
    devices = [device for table in tables for device in table.devices]
    for device in devices:
        if devices.count(device) > 1:
            raise ArgumentError(f"device {device!r} is in more than one table")
    archs = tuple(dict.fromkeys(arch for table in tables for arch in table.archs))
    index = {arch: position for position, arch in enumerate(archs)}
    latency = np.full((len(devices), len(archs)), np.nan)
    start = 0
    for table in tables:
        rows = slice(start, start + len(table.devices))
        latency[rows, [index[arch] for arch in table.archs]] = table.latency_ms
        start = rows.stop
    source = ", ".join(table.source for table in tables)
    return LatencyTable(source, first.space, archs, tuple(devices), latency, first.reference)


def split_of(tables: Sequence[LatencyTable], split: Split | None, device: str) -> Split | None:
    """The split, if it was made for the table that the device is in."""
    table = next(table for table in tables if device in table.devices)
    return split if split is not None and split.fits(table) else None


def load_splits(path: str | Path) -> dict[str, Split]:
    """Read ``splits.json``: a split per space.

    Raises:
        ArgumentError: the file is missing or not of that form.
    """
    splits: dict[str, Split] = {}
    for space, entry in _read_json(path).items():
        try:
            groups = {name: tuple(entry[name]) for name in _GROUPS}
            splits[space] = Split(groups, int(entry["pool"]), int(entry["query"]))
        except (KeyError, TypeError, ValueError) as error:
            raise ArgumentError(f"{path}: split {space!r} lacks {error}") from error
    return splits


def load_devices(path: str | Path) -> dict[str, DeviceInfo]:
    """Read ``devices.json``: hardware and family of each device.

    Raises:
        ArgumentError: the file is missing or not of that form.
    """
    devices: dict[str, DeviceInfo] = {}
    for name, entry in _read_json(path).items():
        try:
            devices[name] = DeviceInfo(str(entry["hardware"]), str(entry["family"]))
        except (KeyError, TypeError) as error:
            raise ArgumentError(f"{path}: device {name!r} lacks {error}") from error
    return devices


def describe_devices(table: LatencyTable, known: Mapping[str, DeviceInfo]) -> dict[str, DeviceInfo]:
    """What each device of a table is; of transformers' the file's name says it if need be."""
    described = dict(known)
    if table.space == SPACE:
        for device in table.devices:
            hardware = hat_hardware(device)
            described.setdefault(device, DeviceInfo(hardware, hardware))
    return described


def resolve_devices(text: str, table: LatencyTable, split: Split | None) -> tuple[str, ...]:
    """Devices named by a comma-separated list of devices and of the split's groups, each once.

    Raises:
        ArgumentError: a name is neither, or the list is empty.
    """
    groups = split.groups if split else {}
    devices: list[str] = []
    for name in (part.strip() for part in text.split(",")):
        if name in groups:
            devices += groups[name]
        elif name in table.devices:
            devices.append(name)
        else:
            known = ", ".join((*groups, *table.devices))
            raise ArgumentError(f"unknown device or group {name!r}; known are {known}")
    return tuple(dict.fromkeys(devices))


def _read_columns(path: Path) -> dict[str, NDArray[Any]]:
    try:
        # Opened here, since numpy leaves its own file open when the archive is damaged.
        with path.open("rb") as file:
            archive = np.load(file, allow_pickle=False)
            if isinstance(archive, np.ndarray):
                raise ArgumentError(f"{path}: one bare array, not an .npz table")
            return {name: archive[name] for name in archive.files}
    except FileNotFoundError as error:
        raise ArgumentError(f"{path}: no such file") from error
    except (OSError, EOFError, zipfile.BadZipFile) as error:
        raise ArgumentError(f"{path}: not an .npz table ({error})") from error
    except ValueError as error:
        if isinstance(error, ArgumentError):
            raise
        raise ArgumentError(f"{path}: not an .npz table without pickles ({error})") from error


def _load_csv(path: Path, target: str) -> LatencyTable:
    """One device; an architecture that was timed more than once has the mean."""
    written, ms = read_hat_table(path, target)
    _check_latencies(ms[None], (path.stem,), str(path))
    archs, index = np.unique(_canonical(SPACE, written, str(path)), return_inverse=True)
    mean = np.bincount(index, ms) / np.bincount(index)
    return LatencyTable(
        str(path), SPACE, tuple(archs.tolist()), (path.stem,), mean[None], np.empty(0, np.int64)
    )


def _canonical(space: str, archs: Sequence[str], source: str) -> list[str]:
    try:
        known = get_space(space)
        return known.decode(known.encode(archs))
    except EdgewiseError as error:
        raise ArgumentError(f"{source}: {error}") from error


def _column(columns: Mapping[str, NDArray[Any]], name: str, source: str) -> NDArray[Any]:
    if name not in columns:
        raise ArgumentError(f"{source}: no column {name!r}; it has {', '.join(columns) or 'none'}")
    return columns[name]


def _architectures(columns: Mapping[str, NDArray[Any]], space: str, source: str) -> tuple[str, ...]:
    """Architectures as the space writes them."""
    if space == "ofa":
        parts = [_column(columns, name, source).tolist() for name in _OFA_COLUMNS]
        written = [
            json.dumps({"ks": kernel, "e": expand, "d": depth, "r": resolution})
            for kernel, expand, depth, resolution in zip(*parts, strict=True)
        ]
    elif "arch_ops" in columns:
        written = [",".join(row) for row in columns["arch_ops"].tolist()]
    else:
        archs = _column(columns, "arch", source)
        if archs.ndim != 1 or archs.dtype.kind != "U":
            raise ArgumentError(
                f"{source}: arch is {archs.dtype} {archs.shape}, expected strings (A,)"
            )
        written = archs.tolist()
    return tuple(_canonical(space, written, source))


def _check_latencies(latency: FloatArray, devices: Sequence[str], source: str) -> None:
    wrong = ~(np.isnan(latency) | ((latency > 0) & np.isfinite(latency)))
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        raise ArgumentError(
            f"{source}: latency_ms of {devices[row]} at {column} is {latency[row, column]}, "
            "expected a positive number of milliseconds, or NaN where nothing was measured"
        )


def _read_json(path: str | Path) -> dict[str, Any]:
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ArgumentError(f"{path}: no such file") from error
    except (OSError, ValueError) as error:
        raise ArgumentError(f"{path}: not JSON ({error})") from error
    if not isinstance(content, dict):
        raise ArgumentError(f"{path}: expected a JSON object")
    return content
