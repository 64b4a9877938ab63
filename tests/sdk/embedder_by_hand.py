"""A small embedder bundle: real ONNX networks, written byte by byte, of known weights.

Float32: `max(picture @ weights, 0)` with pixels as they are; int8: the same of a picture given as
uint8, with the weights halved, so that the two can be told apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewise.bundle import write_bundle

from . import onnx_by_hand as onnx

SIDE, DIM = 8, 16
UINT8 = 2
PIXELS = SIDE * SIDE * 3
SCALE = 100.0
THRESHOLD = 0.9
SHARE, NEAREST, BACKGROUND_THRESHOLD = 0.6, 3, 0.45

ABOUT: dict[str, Any] = {
    "dim": DIM,
    "image": [SIDE, SIDE, 3],
    "metric": "cosine",
    "temperature": 20.0,
    "unknown": {"rule": "best_score", "threshold": THRESHOLD},
    "weights": ["float32", "int8"],
}


def weights(seed: int = 0) -> NDArray[np.float32]:
    """(PIXELS, DIM)"""
    return np.random.default_rng(seed).normal(0, 0.01, (PIXELS, DIM)).astype(np.float32)


def directions(seed: int = 1, count: int = 6) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Rows (count, DIM) and scales (count,) of unit vectors without negative numbers."""
    drawn = np.random.default_rng(seed).uniform(0, 1, (count, DIM))
    units = drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
    scales = (units.max(axis=1) / 127).astype(np.float32)
    return np.round(units / scales[:, None]).astype(np.int8), scales


def embedding(images: NDArray[np.uint8], seed: int = 0) -> NDArray[np.float64]:
    """(N, DIM) that the float32 network gives of (N, SIDE, SIDE, 3)."""
    flat = images.reshape(len(images), PIXELS).astype(np.float64)
    return np.maximum(flat @ weights(seed).astype(np.float64), 0.0)


def constant(name: str, array: NDArray[Any]) -> bytes:
    dims = b"".join(onnx.number(1, size) for size in array.shape)
    kind = onnx.INT64 if array.dtype == np.int64 else onnx.FLOAT
    return dims + onnx.number(2, kind) + onnx.message(8, name) + onnx.message(9, array.tobytes())


def network(matrix: NDArray[np.float32], kind: int) -> bytes:
    shape = (1, SIDE, SIDE, 3)
    return onnx.model(
        [
            onnx.node("Cast", ["image"], ["floats"], to=onnx.FLOAT),
            onnx.node("Reshape", ["floats", "shape"], ["flat"]),
            onnx.node("MatMul", ["flat", "weights"], ["sums"]),
            onnx.node("Relu", ["sums"], ["embedding"]),
        ],
        [onnx.info("image", shape, kind)],
        [onnx.info("embedding", (1, matrix.shape[1]))],
        [constant("shape", np.array([1, PIXELS], np.int64)), constant("weights", matrix)],
    )


def relation() -> bytes:
    """The mean product of a class and a picture, over SCALE, squashed: (1, 1)."""
    return onnx.model(
        [
            onnx.node("Mul", ["class", "picture"], ["products"]),
            onnx.node("ReduceMean", ["products"], ["mean"], axes=[1], keepdims=1),
            onnx.node("Div", ["mean", "scale"], ["scaled"]),
            onnx.node("Sigmoid", ["scaled"], ["score"]),
        ],
        [onnx.info("class", (1, DIM)), onnx.info("picture", (1, DIM))],
        [onnx.info("score", (1, 1))],
        [constant("scale", np.array([SCALE], np.float32))],
    )


def write_embedder(
    path: Path,
    about: Mapping[str, Any] | None = None,
    *,
    seed: int = 0,
    tensors: Mapping[str, NDArray[Any] | bytes] | None = None,
    **manifest: Any,
) -> Path:
    """Write the bundle; `about` replaces entries of its manifest's `embedder`."""
    found: dict[str, NDArray[Any] | bytes] = {
        "embedder.float32.onnx": network(weights(seed), onnx.FLOAT),
        "embedder.int8.onnx": network(weights(seed) * np.float32(0.5), UINT8),
        **(tensors or {}),
    }
    whole = {"embedder": {**ABOUT, **(about or {})}, **manifest}
    write_bundle(path, kind="embedder", name="by hand", manifest=whole, tensors=found)
    return path


def write_with_background(path: Path, **unknown: Any) -> Path:
    """The same bundle, but with a background for the unknown; `unknown` replaces entries."""
    rule = {
        "rule": "background",
        "threshold": BACKGROUND_THRESHOLD,
        "share": SHARE,
        "nearest": NEAREST,
    }
    rows, scales = directions()
    return write_embedder(
        path,
        {"unknown": {**rule, **unknown}},
        tensors={"background": rows, "background.scale": scales},
    )
