"""Tensors that borrow from another one of their bundle: they come back whole, or not at all."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgewise.borrow import LOAN_FIELDS, UNSCALED_FIELDS, Borrowed, Loan, Scaled, loans
from edgewise.bundle import Bundle, bundle_pieces
from edgewise.errors import ArgumentError, BundleError
from edgewise.fewshot.embedder import open_embedder
from edgewise.shipped import fingerprint

RANDOM = np.random.default_rng(7)
ARRAYS: list[NDArray[Any]] = [
    RANDOM.normal(size=(5, 3, 3, 2)).astype(np.float16),
    RANDOM.integers(-99, 99, (16, 8, 1, 1)).astype(np.int8),
    RANDOM.normal(size=40).astype(np.float32),
    RANDOM.normal(size=3).astype(np.float32),  # too small to be worth it
    RANDOM.normal(size=(4, 20)).astype(np.float32),  # the lender has it not
]
SCALED = [
    Scaled(
        RANDOM.integers(-127, 128, shape).astype(np.int8),
        RANDOM.lognormal(-3, 1, shape[0]).astype(np.float32),
    )
    for shape in ((6, 4, 3, 3), (9, 12, 1, 1), (5, 2, 3, 2))
]


def files() -> tuple[bytes, bytes]:
    """A borrower and a lender, in other orders, and the third array twice in the borrower."""
    borrower = [b"head", *(array.tobytes() for array in ARRAYS), b"mid", ARRAYS[2].tobytes(), b"x"]
    turned = [ARRAYS[0].transpose(0, 2, 3, 1), ARRAYS[2], ARRAYS[3], ARRAYS[1]]
    return b"".join(borrower), b"".join([b"TFL3", *(array.tobytes() for array in turned)])


def pieces(borrower: bytes, lender: bytes, found: list[Loan]) -> bytes:
    tensors: dict[str, NDArray[Any] | bytes] = {"lender": lender, "m": borrower}
    borrowed = {"m": Borrowed("lender", found)}
    return b"".join(bundle_pieces("embedder", "e", {}, tensors, borrowed=borrowed))


def scaled_files() -> tuple[bytes, bytes]:
    """A borrower of what a lender has in 8 bits: in both orders of axes, and once as it is."""
    first, second, third = (each.values() for each in SCALED)
    plain = ARRAYS[2].tobytes()
    borrower = [b"begin", first.tobytes(), b"-", second.tobytes(), plain]
    borrower += [third.transpose(0, 2, 3, 1).tobytes(), b"end"]
    lender = [b"TFL"]
    for numbers, scales in SCALED:
        lender += [numbers.transpose(0, 2, 3, 1).tobytes(), scales.tobytes()]
    return b"".join(borrower), b"".join([*lender, plain])


def put_back(packed: bytes, lender: bytes, fields: int = UNSCALED_FIELDS) -> bytes:
    """The twin of native/src/borrowed.cpp, by numpy."""
    count = int(np.frombuffer(packed, "<u4", 1)[0])
    table = np.frombuffer(packed, "<u4", fields * count, 4).reshape(count, fields).tolist()
    rest, whole = packed[4 + 4 * fields * count :], b""
    for offset, source, outputs, inputs, window, item, *scales in table:
        gap = offset - len(whole)
        size = outputs * inputs * window * item
        lent = np.frombuffer(lender[source : source + size], f"V{item}")
        turned = lent.reshape(outputs, window, inputs).transpose(0, 2, 1)
        if any(scales):
            scale = np.frombuffer(lender[scales[0] : scales[0] + 4 * outputs], "<f4")
            turned = turned.copy().view(np.int8) * scale[:, None, None]
        whole, rest = whole + rest[:gap] + turned.tobytes(), rest[gap:]
    return whole + rest


def test_what_is_alike_is_found_and_comes_back() -> None:
    borrower, lender = files()
    found = loans(borrower, lender, [*ARRAYS, ARRAYS[2]])
    shapes = [(loan.outputs, loan.inputs, loan.window, loan.item) for loan in found]
    assert shapes == [(5, 3, 6, 2), (1, 128, 1, 1), (1, 40, 1, 4), (1, 40, 1, 4)]
    raw = pieces(borrower, lender, found)
    bundle = Bundle.from_bytes(raw)
    bundle.verify()
    assert bundle.blob("m") == bundle.tensor("m").tobytes() == borrower
    assert bundle.blob("lender") == lender
    assert bundle.manifest["format_version"] == 2
    stored = bundle.core.stored_bytes("m")
    assert stored == len(borrower) - sum(loan.size for loan in found) + 4 + 24 * len(found)
    begin = raw.rindex(np.array([4, *found[0][:UNSCALED_FIELDS]], "<u4").tobytes())
    assert put_back(raw[begin : begin + stored], lender) == borrower


def test_floats_come_back_from_what_has_them_in_8_bits() -> None:
    borrower, lender = scaled_files()
    found = loans(borrower, lender, [ARRAYS[2]], SCALED)
    shapes = [(loan.outputs, loan.inputs, loan.window, loan.item) for loan in found]
    assert shapes == [(6, 4, 9, 1), (9, 12, 1, 1), (1, 40, 1, 4), (5, 12, 1, 1)]
    assert [loan.scales > 0 for loan in found] == [True, True, False, True]
    raw = pieces(borrower, lender, found)
    bundle = Bundle.from_bytes(raw)
    bundle.verify()
    assert bundle.blob("m") == borrower
    assert bundle.manifest["format_version"] == 3
    stored = bundle.core.stored_bytes("m")
    assert stored == len(b"begin-end") + 4 + 28 * 4
    begin = raw.rindex(np.array([4, *found[0]], "<u4").tobytes())
    assert put_back(raw[begin : begin + stored], lender, LOAN_FIELDS) == borrower


def test_scales_of_any_size_come_back_as_numpy_has_them() -> None:
    """Subnormal, enormous, infinite: one rounding, the same bits."""
    numbers = np.arange(-128, 128, dtype=np.int8).repeat(4).reshape(256, 4, 1, 1)
    scales = np.geomspace(1e-45, 3e38, 256, dtype=np.float32)
    scales[-1] = np.inf
    numbers[-1] = 3
    each = Scaled(numbers, scales)
    with np.errstate(over="ignore"):
        borrower, lender = each.values().tobytes(), b"x" + numbers.tobytes() + scales.tobytes()
        raw = pieces(borrower, lender, loans(borrower, lender, [], [each]))
    assert Bundle.from_bytes(raw).blob("m") == borrower
    assert len(raw) < len(borrower)


def test_floats_whose_integers_or_scales_the_lender_lacks_stay() -> None:
    borrower, lender = scaled_files()
    other = Scaled(SCALED[0].numbers, SCALED[0].scales * 2)
    assert not loans(other.values().tobytes(), lender, [], [other])
    assert not loans(borrower, lender[:40], [], SCALED)
    # The first byte of the lender is the mark of a loan without scales.
    first = SCALED[1].scales.tobytes() + SCALED[1].numbers.tobytes()
    assert not loans(SCALED[1].values().tobytes(), first, [], SCALED)


def test_a_fingerprint_is_of_what_a_bundle_holds_however_it_is_stored() -> None:
    borrower, lender = files()
    shared = Bundle.from_bytes(pieces(borrower, lender, loans(borrower, lender, ARRAYS)))
    tensors: dict[str, NDArray[Any] | bytes] = {"lender": lender, "m": borrower}
    plain = Bundle.from_bytes(b"".join(bundle_pieces("embedder", "e", {}, tensors)))
    assert fingerprint(shared) == fingerprint(plain)
    assert plain.manifest["format_version"] == 1


@pytest.mark.parametrize("made", [files, scaled_files])
def test_every_byte_flipped(made: Callable[[], tuple[bytes, bytes]]) -> None:
    borrower, lender = made()
    raw = bytearray(pieces(borrower, lender, loans(borrower, lender, ARRAYS, SCALED)))
    for position in range(len(raw)):
        raw[position] ^= 0x29
        with pytest.raises(BundleError):
            Bundle.from_bytes(bytes(raw)).verify()
        raw[position] ^= 0x29


def test_many_threads_ask_for_it_at_once() -> None:
    borrower, lender = files()
    raw = pieces(borrower, lender, loans(borrower, lender, ARRAYS))
    for _ in range(20):
        bundle, start = Bundle.from_bytes(raw), threading.Barrier(8)
        found: list[bytes] = []

        def ask(bundle: Bundle = bundle, start: threading.Barrier = start) -> None:
            start.wait()
            found.append(bundle.blob("m"))  # noqa: B023

        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert found == [borrower] * 8


def forged(packed: bytes, borrowed: Any = None, **entries: Any) -> bytes:
    """A bundle of "lender", 100 bytes, and "m", `packed`, that says it borrows."""
    tensors: dict[str, NDArray[Any] | bytes] = {
        "lender": bytes(range(100)),
        "zipped": b"z" * 9,
        "floats": np.zeros(3, np.float32),
        "m": packed,
    }
    raw = b"".join(bundle_pieces("embedder", "e", {}, tensors, deflate=["zipped"]))
    length = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8 : 8 + length])
    table = {name: entry for name, entry in header.items() if name != "__metadata__"}
    manifest = json.loads(header["__metadata__"]["edgewise"])
    manifest |= {"borrowed": {"m": "lender"} if borrowed is None else borrowed} | entries
    text = json.dumps(manifest)
    lines = [text]
    for name, entry in table.items():
        begin, end = entry["data_offsets"]
        lines.append(f"{name}\t{entry['dtype']}\t{entry['shape'][0]}\t{begin}\t{end}")
    digest = hashlib.sha256(("\n".join(lines) + "\n").encode()).hexdigest()
    header["__metadata__"] = {"edgewise": text, "edgewise.sha256": digest}
    encoded = json.dumps(header).encode()
    encoded += b" " * (-(8 + len(encoded)) % 64)
    return len(encoded).to_bytes(8, "little") + encoded + raw[8 + length :]


def rows(*table: tuple[int, ...], rest: bytes = b"", count: int | None = None) -> bytes:
    numbers = [len(table) if count is None else count, *(field for row in table for field in row)]
    return np.array(numbers, "<u4").tobytes() + rest


LARGE = 2**32 - 1
HOSTILE = {
    "nothing": (b"", "cut short"),
    "a count without loans": (rows(count=3), "cut short"),
    "an enormous count": (rows(count=LARGE), "cut short"),
    "no outputs": (rows((0, 0, 0, 1, 1, 1)), "borrows nothing"),
    "numbers of no bytes": (rows((0, 0, 1, 1, 1, 0)), "borrows nothing"),
    "beyond the lender": (rows((0, 0, 101, 1, 1, 1)), "what is not there"),
    "from its end": (rows((0, 97, 1, 1, 1, 4)), "what is not there"),
    "from afar": (rows((0, LARGE, 1, 1, 1, 1)), "what is not there"),
    "a product beyond 64 bits": (rows((0, 0, LARGE, LARGE, LARGE, 4)), "what is not there"),
    "outside": (rows((5, 0, 1, 1, 1, 1), rest=b"1234"), "lies outside"),
    "overlapping": (rows((0, 0, 2, 1, 1, 1), (1, 0, 1, 1, 1, 1), rest=b"1"), "overlaps another"),
    "more than any model": (
        rows(*[(0, 0, 100, 1, 1, 1)] * 2_700_000),
        "more than the 268435456 bytes",
    ),
    "another thing": (rows((0, 0, 1, 1, 1, 1)), "does not match its sha256"),
}


HOSTILE_SCALED = {
    "a row cut short": (np.array([1, 0, 0, 1, 1, 1, 1], "<u4").tobytes(), "cut short"),
    "scales from afar": (rows((0, 0, 1, 1, 1, 1, LARGE)), "by what is not there"),
    "scales beyond the lender": (rows((0, 0, 1, 1, 1, 1, 97)), "by what is not there"),
    "too few scales": (rows((0, 0, 25, 1, 1, 1, 1)), "by what is not there"),
    "scaled floats": (rows((0, 0, 1, 1, 1, 4, 8)), "scales what is not of 8 bits"),
    "beyond the lender": (rows((0, 0, 1, 101, 1, 1, 8)), "borrows nothing, or what is not"),
    "a product beyond 64 bits": (rows((0, 0, LARGE, LARGE, LARGE, 1, 8)), "what is not there"),
    "overlapping": (rows((0, 0, 1, 2, 1, 1, 8), (7, 0, 1, 1, 1, 1, 8)), "overlaps another"),
    "four times as much as any model": (
        rows(*[(0, 0, 1, 100, 1, 1, 8)] * 700_000),
        "more than the 268435456 bytes",
    ),
    "another thing": (rows((0, 0, 1, 1, 1, 1, 8)), "does not match its sha256"),
}


@pytest.mark.parametrize(
    ("version", "name"),
    [*((2, name) for name in HOSTILE), *((3, name) for name in HOSTILE_SCALED)],
)
def test_what_cannot_be_put_together_is_one_clear_error(version: int, name: str) -> None:
    packed, cause = (HOSTILE if version == 2 else HOSTILE_SCALED)[name]
    bundle = Bundle.from_bytes(forged(packed, format_version=version), name="b.safetensors")
    for _ in range(2):
        with pytest.raises(BundleError, match=rf"^b\.safetensors: .*'m'.*{cause}"):
            bundle.blob("m")
    with pytest.raises(BundleError):
        bundle.verify()


def test_the_forger_forges_good_bundles() -> None:
    whole = bytes(range(8)) + b"end"
    hashes = {
        "lender": hashlib.sha256(bytes(range(100))).hexdigest(),
        "m": hashlib.sha256(whole).hexdigest(),
    }
    plain = Bundle.from_bytes(forged(b"", {}))
    packed = rows((0, 0, 2, 1, 4, 1), rest=b"end")
    raw = forged(packed, sha256=plain.manifest["sha256"] | hashes)
    assert Bundle.from_bytes(raw).blob("m") == whole
    lent = (np.array([3, 4], np.int8) * np.frombuffer(bytes(range(8, 16)), "<f4")).tobytes()
    hashes["m"] = hashlib.sha256(lent + b"end").hexdigest()
    packed = rows((0, 3, 2, 1, 1, 1, 8), rest=b"end")
    raw = forged(packed, sha256=plain.manifest["sha256"] | hashes, format_version=3)
    assert Bundle.from_bytes(raw).blob("m") == lent + b"end"


MANIFESTS: dict[str, tuple[Any, str]] = {
    "no object": (["m"], "'borrowed' is not an object"),
    "no such tensor": ({"ghost": "lender"}, 'cannot borrow or lend: "ghost"'),
    "no such lender": ({"m": "ghost"}, 'of "ghost"'),
    "no name": ({"m": 3}, "of 3"),
    "itself": ({"m": "m"}, "cannot borrow or lend"),
    "a chain": ({"m": "lender", "lender": "floats"}, "cannot borrow or lend"),
    "a deflated lender": ({"m": "zipped"}, "cannot borrow or lend"),
    "a deflated borrower": ({"zipped": "lender"}, "cannot borrow or lend"),
    "no bytes": ({"floats": "lender"}, "cannot borrow or lend"),
}


@pytest.mark.parametrize("name", MANIFESTS)
def test_bad_manifests(name: str) -> None:
    borrowed, cause = MANIFESTS[name]
    with pytest.raises(BundleError, match=cause):
        Bundle.from_bytes(forged(b"", borrowed))


@pytest.mark.parametrize(
    ("borrower", "lender", "deflate"),
    [("m", "ghost", ()), ("ghost", "m", ()), ("m", "m", ()), ("m", "n", ("n",)), ("m", "n", "m")],
)
def test_the_writer_refuses_the_same(borrower: str, lender: str, deflate: tuple[str, ...]) -> None:
    tensors: dict[str, NDArray[Any] | bytes] = {"m": b"12", "n": b"3"}
    with pytest.raises(ArgumentError, match=f"'{borrower}' cannot borrow from '{lender}'"):
        bundle_pieces(
            "embedder", "e", {}, tensors, deflate, borrowed={borrower: Borrowed(lender, [])}
        )


def test_the_shipped_embedder_holds_its_weights_once() -> None:
    bundle = open_embedder("default")
    borrowed = bundle.manifest["borrowed"]
    assert bundle.manifest["format_version"] == 3
    assert set(borrowed) == {
        *("embedder.float32.tflite", "embedder.float32.onnx", "embedder.int8.onnx")
    }
    for name, lender in borrowed.items():
        assert lender == "embedder.int8.tflite"
        assert bundle.core.stored_bytes(name) < 0.05 * bundle.tensor(name).nbytes
        assert hashlib.sha256(bundle.blob(name)).hexdigest() == bundle.manifest["sha256"][name]


def test_it_is_read_from_a_file_too(tmp_path: Path) -> None:
    borrower, lender = files()
    path = tmp_path / "b.safetensors"
    path.write_bytes(pieces(borrower, lender, loans(borrower, lender, ARRAYS)))
    view = Bundle.open(path).tensor("m")  # which outlives its bundle's name
    assert view.tobytes() == borrower
    assert not view.flags.writeable
    assert view.ctypes.data % 64 == 0
