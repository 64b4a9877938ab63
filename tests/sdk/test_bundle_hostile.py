"""Bundles that are truncated, damaged or made to harm: each is one clear error, never a crash."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgewise import BundleError
from edgewise.bundle import Bundle, bundle_pieces

WEIGHTS = np.arange(6, dtype=np.float32)
OTHERS = np.arange(3, dtype=np.uint8)


def good() -> bytes:
    tensors: dict[str, NDArray[Any] | bytes] = {"weights": WEIGHTS, "others": OTHERS}
    return b"".join(bundle_pieces("latency", "small", {"seed": 7}, tensors))


def refused(raw: bytes, message: str | None = None) -> str:
    """The message of the one error that opening and checking `raw` must give."""
    with pytest.raises(BundleError, match=message) as caught:
        Bundle.from_bytes(raw, name="file.safetensors").verify()
    assert str(caught.value).startswith("file.safetensors: ")
    assert "\n" not in str(caught.value)
    return str(caught.value)


# Whole files with one thing wrong. `forge` writes any header with a digest that matches it, so that
# the check meant is the one that answers.


def digest(manifest: str, header: dict[str, Any]) -> str:
    lines = [manifest]
    for name, entry in header.items():
        try:
            begin, end = entry["data_offsets"]
            shape = ",".join(map(str, entry["shape"]))
            lines.append(f"{name}\t{entry['dtype']}\t{shape}\t{begin}\t{end}")
        except (KeyError, TypeError, ValueError):
            continue  # so wrong that the reader must stop before it needs a digest
    return hashlib.sha256(("\n".join(lines) + "\n").encode()).hexdigest()


def entry(dtype: Any, shape: Any, begin: Any, end: Any) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def tensors() -> dict[str, Any]:
    return {
        "weights": entry("F32", [6], 0, 24),
        "_pad.24": entry("U8", [40], 24, 64),
        "others": entry("U8", [3], 64, 67),
    }


def manifest() -> dict[str, Any]:
    return {
        "format_version": 1,
        "kind": "latency",
        "name": "small",
        "sha256": {
            "weights": hashlib.sha256(WEIGHTS.tobytes()).hexdigest(),
            "others": hashlib.sha256(OTHERS.tobytes()).hexdigest(),
        },
    }


DATA = WEIGHTS.tobytes() + bytes(40) + OTHERS.tobytes()


def frame(header: str, data: bytes = DATA) -> bytes:
    text = header.encode()
    text += b" " * (-(8 + len(text)) % 64)
    return len(text).to_bytes(8, "little") + text + data


def forge(
    change: Callable[[dict[str, Any], dict[str, Any]], object] = lambda _manifest, _table: None,
    data: bytes = DATA,
) -> bytes:
    """A bundle after `change` of its manifest and its table of tensors."""
    changed, table = manifest(), tensors()
    change(changed, table)
    text = json.dumps(changed)
    metadata = {"edgewise": text, "edgewise.sha256": digest(text, table)}
    return frame(json.dumps({"__metadata__": metadata, **table}), data)


def test_the_forger_forges_good_bundles() -> None:
    """Or the tests below would pass for the wrong reason."""
    bundle = Bundle.from_bytes(forge())
    bundle.verify()
    np.testing.assert_array_equal(bundle.tensor("weights"), WEIGHTS)


def test_every_truncation() -> None:
    raw = good()
    for length in range(len(raw)):
        refused(raw[:length])


def test_a_truncated_file_on_disk(tmp_path: Path) -> None:
    raw = good()
    header = 8 + int.from_bytes(raw[:8], "little")
    path = tmp_path / "cut.safetensors"
    for length in (0, 1, 7, 8, 9, header - 1, header, header + 1, header + 24, len(raw) - 1):
        path.write_bytes(raw[:length])
        with pytest.raises(BundleError, match=r"cut.safetensors: (truncated|the file is empty)"):
            Bundle.open(path)


@pytest.mark.parametrize("flip", [0x01, 0x20, 0x29, 0x80, 0xFF], ids=hex)
def test_every_byte_flipped(flip: int) -> None:
    """0x29 turns a space into a tab, which JSON would take as the same."""
    raw = bytearray(good())
    for position in range(len(raw)):
        raw[position] ^= flip
        refused(bytes(raw))
        raw[position] ^= flip


def test_bytes_after_the_end() -> None:
    refused(good() + b"\0", "1 bytes follow the last tensor")


@pytest.mark.parametrize("seed", range(4))
def test_noise(seed: int) -> None:
    random = np.random.default_rng(seed)
    for _ in range(300):
        refused(random.bytes(int(random.integers(0, 200))))
    for _ in range(300):  # a plausible length, so that the noise is read as a header
        text = b"{" + random.bytes(55)
        refused(len(text).to_bytes(8, "little") + text)


@pytest.mark.parametrize("length", [2**64 - 1, 2**63, 2**32, 1 << 30, (16 << 20) + 1])
def test_a_huge_header_length(length: int) -> None:
    refused(length.to_bytes(8, "little") + good()[8:], "not a bundle: its first 8 bytes")


HEADERS = {
    "not JSON": (frame("{nonsense}"), "not valid JSON"),
    "empty": ((0).to_bytes(8, "little") + bytes(56), "no JSON header"),
    "a list": (frame("[1, 2]"), "no JSON header"),
    "spaces": (frame("   "), "no JSON header"),
    "two objects": (frame("{}{}"), "not valid JSON"),
    "does not end": (frame('{"a":1'), "does not end with its JSON object"),
    "deep": (frame('{"a":' * 5000 + "1" + "}" * 5000), "nested too deeply"),
    "bad UTF-8": (
        (56).to_bytes(8, "little") + b'{"\xff\xfe": 1}'.ljust(56) + DATA,
        "not valid JSON",
    ),
    "no metadata": (frame("{}"), "no edgewise manifest"),
    "metadata is a list": (frame('{"__metadata__":[]}'), "no edgewise manifest"),
    "another program's": (frame('{"__metadata__":{"format":"pt"}}'), "no edgewise manifest"),
    "manifest is no string": (frame('{"__metadata__":{"edgewise":1}}'), "no 'edgewise' string"),
    "manifest is not JSON": (
        frame('{"__metadata__":{"edgewise":"hello"}}'),
        "the manifest is not valid JSON",
    ),
    "manifest is a list": (
        frame('{"__metadata__":{"edgewise":"[]"}}'),
        "the manifest is not a JSON object",
    ),
    "a key twice": (frame('{"__metadata__":{},"__metadata__":{}}'), "has '__metadata__' twice"),
    "manifest has a key twice": (
        frame(json.dumps({"__metadata__": {"edgewise": '{"kind":"a","kind":"b"}'}})),
        "the manifest has 'kind' twice",
    ),
}


@pytest.mark.parametrize("name", HEADERS)
def test_bad_headers(name: str) -> None:
    refused(*HEADERS[name])


def test_an_unaligned_header() -> None:
    raw = forge()
    length = int.from_bytes(raw[:8], "little")
    odd = (length + 1).to_bytes(8, "little") + raw[8 : 8 + length] + b" " + raw[8 + length :]
    refused(odd, "data does not start at a multiple of 64")


MANIFESTS: dict[str, tuple[dict[str, Any], str]] = {
    "newer": ({"format_version": 4}, r"newer edgewise \(bundle format 4.* upgrade edgewise"),
    "version 0": ({"format_version": 0}, "format 0 does not exist"),
    "version is text": ({"format_version": "1"}, "no 'format_version' number"),
    "version is negative": ({"format_version": -1}, "no 'format_version' number"),
    "version is 1.5": ({"format_version": 1.5}, "no 'format_version' number"),
    "version is vast": ({"format_version": 2**64}, "no 'format_version' number"),
    "kind is a number": ({"kind": 3}, "the manifest has no 'kind' string"),
    "name is null": ({"name": None}, "the manifest has no 'name' string"),
    "no hashes": ({"sha256": None}, "no 'sha256' object"),
    "a hash missing": ({"sha256": {}}, "no sha256 of tensor"),
    "a hash is a number": ({"sha256": {"weights": 1, "others": 2}}, "no sha256 of tensor"),
    "a wrong hash": (
        {"sha256": {"weights": "0" * 64, "others": "0" * 64}},
        "damaged: tensor .* does not match its sha256",
    ),
    "a hash too many": (
        {"sha256": manifest()["sha256"] | {"ghost": "0" * 64}},
        "'ghost' has a sha256, but is not in the file",
    ),
    "deflated is text": ({"deflated": "weights"}, "'deflated' is not a list"),
    "deflated is unknown": ({"deflated": ["ghost"]}, 'not a tensor: "ghost"'),
    "deflated is a number": ({"deflated": [3]}, "not a tensor: 3"),
}


@pytest.mark.parametrize("name", MANIFESTS)
def test_bad_manifests(name: str) -> None:
    changes, message = MANIFESTS[name]
    refused(forge(lambda changed, _: changed.update(changes)), message)


@pytest.mark.parametrize("key", ["format_version", "kind", "name", "sha256"])
def test_a_manifest_that_lacks(key: str) -> None:
    refused(forge(lambda changed, _: changed.pop(key)), key)


def test_a_newer_format_is_reported_as_that_whatever_else_changed() -> None:
    def change(changed: dict[str, Any], table: dict[str, Any]) -> None:
        changed.clear()
        changed["format_version"] = 7
        table["weights"] = {"codec": "unheard of"}

    refused(forge(change), "newer edgewise")


BIG = 2**64
TABLES: dict[str, tuple[dict[str, Any], str]] = {
    "overlap": ({"others": entry("U8", [3], 63, 66)}, "overlaps the tensor before it"),
    "the same bytes twice": ({"twin": entry("F32", [6], 0, 24)}, "overlaps the tensor before it"),
    "a hole": ({"_pad.24": entry("U8", [39], 25, 64)}, "a hole in the data"),
    "past the end": ({"others": entry("U8", [3], 65, 68)}, "ends at byte 68"),
    "far past the end": ({"others": entry("U8", [3], 2**40, 2**40 + 3)}, "truncated, or damaged"),
    "past all": ({"others": entry("U8", [3], BIG - 4, BIG - 1)}, "truncated, or damaged"),
    "too large a number": ({"others": entry("U8", [3], BIG, BIG + 3)}, "not a whole number"),
    "backwards": ({"others": entry("U8", [3], 67, 64)}, "ends before it begins"),
    "negative": ({"others": entry("U8", [3], -3, 0)}, "not a whole number"),
    "a float": ({"others": entry("U8", [3], 64.0, 67.0)}, "not a whole number"),
    "true": ({"others": entry("U8", [3], True, 67)}, "not a whole number"),
    "one offset": ({"others": entry("U8", [3], 64, 67) | {"data_offsets": [64]}}, "no 'data_off"),
    "shape too small": ({"weights": entry("F32", [5], 0, 24)}, "do not|does not|not give"),
    "shape overflows": ({"weights": entry("F32", [2**62, 4, 6], 0, 24)}, "not give"),
    "shape wraps to it": ({"weights": entry("U8", [2**32, 2**32, 24], 0, 24)}, "not give"),
    "shape negative": ({"weights": entry("F32", [-6], 0, 24)}, "not a whole number"),
    "shape is a number": ({"weights": entry("F32", 6, 0, 24)}, "no 'shape' list"),
    "shape is deep": ({"weights": entry("F32", [[6]], 0, 24)}, "not a whole number"),
    "shape is long": ({"weights": entry("F32", [1] * 33, 0, 24)}, "too many dimensions"),
    "unknown dtype": ({"weights": entry("F31", [6], 0, 24)}, "unknown dtype 'F31'"),
    "dtype not held": ({"weights": entry("BF16", [12], 0, 24)}, "unknown dtype 'BF16'"),
    "dtype is a number": ({"weights": entry(32, [6], 0, 24)}, "no 'dtype' string"),
    "no dtype": ({"weights": {"shape": [6], "data_offsets": [0, 24]}}, "dtype, shape and"),
    "a fourth key": ({"weights": entry("F32", [6], 0, 24) | {"x": 1}}, "dtype, shape and"),
    "an entry is a list": ({"weights": [1, 2, 3]}, "dtype, shape and"),
    "padding of floats": ({"_pad.24": entry("F32", [10], 24, 64)}, "is padding"),
}


@pytest.mark.parametrize("name", TABLES)
def test_bad_tables(name: str) -> None:
    changes, message = TABLES[name]
    refused(forge(lambda _, table: table.update(changes)), message)


def test_unaligned_tensors() -> None:
    def change(_: dict[str, Any], table: dict[str, Any]) -> None:
        del table["_pad.24"]
        table["others"] = entry("U8", [3], 24, 27)

    refused(forge(change, WEIGHTS.tobytes() + OTHERS.tobytes()), "'others' does not start at")


def test_padding_that_carries_something() -> None:
    refused(forge(data=WEIGHTS.tobytes() + b"x" * 40 + OTHERS.tobytes()), "'_pad.24' is padding")


def test_padding_without_end() -> None:
    def change(_: dict[str, Any], table: dict[str, Any]) -> None:
        table["_pad.24"] = entry("U8", [104], 24, 128)
        table["others"] = entry("U8", [3], 128, 131)

    raw = forge(change, WEIGHTS.tobytes() + bytes(104) + OTHERS.tobytes())
    refused(raw, "'_pad.24' is padding")


def test_a_header_changed_without_its_digest() -> None:
    raw = forge().replace(b'"F32"', b'"I32"')
    refused(raw, "damaged: the header does not match its sha256")


def test_a_tensor_is_checked_when_first_used_and_others_stay_usable() -> None:
    raw = bytearray(good())
    raw[-1] ^= 1
    bundle = Bundle.from_bytes(bytes(raw), name="file")
    np.testing.assert_array_equal(bundle.tensor("weights"), WEIGHTS)
    for ask in (bundle.tensor, bundle.blob):
        with pytest.raises(BundleError, match=r"^file: damaged: tensor 'others' does not match"):
            ask("others")


@pytest.mark.parametrize("kind", ["profile", "embedder"])
def test_the_wrong_kind(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "wrong.safetensors"
    path.write_bytes(good())
    with pytest.raises(
        BundleError, match=rf"wrong.safetensors: a bundle of kind 'latency', but '{kind}' is needed"
    ):
        Bundle.open(path, kind=kind)


def test_what_is_not_a_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    cases = {
        tmp_path / "absent": "cannot be read: No such file",
        tmp_path: "cannot be read: Is a directory",
        tmp_path / "pipe": "not a regular file",
    }
    for path, message in cases.items():
        with pytest.raises(BundleError, match=message):
            Bundle.open(path)


def test_safetensors_of_another_program(tmp_path: Path) -> None:
    safetensors_numpy = pytest.importorskip("safetensors.numpy")
    path = tmp_path / "plain.safetensors"
    safetensors_numpy.save_file({"w": WEIGHTS}, path, {"format": "np"})
    with pytest.raises(BundleError, match=r"plain.safetensors: no edgewise manifest"):
        Bundle.open(path)
