"""The embedder compiled: graph, float16 weights, integers, both formats in every runtime."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from edgewise.bundle import Bundle, write_bundle
from edgewise.errors import ArgumentError
from edgewise.pattern import cut_out
from edgewise_converter.compile.borrowing import borrowed_from_tflite
from edgewise_converter.compile.embedder_graph import STANDARDISED, as_half, embedder_graph
from edgewise_converter.compile.embedder_parity import check_floats, check_integers
from edgewise_converter.compile.graph import Node
from edgewise_converter.compile.graph_run import run_graph
from edgewise_converter.compile.integer_run import run_integers
from edgewise_converter.compile.onnx import onnx_model
from edgewise_converter.compile.onnx_int8 import int8_onnx_model
from edgewise_converter.compile.parity import ParityError
from edgewise_converter.compile.quantise import (
    Grid,
    QuantisedGraph,
    grid_of,
    quantise,
    quantise_weights,
)
from edgewise_converter.compile.tflite import tflite_model
from edgewise_converter.compile.tflite_int8 import int8_tflite_model
from edgewise_converter.fewshot.embedder import FinishedEmbedder, create_embedder
from edgewise_converter.fewshot.embedder_weights import embedder_of, norm_tensors


@pytest.fixture(scope="module")
def finished() -> FinishedEmbedder:
    """Fresh weights, but statistics as if trained."""
    embedder = create_embedder("small", 0).eval()
    generator = torch.Generator().manual_seed(1)
    for module in embedder.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean = torch.randn(module.num_features, generator=generator) / 10
            module.running_var = torch.rand(module.num_features, generator=generator) + 0.5
            module.weight.data = torch.rand(module.num_features, generator=generator) + 0.5
            module.bias.data = torch.randn(module.num_features, generator=generator) / 5
    centre = torch.rand(embedder.widths.dim, generator=generator)
    return FinishedEmbedder(embedder, root=True, centre=centre).eval()


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    coarse = np.random.default_rng(0).integers(0, 256, (6, 7, 7, 3), np.uint8)
    return coarse.repeat(12, 1).repeat(12, 2)


@pytest.fixture(scope="module")
def quantised(finished: FinishedEmbedder, pictures: np.ndarray) -> QuantisedGraph:
    return quantise(embedder_graph(finished), [_pixels(pictures[:4])])


def _pixels(pictures: np.ndarray) -> Tensor:
    return torch.from_numpy(pictures).permute(0, 3, 1, 2).float()


def test_the_graph_computes_what_torch_does(
    finished: FinishedEmbedder, pictures: np.ndarray
) -> None:
    graph = embedder_graph(finished)
    assert [node.op for node in graph.nodes[-2:]] == ["sqrt", "add_constant"]
    with torch.no_grad():
        expected = finished(_pixels(pictures))
    assert torch.allclose(run_graph(graph, _pixels(pictures)), expected, atol=1e-5)


def test_without_root_there_is_none(finished: FinishedEmbedder) -> None:
    plain = FinishedEmbedder(finished.embedder, root=False, centre=finished.centre)
    assert "sqrt" not in {node.op for node in embedder_graph(plain).nodes}


def test_float_files_agree_with_torch_in_every_runtime(
    finished: FinishedEmbedder, pictures: np.ndarray
) -> None:
    graph = embedder_graph(finished)
    files = {
        "whole.float32.tflite": tflite_model(graph),
        "whole.float32.onnx": onnx_model(graph, channels_last=True),
    }
    assert set(check_floats(graph, files, pictures)) == set(files)
    half = {
        "half.float32.tflite": tflite_model(graph, half=True),
        "half.float32.onnx": onnx_model(graph, half=True, channels_last=True),
    }
    assert set(check_floats(as_half(graph), half, pictures)) == set(half)
    for name, file in half.items():
        assert len(file) < 0.6 * len(files[name.replace("half", "whole")])


def test_a_file_that_computes_something_else_is_refused(
    finished: FinishedEmbedder, pictures: np.ndarray
) -> None:
    graph = embedder_graph(finished)
    with pytest.raises(ParityError, match="differs from torch"):
        check_floats(graph, {"x.float32.tflite": tflite_model(graph, half=True)}, pictures)


def test_integer_files_agree_with_plain_integers_in_every_runtime(
    quantised: QuantisedGraph, pictures: np.ndarray
) -> None:
    files = {
        "x.int8.tflite": int8_tflite_model(quantised),
        "x.int8.onnx": int8_onnx_model(quantised),
    }
    assert set(check_integers(quantised, files, pictures)) == set(files)
    for file in files.values():
        assert len(file) < 1.35 * 111_568


def test_the_onnx_files_can_borrow_nearly_all_from_the_tflite_files(
    finished: FinishedEmbedder, quantised: QuantisedGraph
) -> None:
    graph = embedder_graph(finished)
    files = {
        "x.float32.tflite": tflite_model(graph, half=True),
        "x.float32.onnx": onnx_model(graph, half=True, channels_last=True),
        "x.int8.tflite": int8_tflite_model(quantised),
        "x.int8.onnx": int8_onnx_model(quantised),
        "alone.onnx": b"",
    }
    found = borrowed_from_tflite(files)
    assert {name: lender for name, (lender, _) in found.items()} == {
        "x.float32.onnx": "x.float32.tflite",
        "x.int8.onnx": "x.int8.tflite",
    }
    for name, (_, loans) in found.items():
        assert len(cut_out(files[name], loans)) < 0.15 * len(files[name])


def test_integers_stay_near_the_floats(
    finished: FinishedEmbedder, quantised: QuantisedGraph, pictures: np.ndarray
) -> None:
    expected = run_graph(embedder_graph(finished), _pixels(pictures)).numpy()
    found = run_integers(quantised, pictures)
    cosines = (found * expected).sum(1)
    cosines /= np.linalg.norm(found, axis=1) * np.linalg.norm(expected, axis=1)
    assert cosines.min() > 0.99


def test_pixels_enter_the_integers_exactly(quantised: QuantisedGraph) -> None:
    assert quantised.grids[STANDARDISED] == Grid(1 / 64, 0)
    assert [node.op for node in quantised.finish] == ["sqrt", "add_constant"]
    assert quantised.integer[-1].op == "mean"


def test_weights_are_symmetric_with_a_scale_for_each_output() -> None:
    weight = np.array([[[[1.0]], [[-2.0]]], [[[0.25]], [[0.5]]]], np.float32)
    node = Node("conv", ("x",), "y", (2, 1, 1), (weight, np.array([3.0, -1.0], np.float32)))
    found = quantise_weights(node, 0.5)
    assert found.scales == pytest.approx([2 / 127, 0.5 / 127])
    assert found.weight.ravel().tolist() == [64, -127, 64, 127]
    assert found.bias.tolist() == [round(3 / (0.5 * 2 / 127)), round(-1 / (0.5 * 0.5 / 127))]


def test_a_grid_holds_zero_and_cuts_off_what_is_rare() -> None:
    even = np.linspace(-1, 3, 4001, dtype=np.float32)
    grid = grid_of(even)
    assert grid.scale == pytest.approx(4 / 255, rel=0.05)
    assert grid.zero == round(-128 + 1 / grid.scale)
    rare = np.random.default_rng(0).lognormal(0, 1, 100_000).astype(np.float32)
    found = grid_of(rare)
    assert found.scale < 0.95 * rare.max() / 255
    assert _error(rare, found) < _error(rare, Grid(float(rare.max()) / 255, -128))
    assert grid_of(np.linspace(0, 1, 100, dtype=np.float32)).zero == -128


def _error(values: np.ndarray, grid: Grid) -> float:
    whole = np.clip(np.rint(values / grid.scale) + grid.zero, -128, 127)
    return float(np.square((whole - grid.zero) * grid.scale - values).mean())


def test_int8_needs_pictures(finished: FinishedEmbedder) -> None:
    with pytest.raises(ArgumentError, match="calibration pictures"):
        quantise(embedder_graph(finished), [])


def test_a_training_can_go_on_from_a_bundle(
    finished: FinishedEmbedder, pictures: np.ndarray, tmp_path: Path
) -> None:
    path = tmp_path / "embedder.safetensors"
    tensors: dict[str, Any] = {
        "embedder.float32.onnx": onnx_model(
            embedder_graph(finished), half=True, channels_last=True
        ),
        **norm_tensors(finished.embedder),
    }
    write_bundle(path, kind="embedder", name="x", manifest={"size": "small"}, tensors=tensors)
    found = embedder_of(Bundle.open(path))
    with torch.no_grad():
        expected, given = (each(_pixels(pictures)) for each in (finished.embedder, found))
        assert torch.allclose(given, expected, atol=2e-3)
        # In training the statistics are those of the batch, so the norms must be right too.
        expected, given = (each.train()(_pixels(pictures)) for each in (finished.embedder, found))
    finished.embedder.eval()
    assert torch.allclose(given, expected, atol=1e-2)
    write_bundle(path, kind="embedder", name="x", manifest={"size": "small"}, tensors={})
    with pytest.raises(ArgumentError, match="nothing that a training could go on from"):
        embedder_of(Bundle.open(path))
