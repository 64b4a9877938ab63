"""Embedder and head in one file for stock runtimes: equal to each other and to the native head."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
import torch
from ai_edge_litert.interpreter import Interpreter

from edgewise_converter.compile.embedder_graph import embedder_graph
from edgewise_converter.compile.onnx import onnx_model
from edgewise_converter.compile.onnx_int8 import int8_onnx_model
from edgewise_converter.compile.quantise import quantise
from edgewise_converter.compile.stock import stock_onnx, stock_tflite
from edgewise_converter.compile.tflite import tflite_model
from edgewise_converter.compile.tflite_int8 import int8_tflite_model
from edgewise_converter.fewshot.embedder import FinishedEmbedder, create_embedder

TEMPERATURE = 9.0
DIM = 128


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (1, 84, 84, 3), np.uint8)


@pytest.fixture(scope="module")
def files() -> dict[str, dict[str, bytes]]:
    """Embedders by precision and format."""
    embedder = create_embedder("small", 0).eval()
    graph = embedder_graph(FinishedEmbedder(embedder, root=True, centre=torch.full((DIM,), 0.1)))
    pictures = torch.rand(4, 3, 84, 84, generator=torch.Generator().manual_seed(0)) * 255
    quantised = quantise(graph, [pictures])
    return {
        "float32": {
            "tflite": tflite_model(graph, half=True),
            "onnx": onnx_model(graph, half=True, channels_last=True),
        },
        "int8": {"tflite": int8_tflite_model(quantised), "onnx": int8_onnx_model(quantised)},
    }


def _tflite(file: bytes) -> Any:
    return Interpreter(model_content=stock_tflite(file, temperature=TEMPERATURE), num_threads=1)


def _onnx(file: bytes) -> Any:
    options = ort.SessionOptions()
    options.log_severity_level = 4
    return ort.InferenceSession(stock_onnx(file, temperature=TEMPERATURE), options)


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_both_formats_embed_and_classify_alike(
    files: dict[str, dict[str, bytes]], image: np.ndarray, precision: str
) -> None:
    interpreter = _tflite(files[precision]["tflite"])
    session = _onnx(files[precision]["onnx"])
    given = image if precision == "int8" else image.astype(np.float32)
    embedding = interpreter.get_signature_runner("embed")(images=given)["embedding"]
    (other,) = session.run(["embedding"], {"images": given})
    assert embedding.shape == (1, DIM)
    if precision == "int8" and not _sums_are_exact():
        assert _cosines(embedding, other).item() > 0.9
    else:
        np.testing.assert_allclose(other, embedding, atol=1e-4)
    for classes in (1, 3, 7):
        noise = np.random.default_rng(classes).normal(0, 0.3, (classes, DIM)).astype(np.float32)
        prototypes = embedding + noise
        found = interpreter.get_signature_runner("classify")(images=given, prototypes=prototypes)
        given_both = {"images": given, "prototypes": prototypes}
        scores, probabilities = session.run(["scores", "probabilities"], given_both)
        _expect_head(embedding, prototypes, found["scores"], found["probabilities"])
        _expect_head(other, prototypes, scores, probabilities)


def test_the_weights_are_in_the_file_once(files: dict[str, dict[str, bytes]]) -> None:
    file = files["float32"]["tflite"]
    assert len(stock_tflite(file, temperature=1.0)) < len(file) + 12_000


def _sums_are_exact() -> bool:
    """Whether ONNX Runtime multiplies uint8 by int8 here without sums of 16 bits, which saturate.

    On x86 that takes VNNI: docs/fewshot-embedder.md.
    """
    if platform.machine() != "x86_64":
        return True
    return "vnni" in Path("/proc/cpuinfo").read_text()


def _expect_head(
    embedding: np.ndarray, prototypes: np.ndarray, scores: np.ndarray, probabilities: np.ndarray
) -> None:
    expected = _cosines(embedding, prototypes)
    shares = np.exp(TEMPERATURE * expected)
    np.testing.assert_allclose(scores, expected, atol=1e-5)
    np.testing.assert_allclose(probabilities, shares / shares.sum(), atol=1e-5)


def _cosines(embedding: np.ndarray, prototypes: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(prototypes.astype(np.float64), axis=1)
    products = embedding.astype(np.float64) @ prototypes.T.astype(np.float64)
    found: np.ndarray = products / lengths / np.linalg.norm(embedding.astype(np.float64))
    return found
