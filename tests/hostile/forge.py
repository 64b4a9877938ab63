"""Files with something wrong in them, made from good ones; digests fit, so that it is found."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewise.bundle import Bundle, bundle_pieces

from ..sdk.test_bundle_hostile import digest, frame

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures"
GOOD = max(FIXTURES.glob("*/answers.json")).parent

Manifest = dict[str, Any]
Tensors = dict[str, Any]
Change = Callable[[Manifest, Tensors], object]

_OWN = ("format_version", "kind", "name", "sha256", "deflated", "patterned")
EMBEDDER, LATENCY = GOOD / "embedder.safetensors", GOOD / "latency.safetensors"


def forged(name: str, change: Change) -> bytes:
    """The good file of that name after a change of its manifest and its tensors."""
    bundle = Bundle.open(GOOD / name)
    manifest = {key: value for key, value in bundle.manifest.items() if key not in _OWN}
    deflated = bundle.manifest["deflated"]
    tensors: Tensors = {
        each: bundle.blob(each) if each in deflated else np.array(bundle.tensor(each))
        for each in bundle.names()
    }
    change(manifest, tensors)
    kept = [each for each in deflated if each in tensors]
    return b"".join(bundle_pieces(bundle.kind, bundle.name, manifest, tensors, kept))


def put(where: str, key: Any, value: Any) -> Change:
    """Sets a value of the manifest (`where` is empty or a path like `zoo.embedder`)."""

    def change(manifest: Manifest, _: Tensors) -> None:
        place: Any = manifest
        for step in filter(None, where.split(".")):
            place = place[int(step) if step.isdigit() else step]
        place[key] = value

    return change


def drop(key: str) -> Change:
    """Loses a key of the manifest, or a tensor."""

    def change(manifest: Manifest, tensors: Tensors) -> None:
        (manifest if key in manifest else tensors).pop(key)

    return change


def poke(name: str, at: Any, value: float) -> Change:
    """Sets one number of a tensor."""

    def change(_: Manifest, tensors: Tensors) -> None:
        tensors[name][at] = value

    return change


def swap(name: str, array: NDArray[Any] | bytes) -> Change:
    """Replaces a tensor."""

    def change(_: Manifest, tensors: Tensors) -> None:
        tensors[name] = array

    return change


def deep(levels: int) -> Any:
    """Lists in lists."""
    found: Any = 0
    for _ in range(levels):
        found = [found]
    return found


def bomb(megabytes: int) -> bytes:
    """A zlib stream, a thousandth as long as what it inflates to."""
    deflater = zlib.compressobj(1)
    piece = bytes(1 << 20)
    return b"".join(deflater.compress(piece) for _ in range(megabytes)) + deflater.flush()


def sealed(tensors: Tensors, **manifest: Any) -> bytes:
    """A latency bundle of these tensors whose manifest says anything; digests fit."""
    whole = {"space": "nasbench201", "references": []}
    raw = b"".join(bundle_pieces("latency", "small", whole, tensors))
    length = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8 : 8 + length])
    table = {key: value for key, value in header.items() if key != "__metadata__"}
    said = json.loads(header["__metadata__"]["edgewise"])
    for key, value in manifest.items():
        said[key] = {**said[key], **value} if key == "sha256" else value
    text = json.dumps(said)
    metadata = {"edgewise": text, "edgewise.sha256": digest(text, table)}
    return frame(json.dumps({"__metadata__": metadata, **table}), raw[8 + length :])


def stored_deflated(content: bytes, **manifest: Any) -> bytes:
    """A latency bundle whose tensor `model` says that `content` is a zlib stream."""
    return sealed({"model": content}, deflated=["model"], **manifest)
