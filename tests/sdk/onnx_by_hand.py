"""Writes ONNX models byte by byte, so that the reader is held against the format and no library."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence

FLOAT, INT64 = 1, 7


def varint(number: int) -> bytes:
    number &= 2**64 - 1
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def number(field: int, value: int) -> bytes:
    return varint(field << 3) + varint(value)


def message(field: int, content: bytes | str) -> bytes:
    raw = content.encode() if isinstance(content, str) else content
    return varint(field << 3 | 2) + varint(len(raw)) + raw


def tensor(name: str, shape: Sequence[int], values: Sequence[int] | None = None) -> bytes:
    """A tensor of int64 `values`, or of floats that lie in a file that is not there."""
    dims = b"".join(number(1, size) for size in shape)
    head = dims + number(2, FLOAT if values is None else INT64) + message(8, name)
    if values is None:
        return head + number(14, 1)
    return head + message(9, struct.pack(f"<{len(values)}q", *values))


def info(name: str, shape: Sequence[int | str] | None, kind: int = FLOAT) -> bytes:
    """A named value; a size that is a string is a symbol, shape None is no shape at all."""
    dims = b""
    for size in shape or ():
        entry = message(2, size) if isinstance(size, str) else number(1, size)
        dims += message(1, entry)
    typed = number(1, kind) + (b"" if shape is None else message(2, dims))
    return message(1, name) + message(2, message(1, typed))


def node(
    op: str,
    inputs: Iterable[str],
    outputs: Iterable[str],
    domain: str = "",
    **attributes: int | float | str | Sequence[int],
) -> bytes:
    out = b"".join(message(1, name) for name in inputs)
    out += b"".join(message(2, name) for name in outputs)
    out += message(4, op) + (message(7, domain) if domain else b"")
    for name, value in attributes.items():
        entry = message(1, name)
        if isinstance(value, int):
            entry += number(3, value) + number(20, 2)
        elif isinstance(value, float):
            entry += varint(2 << 3 | 5) + struct.pack("<f", value) + number(20, 1)
        elif isinstance(value, str):
            entry += message(4, value) + number(20, 3)
        else:
            entry += b"".join(number(8, item) for item in value) + number(20, 7)
        out += message(5, entry)
    return out


def model(
    nodes: Iterable[bytes],
    inputs: Iterable[bytes],
    outputs: Iterable[bytes],
    tensors: Iterable[bytes] = (),
    infos: Iterable[bytes] = (),
    opset: int = 13,
) -> bytes:
    graph = b"".join(message(1, one) for one in nodes) + message(2, "by hand")
    graph += b"".join(message(5, one) for one in tensors)
    graph += b"".join(message(11, one) for one in inputs)
    graph += b"".join(message(12, one) for one in outputs)
    graph += b"".join(message(13, one) for one in infos)
    return number(1, 8) + message(7, graph) + message(8, number(2, opset))
