"""Bundles: what is written comes back, in edgewise and in the safetensors package."""

from __future__ import annotations

import gc
import hashlib
import json
import os
import subprocess
import sys
import threading
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgewise import ArgumentError, BundleError, StorageError
from edgewise.bundle import FORMAT_VERSION, Bundle, bundle_pieces, write_bundle

safetensors_numpy = pytest.importorskip("safetensors.numpy")
safetensors = pytest.importorskip("safetensors")

DTYPES = ["?", "u1", "i1", "u2", "i2", "f2", "u4", "i4", "f4", "u8", "i8", "f8"]


def example() -> dict[str, NDArray[Any] | bytes]:
    """Every dtype, and the shapes that trip writers: scalar, empty, strided, big-endian."""
    random = np.random.default_rng(3)
    tensors: dict[str, NDArray[Any] | bytes] = {
        f"dtype.{name}": random.integers(0, 2, (3, 5)).astype(name) for name in DTYPES
    }
    tensors["scalar"] = np.array(2.5, np.float32)
    tensors["empty"] = np.zeros((0, 7), np.float64)
    tensors["strided"] = np.arange(24, dtype=np.int32).reshape(4, 6)[::2, ::3]
    tensors["fortran"] = np.asfortranarray(np.arange(12, dtype=np.float64).reshape(3, 4))
    tensors["big endian"] = np.arange(5, dtype=">f4")
    tensors["model.tflite"] = b"TFL3" + bytes(range(256))
    tensors["reference"] = b"\0" * 100_000
    return tensors


def write_example(path: Path, **changes: Any) -> Path:
    arguments: dict[str, Any] = {
        "kind": "latency",
        "name": "exämple",
        "manifest": {"seed": 7, "trained_on": ["pixel3", "raspi4"], "metrics": {"mape": 0.05}},
        "tensors": example(),
        "deflate": ["reference"],
    }
    write_bundle(path, **(arguments | changes))
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_example(tmp_path / "example.safetensors")


def as_array(value: NDArray[Any] | bytes) -> NDArray[Any]:
    return np.frombuffer(value, np.uint8) if isinstance(value, bytes) else value


def test_what_is_written_comes_back(path: Path) -> None:
    bundle = Bundle.open(path, kind="latency")
    assert bundle.names() == list(example())
    for name, expected in example().items():
        if name == "reference":
            continue
        actual = bundle.tensor(name)
        np.testing.assert_array_equal(actual, as_array(expected))
        assert actual.dtype == as_array(expected).dtype.newbyteorder("<")
        assert actual.shape == as_array(expected).shape
    assert bundle.blob("model.tflite") == example()["model.tflite"]
    assert bundle.blob("reference") == example()["reference"]
    assert bundle.tensor("reference").size < 1000, "it is stored deflated"
    bundle.verify()


def test_the_manifest(path: Path) -> None:
    bundle = Bundle.open(path)
    assert (bundle.kind, bundle.name, bundle.path) == ("latency", "exämple", str(path))
    assert bundle.manifest["format_version"] == 1 < FORMAT_VERSION
    assert bundle.manifest["seed"] == 7
    assert bundle.manifest["metrics"] == {"mape": 0.05}
    assert bundle.manifest["deflated"] == ["reference"]
    for name in bundle.names():
        digest = hashlib.sha256(bundle.tensor(name).tobytes()).hexdigest()
        assert bundle.manifest["sha256"][name] == digest


def test_safetensors_opens_it(path: Path) -> None:
    loaded = safetensors_numpy.load_file(path)
    bundle = Bundle.open(path)
    padding = {name for name in loaded if name.startswith("_pad.")}
    assert set(loaded) - padding == set(bundle.names())
    for name in bundle.names():
        np.testing.assert_array_equal(loaded[name], bundle.tensor(name))
    with safetensors.safe_open(path, "numpy") as file:
        assert json.loads(file.metadata()["edgewise"]) == bundle.manifest


def test_every_tensor_is_aligned_in_the_file_and_in_memory(path: Path) -> None:
    raw = path.read_bytes()
    length = int.from_bytes(raw[:8], "little")
    assert (8 + length) % 64 == 0
    header = json.loads(raw[8 : 8 + length])
    for name, entry in header.items():
        if name != "__metadata__" and not name.startswith("_pad."):
            assert (8 + length + entry["data_offsets"][0]) % 64 == 0, name
    for bundle in (Bundle.open(path), Bundle.from_bytes(raw)):
        for name in bundle.names():
            assert bundle.tensor(name).ctypes.data % 64 == 0, name


def test_views_are_read_only_and_outlive_the_bundle(path: Path) -> None:
    view = Bundle.open(path).tensor("dtype.f8")
    gc.collect()
    expected = as_array(example()["dtype.f8"])
    np.testing.assert_array_equal(view, expected)
    with pytest.raises(ValueError, match="read-only"):
        view[0, 0] = 1.0
    with pytest.raises(ValueError, match="WRITEABLE"):
        view.setflags(write=True)


def test_views_do_not_copy(path: Path) -> None:
    bundle = Bundle.open(path)
    first, second = bundle.tensor("dtype.f4"), bundle.tensor("dtype.f4")
    assert np.shares_memory(first, second)


def test_from_memory(path: Path) -> None:
    raw = path.read_bytes()
    for data in (raw, bytearray(raw), memoryview(raw)):
        bundle = Bundle.from_bytes(data, name="attachment", kind="latency")
        assert bundle.path == "attachment"
        np.testing.assert_array_equal(bundle.tensor("dtype.i2"), as_array(example()["dtype.i2"]))


def test_the_same_content_gives_the_same_bytes(tmp_path: Path, path: Path) -> None:
    again = write_example(tmp_path / "again.safetensors")
    assert again.read_bytes() == path.read_bytes()


def test_an_open_bundle_survives_its_replacement(path: Path) -> None:
    bundle = Bundle.open(path)
    write_example(path, name="the next", tensors={"other": b"x"}, deflate=())
    np.testing.assert_array_equal(bundle.tensor("dtype.f4"), as_array(example()["dtype.f4"]))
    assert Bundle.open(path).name == "the next"


@pytest.mark.parametrize("name", ["naïve ✓.safetensors", os.fsdecode(b"not-utf8-\xff.safetensors")])
def test_any_file_name(tmp_path: Path, name: str) -> None:
    assert Bundle.open(write_example(tmp_path / name)).name == "exämple"
    (tmp_path / name).write_bytes(b"junk")
    with pytest.raises(BundleError, match="safetensors: truncated"):
        Bundle.open(tmp_path / name)


def test_many_threads(path: Path) -> None:
    bundle = Bundle.open(path)
    expected = {name: bundle.tensor(name).tobytes() for name in Bundle.open(path).names()}
    shared = Bundle.open(path)
    faults: list[str] = []

    def read() -> None:
        for name, data in expected.items():
            if shared.tensor(name).tobytes() != data:
                faults.append(name)

    threads = [threading.Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []


def test_a_bundle_of_no_tensors(tmp_path: Path) -> None:
    write_bundle(tmp_path / "b", kind="profile", name="bare", manifest={}, tensors={})
    bundle = Bundle.open(tmp_path / "b", kind="profile")
    assert bundle.names() == []
    bundle.verify()


def test_an_absent_tensor(path: Path) -> None:
    bundle = Bundle.open(path)
    assert "scalar" in bundle
    assert "absent" not in bundle
    assert "_pad.0" not in bundle
    for ask in (bundle.tensor, bundle.blob):
        with pytest.raises(BundleError, match=r"example.safetensors: has no tensor 'absent'"):
            ask("absent")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "zebra"}, "unknown kind of bundle 'zebra'; one of latency"),
        ({"manifest": {"sha256": {}}}, "'sha256' is written by edgewise itself"),
        ({"manifest": {"metrics": float("nan")}}, "manifest is not JSON"),
        ({"manifest": {"path": Path("x")}}, "manifest is not JSON"),
        ({"tensors": {"_pad.3": b""}, "deflate": ()}, "may not be named '_pad.3'"),
        ({"tensors": {"__metadata__": b""}, "deflate": ()}, "may not be named '__metadata__'"),
        ({"tensors": {"c": np.zeros(2, complex)}, "deflate": ()}, "'c' has the dtype complex128"),
        ({"tensors": {"o": np.array([None])}, "deflate": ()}, "'o' has the dtype object"),
        ({"deflate": ["absent"]}, "cannot deflate 'absent'"),
    ],
)
def test_what_cannot_be_written(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        write_example(tmp_path / "b.safetensors", **changes)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_absent(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"absent/b.safetensors: the folder does not exist"):
        write_example(tmp_path / "absent" / "b.safetensors")


def test_a_deflated_tensor_that_is_no_zlib_stream() -> None:
    for stream in (b"not zlib", zlib.compress(b"x" * 99)[:-3], zlib.compress(b"x") + b"more"):
        pieces = bundle_pieces("latency", "n", {}, {"t": stream})
        # Say that it is deflated, with the hashes put right: only the stream itself is wrong.
        raw = b"".join(pieces)
        forged = forge_manifest(raw, {"deflated": ["t"]})
        bundle = Bundle.from_bytes(forged, name="forged")
        with pytest.raises(BundleError, match=r"^forged: tensor 't' does not inflate"):
            bundle.blob("t")
        with pytest.raises(BundleError, match=r"^forged: tensor 't' does not inflate"):
            bundle.verify()


def test_a_small_stream_cannot_fill_the_memory() -> None:
    # 300 MiB of zeros deflate to little; the reader stops at its limit.
    deflater = zlib.compressobj(1)
    stream = b"".join(deflater.compress(bytes(1 << 20)) for _ in range(300)) + deflater.flush()
    raw = b"".join(bundle_pieces("latency", "n", {}, {"t": stream}))
    bundle = Bundle.from_bytes(forge_manifest(raw, {"deflated": ["t"]}), name="bomb")
    with pytest.raises(BundleError, match=r"^bomb: .* at most 268435456 bytes"):
        bundle.blob("t")


def forge_manifest(raw: bytes, changes: dict[str, Any]) -> bytes:
    """The bundle of one tensor "t" with its manifest changed and the header's digest put right."""
    length = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8 : 8 + length])
    manifest = json.dumps(json.loads(header["__metadata__"]["edgewise"]) | changes)
    end = header["t"]["data_offsets"][1]
    table = f"{manifest}\nt\tU8\t{end}\t0\t{end}\n"
    header["__metadata__"] = {
        "edgewise": manifest,
        "edgewise.sha256": hashlib.sha256(table.encode()).hexdigest(),
    }
    text = json.dumps(header).encode()
    text += b" " * (-(8 + len(text)) % 64)
    return len(text).to_bytes(8, "little") + text + raw[8 + length :]


def test_importing_edgewise_is_light() -> None:
    """Neither numpy nor anything heavier is imported before it is needed."""
    code = (
        "import sys, edgewise; "
        "print([m for m in ('numpy', 'torch', 'onnxruntime', 'ai_edge_litert', 'tqdm') "
        "if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
