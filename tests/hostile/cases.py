"""The hostile files: by kind and name, what each holds. Made in code, so that each can be read."""

from __future__ import annotations

import functools
import hashlib
import json
import zlib
from collections.abc import Callable, Iterator

import numpy as np

from edgewise.bundle import bundle_pieces

from ..sdk import onnx_by_hand as onnx
from ..sdk.test_bundle_hostile import frame
from .forge import (
    Change,
    Manifest,
    Tensors,
    bomb,
    deep,
    drop,
    forged,
    poke,
    put,
    sealed,
    stored_deflated,
    swap,
)

Case = tuple[str, Callable[[], bytes]]
NAN, INF = float("nan"), float("inf")
VAST = (1 << 32) - 1


def changed(file: str, cases: dict[str, Change]) -> list[Case]:
    """A case for each change of a good file."""
    return [(name, functools.partial(forged, file, change)) for name, change in cases.items()]


def bundles() -> list[Case]:
    """What is no bundle, or one made to harm; much more of it is in tests/sdk."""
    entry = '{"dtype":"U8","shape":[%s],"data_offsets":[0,%s]}'
    cut = np.array([1, 0, VAST, VAST, VAST, 0], "<u4").tobytes()
    many = np.array([VAST], "<u4").tobytes()
    return [
        ("empty", lambda: b""),
        ("a header of 2^63 bytes", lambda: (1 << 63).to_bytes(8, "little") + b"{}"),
        ("deep JSON", lambda: frame('{"__metadata__":' + "[" * 100_000 + "]" * 100_000 + "}")),
        ("a deep manifest", lambda: b"".join(bundle_pieces("zoo", "z", {"a": deep(300)}, {}))),
        ("a vast shape", lambda: frame('{"w":' + entry % (1 << 60, 1 << 60) + "}")),
        ("a shape that wraps", lambda: frame('{"w":' + entry % (f"{1 << 32},{1 << 32}", 0) + "}")),
        ("many tensors of nothing", _many_tensors),
        ("a deflate bomb", lambda: stored_deflated(bomb(300))),
        ("a deflate stream cut short", lambda: stored_deflated(zlib.compress(b"x" * 999)[:-5])),
        ("no deflate stream", lambda: stored_deflated(b"x" * 999)),
        ("vast weights", lambda: stored_deflated(zlib.compress(cut), patterned=["model"])),
        ("vastly many weights", lambda: stored_deflated(zlib.compress(many), patterned=["model"])),
        ("vastly many loans", lambda: sealed({"b": many, "l": many}, borrowed={"b": "l"})),
        ("a vast loan", lambda: sealed({"b": loans(1, VAST), "l": many}, borrowed={"b": "l"})),
        ("many that borrow much", _much_borrowed),
        ("many that borrow and scale much", _much_scaled),
        ("many that borrow", _many_borrow),
    ]


def _much_borrowed() -> bytes:
    """Three times a hundred megabytes out of seven thousand bytes and a lender of one megabyte."""
    piece = 1 << 20
    whole = hashlib.sha256(bytes(100 * piece)).hexdigest()
    names = ("a", "b", "c")
    tensors = {name: loans(100, piece) for name in names} | {"l": bytes(piece)}
    hashes = dict.fromkeys(names, whole)
    return sealed(tensors, sha256=hashes, borrowed=dict.fromkeys(names, "l"))


def _much_scaled() -> bytes:
    """Four times what a lender has, again and again: too much only once it is scaled."""
    piece = 1 << 20
    rows = [(at * 4 * piece, 0, 1, piece, 1, 1, 64) for at in range(100)]
    table = np.array([len(rows), *np.ravel(rows)], "<u4").tobytes()
    return sealed({"b": table, "l": bytes(piece)}, format_version=3, borrowed={"b": "l"})


def _many_borrow() -> bytes:
    """Found by name in linear time, or this takes a minute."""
    names = [f"b{at}" for at in range(15_000)]
    tensors = dict.fromkeys(names, b"") | {"l": b"x"}
    return sealed(tensors, borrowed=dict.fromkeys(names, "l"))


def loans(count: int, size: int) -> bytes:
    """What is stored of a tensor that borrows the beginning of its lender again and again."""
    rows = [(at * size, 0, 1, size, 1, 1) for at in range(count)]
    return np.array([count, *np.ravel(rows)], np.uint64).astype("<u4").tobytes()


def _many_tensors() -> bytes:
    table = ",".join(
        f'"{at}":{{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}' for at in range(20_000)
    )
    return frame("{" + table + "}", b"")


def profiles() -> list[Case]:
    """Devices whose timings, networks or bundle cannot be."""
    long = ["|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"] * 100_000
    cases: dict[str, Change] = {
        **{f"a timing of {value}": poke("ms", 0, value) for value in (NAN, INF, -INF, 0, -1)},
        **{f"timings of {value}": swap("ms", np.full(12, value)) for value in (1e308, 5e-324)},
        "features of NaN": poke("features", (0, 0), NAN),
        "features of infinity": poke("features", (0, 0), INF),
        "negative features": poke("features", (0, 0), -1e300),
        "no timings": drop("ms"),
        "no names": drop("architectures"),
        "names are a number": put("", "architectures", 7),
        "names are numbers": put("", "architectures", list(range(11))),
        "vastly many names": put("", "architectures", long),
        "info is a list": put("", "info", [1]),
        "info of another version": put("info", "edgewise", "99.0.0"),
        "info of no version": put("info", "edgewise", None),
        "an unknown space": put("", "space", "../../etc/passwd"),
        "another space": put("", "space", "ofa"),
        "an unknown predictor": put("", "predictor", "os.system"),
        "a predictor that the bundle lacks": put("", "predictor", "help"),
        "the bundle is a string": put("", "bundle", "nasbench201"),
        "another bundle": put("bundle", "fingerprint", "0" * 16),
        "a matrix of timings": swap("ms", np.ones((3, 4))),
        "text instead of timings": swap("ms", b"x" * 96),
    }
    return changed("device.profile", cases)


def classifiers() -> list[Case]:
    """Classes that cannot be, or of a network that is not there."""
    cases: dict[str, Change] = {
        **{f"a sum of {value}": poke("sums", (0, 0), value) for value in (NAN, INF, -INF)},
        "no examples": poke("examples", 0, 0),
        "fewer than no examples": poke("examples", 0, -(2**62)),
        "a label twice": put("", "labels", ["red", "red", "blue"]),
        "fewer labels": put("", "labels", ["red"]),
        "labels are a number": put("", "labels", 3),
        "sums of no numbers": swap("sums", np.zeros((3, 0))),
        "sums of another dimension": swap("sums", np.ones((3, 17))),
        "sums are a vector": swap("sums", np.ones(48)),
        "sums are text": swap("sums", b"x" * 48),
        "an unknown head": put("", "head", "../head"),
        "a head that the bundle lacks": put("", "head", "relation"),
        "an unknown metric": put("", "metric", "manhattan"),
        "an endless metric": put("", "metric", "x" * 100_000),
        "an unknown precision": put("", "precision", "float1"),
        "another embedder": put("embedder", "fingerprint", "f" * 16),
        "no embedder": drop("embedder"),
    }
    return changed("things.classifier", cases)


def embedders() -> list[Case]:
    """Embedders whose sizes, constants or networks cannot be."""
    cases: dict[str, Change] = {
        "no dimension": put("embedder", "dim", 0),
        "a vast dimension": put("embedder", "dim", 10**30),
        "a dimension of text": put("embedder", "dim", "1e999"),
        "pictures of a number": put("embedder", "image", 8),
        "pictures of text": put("embedder", "image", ["8", "x", "3"]),
        "vast pictures": put("embedder", "image", [10**9, 10**9, 3]),
        "pictures of two sizes": put("embedder", "image", [8, 8]),
        "an unknown metric": put("embedder", "metric", ["cosine"]),
        "a temperature of text": put("embedder", "temperature", "hot"),
        "a temperature of nothing": put("embedder", "temperature", 0),
        "no threshold": put("embedder", "unknown", {}),
        "a list of thresholds": put("embedder", "unknown", [1, 2]),
        "an unknown rule": put("embedder.unknown", "rule", "eval"),
        "weights of nothing": put("embedder", "weights", None),
        "weights unheard of": put("embedder", "weights", ["../../x", 7]),
        "nothing of it": put("", "embedder", None),
        "another dimension": put("embedder", "dim", 17),
        "a network of noise": swap("embedder.float32.onnx", b"no network" * 50),
    }
    return [*changed("embedder.safetensors", cases), *backgrounds()]


def backgrounds() -> list[Case]:
    """Embedders whose background cannot be, or not with them."""
    rule = "embedder.unknown"
    cases: dict[str, Change] = {
        **{
            f"a share of {value}": put(rule, "share", value)
            for value in (1, -0.1, 1e300, "x", "0.9", False, None)
        },
        **{
            f"the nearest {count}": put(rule, "nearest", count)
            for count in (0, -1, 7, 10**30, 2.5, "3", None, True)
        },
        "no share and no nearest": put(
            "embedder", "unknown", {"rule": "background", "threshold": 0}
        ),
        "no background": drop("background"),
        "no scales of a background": drop("background.scale"),
        **{
            f"a background of {value}": poke("background.scale", 1, value)
            for value in (NAN, INF, 0, -0.01, 1e30)
        },
        "a background of nothing": swap("background", np.zeros((6, 16), np.int8)),
        "a background without rows": _no_background,
        "a background of another dimension": swap("background", np.ones((6, 17), np.int8)),
        "a background of one axis": swap("background", np.ones(96, np.int8)),
        "a background of no axis": swap("background", np.array(1, np.int8)),
        "a background of floats": swap("background", np.ones((6, 16), np.float32)),
        "a background of text": swap("background", b"x" * 96),
        "fewer scales": swap("background.scale", np.ones(5, np.float32)),
        "scales in double precision": swap("background.scale", np.ones(6)),
        "distances beside a background": put("embedder", "metric", "euclidean"),
        "a metric of two lines": put("embedder", "metric", "cosine\n"),
    }
    return changed("background.safetensors", cases)


def _no_background(_: Manifest, tensors: Tensors) -> None:
    """Rows and scales agree that there is nothing."""
    tensors["background"] = tensors["background"][:0]
    tensors["background.scale"] = tensors["background.scale"][:0]


def zoos() -> list[Case]:
    """Zoos whose numbers, networks or index cannot be."""
    holes = np.array([2, 0, 0, 0, 5, 1, 0], "<u4").tobytes()
    cases: dict[str, Change] = {
        "a vast dimension": put("zoo.embedder", "dim", 10**12),
        "a vaster dimension": put("zoo.embedder", "dim", 10**30),
        "no dimension": put("zoo", "dim", 0),
        "ranks none": put("zoo", "nearest", 0),
        "unknown statistics": put("zoo", "statistics", ["__import__"]),
        "columns unheard of": put("zoo", "network_columns", ["x"]),
        "ranks more than a number holds": put("zoo", "nearest", 10**30),
        "no entries": drop("entries"),
        "entries are a number": put("", "entries", 9),
        "no networks": _no_networks,
        "two of one name": put("entries.1", "name", "filled"),
        "classes of nothing": _no_classes,
        "pictures of no size": put("entries.0", "image", [0, 0, 3]),
        "pictures of vast size": put("entries.0", "image", [10**9, 10**9, 3]),
        "vast features": put("entries.0", "features", 10**12),
        "a model that is not there": put("entries.0", "model", 77),
        "a negative model": put("entries.0", "model", -1),
        "parameters are a list": put("entries.0", "parameters", [1]),
        "parameters beyond all": put("entries.0", "parameters", "1e999"),
        "an index of zeros and NaN": poke("index.scale", 0, NAN),
        "an infinite index": poke("index.scale", 1, INF),
        **{
            f"kernels of {value}": poke("kernels", (0, 3), value) for value in (NAN, INF, -1, 1e300)
        },
        "a query of NaN": poke("query.0.weight", (0, 0), NAN),
        "a performance of NaN": poke("performance.0.bias", 0, NAN),
        "an index too short": swap("index", np.ones((1, 4), np.int8)),
        "layers beyond all": swap("layers.0000", np.full((1, 3), VAST, np.uint32)),
        "layers of floats": swap("layers.0000", np.ones((1, 3))),
        "weights cut short": swap("weights.0000", np.ones(5, np.int8)),
        "a skeleton cut short": swap("model.0000.onnx", b"\xff\xff\xff\xff"),
        "a skeleton of overlaps": swap("model.0000.onnx", holes),
        "a skeleton of noise": swap("model.0000.onnx", bytes(8)),
        "a head of NaN": poke("head.0000", (0, 0), NAN),
        "no head": drop("head.0001"),
        "a network of noise": swap("whole.0001.onnx", b"no network"),
        "a network of nothing": swap("whole.0001.onnx", b""),
        "temperature of nothing": put("zoo", "temperature", 0),
    }
    return changed("zoo.safetensors", cases)


def _no_networks(manifest: Manifest, tensors: Tensors) -> None:
    """All that counts them agrees that there are none."""
    manifest["entries"] = []
    for name in ("index", "index.scale", "kernels"):
        tensors[name] = tensors[name][:0]


def _no_classes(manifest: Manifest, tensors: Tensors) -> None:
    """A network and its head agree that there is nothing to tell apart."""
    manifest["entries"][0]["labels"] = []
    tensors["head.0000"] = tensors["head.0000"][:0]


def priors() -> list[Case]:
    """Latency bundles whose prior or references cannot be."""
    cases: dict[str, Change] = {
        **{f"a mean of {value}": poke("edgewise.mean", (0, 0), value) for value in (NAN, INF)},
        "means of 1e308": swap("edgewise.mean", np.full((9, 25), 1e308)),
        "a negative variance": poke("edgewise.own_variance", (0, 0), -1),
        "no noise": poke("edgewise.noise", 0, 0),
        "noise beyond all": swap("edgewise.noise", np.full(7, 1e308)),
        "another shape": swap("edgewise.factors", np.ones(3)),
        "single precision": swap("edgewise.mean", np.ones((9, 25), np.float32)),
        "no mean": drop("edgewise.mean"),
        "references are a string": put("", "references", "x"),
        "references are numbers": put("", "references", list(range(12))),
        "references are none": put("", "references", ["no architecture"] * 12),
        "another space": put("", "space", "fbnet"),
        "no space": put("", "space", None),
    }
    return changed("latency.safetensors", cases)


def models() -> list[Case]:
    """Networks in files of their own."""
    return [
        ("cycle.onnx", lambda: _graph(onnx.node("Add", ["x", "y"], ["y"]))),
        ("vast.onnx", lambda: _graph(onnx.node("Relu", ["x"], ["y"]), shape=(1, 1 << 62, 8, 8))),
        ("negative.onnx", lambda: _graph(onnx.node("Relu", ["x"], ["y"]), shape=(1, -5, 8, 8))),
        ("deep.onnx", _nested),
        ("noise.onnx", lambda: np.random.default_rng(0).bytes(5000)),
        ("noise.tflite", lambda: b"\0\0\0\0TFL3" + np.random.default_rng(1).bytes(5000)),
        ("itself.tflite", lambda: b"\x08\0\0\0TFL3" + b"\x04\0\0\0" * 400),
        ("empty.tflite", lambda: b""),
        ("json.onnx", lambda: json.dumps({"graph": deep(50)}).encode()),
    ]


def _graph(node: bytes, shape: tuple[int, ...] = (1, 3, 8, 8)) -> bytes:
    return onnx.model([node], [onnx.info("x", shape)], [onnx.info("y", None)])


def _nested() -> bytes:
    """Messages in messages, as deep as a file of that size can be."""
    inner = b""
    for _ in range(3000):
        inner = onnx.message(1, onnx.message(5, onnx.message(6, inner)))
    return onnx.number(1, 8) + onnx.message(7, inner)


KINDS: dict[str, Callable[[], list[Case]]] = {
    "bundle": bundles,
    "profile": profiles,
    "classifier": classifiers,
    "embedder": embedders,
    "zoo": zoos,
    "prior": priors,
    "model": models,
}


def cases() -> Iterator[tuple[str, str, Callable[[], bytes]]]:
    """All: kind, name, and what makes it."""
    for kind, make in KINDS.items():
        for name, content in make():
            yield kind, name, content
