"""Shows what a bundle holds: its manifest, its tensors, their sizes; and checks it."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edgewise.bundle import Bundle


@dataclass(frozen=True)
class Entry:
    """One tensor of a bundle.

    Attributes:
        name: its name.
        dtype: as numpy writes it; of a deflated tensor, of its bytes.
        shape: as it is stored, or of the whole if it borrows.
        stored: bytes in the file.
        inflated: bytes when unpacked, None if it is not deflated.
        lender: the tensor that it borrows from, None if it is stored whole.
        whole: bytes with what it borrows.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    stored: int
    inflated: int | None
    lender: str | None
    whole: int


@dataclass(frozen=True)
class Contents:
    """What a bundle holds; `manifest` leaves out the hashes."""

    path: str
    bytes: int
    kind: str
    name: str
    manifest: dict[str, Any]
    tensors: tuple[Entry, ...]

    def as_json(self) -> dict[str, Any]:
        """The same in JSON values."""
        return asdict(self)

    def __str__(self) -> str:
        width = max((len(entry.name) for entry in self.tensors), default=0)
        lines = [f"{self.path}: {self.kind} bundle '{self.name}', {self.bytes:,} bytes", ""]
        lines += [json.dumps(self.manifest, indent=2), ""]
        for entry in self.tensors:
            unpacked = "" if entry.inflated is None else f"  deflated, {entry.inflated:,} unpacked"
            if entry.lender is not None:
                unpacked = f"  {entry.whole:,} with what '{entry.lender}' lends"
            kind = f"{entry.dtype}{list(entry.shape)}"
            lines.append(f"{entry.name:{width}}  {kind:24} {entry.stored:>12,}{unpacked}")
        return "\n".join(lines)


def inspect_bundle(path: Path, *, verify: bool = False) -> Contents:
    """Read what the bundle at `path` holds.

    Args:
        path: a bundle of any kind.
        verify: also check the sha256 of every tensor, and that the deflated ones inflate.

    Raises:
        BundleError: the file is no bundle, or is damaged.
    """
    bundle = Bundle.open(path)
    if verify:
        bundle.verify()
    hidden = ("sha256", "deflated", "patterned", "borrowed")
    return Contents(
        path=str(path),
        bytes=bundle.core.file_bytes,
        kind=bundle.kind,
        name=bundle.name,
        manifest={key: value for key, value in bundle.manifest.items() if key not in hidden},
        tensors=tuple(_entries(bundle)),
    )


def _entries(bundle: Bundle) -> Iterator[Entry]:
    for name in bundle.names():
        array = bundle.tensor(name)
        inflated = len(bundle.blob(name)) if bundle.core.deflated(name) else None
        yield Entry(
            name,
            str(array.dtype),
            tuple(array.shape),
            bundle.core.stored_bytes(name),
            inflated,
            bundle.manifest.get("borrowed", {}).get(name),
            array.nbytes,
        )


def add_parser(subparsers: Any) -> None:
    """Add ``inspect`` to the subcommands; `run` of its arguments does the work."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "inspect", help="show what a bundle holds, and check it"
    )
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--verify", action="store_true", help="check the sha256 of every tensor")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    contents = inspect_bundle(arguments.bundle, verify=arguments.verify)
    print(json.dumps(contents.as_json(), indent=2) if arguments.json else contents)
    if arguments.verify and not arguments.json:
        print(f"\n{len(contents.tensors)} tensors, every sha256 is right")
    return 0
