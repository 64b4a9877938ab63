"""Bundles: the one file format that crosses from host to device, and that a device saves.

A bundle is a safetensors file with a manifest (format: native/include/edgewise/bundle.hpp). The
C++ core reads it; `write_bundle` here is the only writer, for host and device alike.
"""

from __future__ import annotations

import hashlib
import json
import os
import zlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import _core
from .borrow import LOAN_FIELDS, UNSCALED_FIELDS, Borrowed
from .errors import ArgumentError, BundleError
from .pattern import Cut, cut_out, put_back
from .storage import write_atomic

__all__ = ["FORMAT_VERSION", "KINDS", "Bundle", "write_bundle"]

FORMAT_VERSION = _core.BUNDLE_FORMAT
KINDS = ("latency", "embedder", "zoo", "profile", "classifier")

_BORROWED_VERSION, _SCALED_VERSION = 2, 3  # the first that have them
_ALIGNMENT = 64
_MAX_HEADER = 16 << 20  # the reader's limit too
# A small damaged or hostile stream can inflate a thousandfold; no model of a bundle is this large.
_MAX_INFLATED = 256 << 20
_OWN_KEYS = ("format_version", "kind", "name", "sha256", "deflated", "patterned", "borrowed")

# safetensors' names of the little-endian dtypes that a bundle may hold.
_DTYPES = {
    "|b1": "BOOL",
    "|u1": "U8",
    "|i1": "I8",
    "<u2": "U16",
    "<i2": "I16",
    "<f2": "F16",
    "<u4": "U32",
    "<i4": "I32",
    "<f4": "F32",
    "<u8": "U64",
    "<i8": "I64",
    "<f8": "F64",
}


class Bundle:
    """An open bundle. Its structure was checked when it was opened; thread-safe.

    Every fault, now or later, is a `BundleError` that names the file and the cause.
    """

    def __init__(self, core: _core.Bundle, path: str) -> None:
        """Wrap an open bundle of the core; use `Bundle.open` or `Bundle.from_bytes`."""
        self._core = core
        self.path = path
        self.manifest: dict[str, Any] = json.loads(core.manifest)
        if not isinstance(self.manifest.get("patterned", []), list):
            raise BundleError(f"{path}: the manifest's 'patterned' is not a list")

    @classmethod
    def open(cls, path: str | os.PathLike[str], kind: str | None = None) -> Bundle:
        """Map the file at `path`. With `kind`, any other kind of bundle is refused.

        The file may be replaced (by rename, as `write_bundle` does) while it is open; it must not
        be overwritten in place.
        """
        return cls(_core.Bundle.open(os.fsencode(path), kind or ""), os.fspath(path))

    @classmethod
    def from_bytes(
        cls, data: bytes | bytearray | memoryview, *, name: str = "<bytes>", kind: str | None = None
    ) -> Bundle:
        """Open a bundle held in memory (copied); `name` stands for the file in messages."""
        return cls(_core.Bundle.from_bytes(bytes(data), name, kind or ""), name)

    @property
    def kind(self) -> str:
        """What the bundle is for: one of `KINDS`."""
        return self._core.kind

    @property
    def name(self) -> str:
        """The name in the manifest."""
        return self._core.name

    def names(self) -> list[str]:
        """The tensors in file order."""
        return self._core.names()

    def __contains__(self, name: str) -> bool:
        return name in self._core

    def tensor(self, name: str) -> NDArray[Any]:
        """A read-only view of the tensor, checked against its sha256 when first asked for.

        A deflated tensor comes as it is stored; `blob` inflates it. One that borrows from another
        is whole.
        """
        return self._core.tensor(name)

    def blob(self, name: str) -> bytes:
        """The bytes of the tensor, inflated if it is stored deflated, its patterned weights put
        back if they were cut out."""
        if not self._core.deflated(name):
            return self._core.tensor(name).tobytes()
        blob = self._inflate(name)
        if name not in self.manifest.get("patterned", ()):
            return blob
        try:
            return put_back(blob, _MAX_INFLATED)
        except ValueError as error:
            raise BundleError(
                f"{self.path}: the weights of '{name}' cannot be put back: {error}"
            ) from error

    def _inflate(self, name: str) -> bytes:
        data = self._core.tensor(name)
        inflater = zlib.decompressobj()
        try:
            blob = inflater.decompress(data.data, _MAX_INFLATED)
        except zlib.error as error:
            raise BundleError(f"{self.path}: tensor '{name}' does not inflate: {error}") from error
        if not inflater.eof or inflater.unused_data:
            raise BundleError(
                f"{self.path}: tensor '{name}' does not inflate: its zlib stream is not one whole "
                f"stream of at most {_MAX_INFLATED} bytes"
            )
        return blob

    def verify(self) -> None:
        """Check the bytes of every tensor now, and that the deflated ones inflate."""
        self._core.verify()
        for name in self.names():
            if self._core.deflated(name):
                self.blob(name)

    @property
    def core(self) -> _core.Bundle:
        """The core's own bundle, for the C++ heads that read their parameters from it."""
        return self._core

    def __repr__(self) -> str:
        return f"<edgewise bundle '{self.name}' of kind '{self.kind}' at {self.path}>"


def write_bundle(
    path: str | os.PathLike[str],
    *,
    kind: str,
    name: str,
    manifest: Mapping[str, Any],
    tensors: Mapping[str, NDArray[Any] | bytes],
    deflate: Collection[str] = (),
    patterned: Mapping[str, Sequence[Cut]] | None = None,
    borrowed: Mapping[str, Borrowed] | None = None,
) -> None:
    """Write a bundle to `path`, atomically (see `edgewise.storage`).

    Args:
        path: the file; an existing one is replaced.
        kind: one of `KINDS`.
        name: what the bundle is called.
        manifest: what else the manifest says, as JSON values: training data, seed, command,
            licence, metrics. Format version, kind, name and hashes are added here.
        tensors: arrays (made row-major and little-endian), or bytes, which become U8 tensors.
        deflate: the tensors to store as zlib streams; they become U8 and lose their shape.
        patterned: of the tensors to deflate, those whose patterned weights are cut out first, and
            where these are, ascending (see `edgewise.pattern`).
        borrowed: of the tensors given as bytes and not to deflate, those stored without what
            another one holds too (see `edgewise.borrow`).

    Raises:
        ArgumentError: an unknown kind, a reserved name, a dtype that bundles do not hold, a
            manifest that is not JSON, or a tensor that cannot borrow or lend.
        StorageError: the file could not be written.
    """
    write_atomic(path, bundle_pieces(kind, name, manifest, tensors, deflate, patterned, borrowed))


def bundle_pieces(
    kind: str,
    name: str,
    manifest: Mapping[str, Any],
    tensors: Mapping[str, NDArray[Any] | bytes],
    deflate: Collection[str] = (),
    patterned: Mapping[str, Sequence[Cut]] | None = None,
    borrowed: Mapping[str, Borrowed] | None = None,
) -> list[bytes]:
    """The bytes of a bundle, in order; the arguments are those of `write_bundle`."""
    cuts, lent = patterned or {}, borrowed or {}
    _check_arguments(kind, manifest, tensors, deflate, cuts)
    _check_borrowed(tensors, deflate, lent)
    arrays = {
        key: _stored(key, value, key in deflate, cuts.get(key)) for key, value in tensors.items()
    }
    version = _format_version(lent)
    text = _manifest_text(version, kind, name, manifest, arrays, deflate, cuts, lent)
    fields = LOAN_FIELDS if version >= _SCALED_VERSION else UNSCALED_FIELDS
    # Only now: the manifest has the hashes of what the reader gives.
    for key, (_, loans) in lent.items():
        arrays[key] = np.frombuffer(cut_out(arrays[key].tobytes(), loans, fields), np.uint8)
    table, pieces = _lay_out(arrays)
    header: dict[str, Any] = {
        "__metadata__": {"edgewise": text, "edgewise.sha256": _table_digest(text, table)},
        **table,
    }
    encoded = json.dumps(header, separators=(",", ":")).encode("ascii")
    encoded += b" " * (-(8 + len(encoded)) % _ALIGNMENT)
    if len(encoded) > _MAX_HEADER:
        raise ArgumentError(f"the bundle's header would take more than {_MAX_HEADER} bytes")
    return [len(encoded).to_bytes(8, "little"), encoded, *pieces]


def _check_arguments(
    kind: str,
    manifest: Mapping[str, Any],
    tensors: Mapping[str, NDArray[Any] | bytes],
    deflate: Collection[str],
    patterned: Collection[str],
) -> None:
    if kind not in KINDS:
        raise ArgumentError(f"unknown kind of bundle '{kind}'; one of {', '.join(KINDS)}")
    taken = [key for key in _OWN_KEYS if key in manifest]
    if taken:
        raise ArgumentError(f"the manifest's '{taken[0]}' is written by edgewise itself")
    for key in tensors:
        if key == "__metadata__" or key.startswith("_pad."):
            raise ArgumentError(f"a tensor may not be named '{key}'")
    unknown = [key for key in deflate if key not in tensors]
    if unknown:
        raise ArgumentError(f"cannot deflate '{unknown[0]}': there is no such tensor")
    whole = [key for key in patterned if key not in deflate]
    if whole:
        raise ArgumentError(f"weights are cut out of deflated tensors only, not of '{whole[0]}'")


def _check_borrowed(
    tensors: Mapping[str, NDArray[Any] | bytes],
    deflate: Collection[str],
    borrowed: Mapping[str, Borrowed],
) -> None:
    for key, (lender, _) in borrowed.items():
        plain = key not in deflate and isinstance(tensors.get(key), bytes)
        if not plain or lender not in tensors or lender in deflate or lender in borrowed:
            raise ArgumentError(
                f"'{key}' cannot borrow from '{lender}': both are stored whole but for that, and "
                "what borrows is given as bytes"
            )


def _stored(
    name: str, value: NDArray[Any] | bytes, deflated: bool, cuts: Sequence[Cut] | None
) -> NDArray[Any]:
    """The array as it is stored: row-major, little-endian, cut and deflated if asked for."""
    array: NDArray[Any]
    if isinstance(value, bytes):
        array = np.frombuffer(value, np.uint8)
    else:
        array = np.asarray(value, order="C")
        array = array.astype(array.dtype.newbyteorder("<"), copy=False)
    if array.dtype.str not in _DTYPES:
        raise ArgumentError(
            f"tensor '{name}' has the dtype {array.dtype}, which a bundle cannot hold"
        )
    if deflated:
        content = array.tobytes()
        if cuts is not None:
            content = cut_out(content, cuts)
        array = np.frombuffer(zlib.compress(content, 9), np.uint8)
    return array


def _format_version(borrowed: Mapping[str, Borrowed]) -> int:
    """The oldest that has all that is needed, so that older readers take what they can."""
    if any(loan.scales for _, loans in borrowed.values() for loan in loans):
        return _SCALED_VERSION
    return _BORROWED_VERSION if borrowed else 1


def _manifest_text(
    version: int,
    kind: str,
    name: str,
    manifest: Mapping[str, Any],
    arrays: Mapping[str, NDArray[Any]],
    deflate: Collection[str],
    patterned: Collection[str],
    borrowed: Mapping[str, Borrowed],
) -> str:
    whole = {
        "format_version": version,
        "kind": kind,
        "name": name,
        **manifest,
        "sha256": {key: hashlib.sha256(array.data).hexdigest() for key, array in arrays.items()},
        "deflated": sorted(deflate),
    }
    if patterned:
        whole["patterned"] = sorted(patterned)
    if borrowed:
        whole["borrowed"] = {key: lender for key, (lender, _) in borrowed.items()}
    try:
        return json.dumps(whole, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError) as error:
        raise ArgumentError(f"the manifest is not JSON: {error}") from error


def _lay_out(arrays: Mapping[str, NDArray[Any]]) -> tuple[dict[str, Any], list[bytes]]:
    """The header's table of tensors, and the data: each tensor from a multiple of 64 bytes.

    `_pad.N` fills the gap at byte N.
    """
    table: dict[str, Any] = {}
    pieces: list[bytes] = []
    position = 0
    for name, array in _with_padding(arrays):
        table[name] = {
            "dtype": _DTYPES[array.dtype.str],
            "shape": list(array.shape),
            "data_offsets": [position, position + array.nbytes],
        }
        pieces.append(array.tobytes())
        position += array.nbytes
    return table, pieces


def _with_padding(arrays: Mapping[str, NDArray[Any]]) -> Iterator[tuple[str, NDArray[Any]]]:
    position = 0
    for name, array in arrays.items():
        gap = -position % _ALIGNMENT
        if gap:
            yield f"_pad.{position}", np.zeros(gap, np.uint8)
        yield name, array
        position += gap + array.nbytes


def _table_digest(manifest: str, table: Mapping[str, Any]) -> str:
    """sha256 over manifest and tensor table: what the hashes of the data do not cover.

    In file order; where two tensors begin at one byte, the empty one is first, then by name.
    """
    lines = [manifest]
    for name, entry in sorted(table.items(), key=lambda item: (*item[1]["data_offsets"], item[0])):
        shape = ",".join(str(size) for size in entry["shape"])
        begin, end = entry["data_offsets"]
        lines.append(f"{name}\t{entry['dtype']}\t{shape}\t{begin}\t{end}")
    return hashlib.sha256("".join(line + "\n" for line in lines).encode()).hexdigest()
