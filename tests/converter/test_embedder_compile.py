"""The embedder compiled: graph, weights in 8 and in 16 bits, integers; formats and runtimes."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from edgewise.borrow import Borrowed
from edgewise.bundle import Bundle, write_bundle
from edgewise.errors import ArgumentError
from edgewise.pattern import cut_out
from edgewise_converter.compile.borrowing import borrowed_from
from edgewise_converter.compile.embedder_graph import STANDARDISED, as_half, embedder_graph
from edgewise_converter.compile.embedder_parity import check_floats, check_integers
from edgewise_converter.compile.graph import Graph, Node
from edgewise_converter.compile.graph_run import run_graph
from edgewise_converter.compile.integer_run import run_integers
from edgewise_converter.compile.onnx import onnx_model
from edgewise_converter.compile.onnx_int8 import int8_onnx_model
from edgewise_converter.compile.parity import ParityError
from edgewise_converter.compile.quantise import (
    Grid,
    QuantisedGraph,
    grid_of,
    on_grid,
    quantise,
    quantise_weights,
)
from edgewise_converter.compile.tflite import tflite_model
from edgewise_converter.compile.tflite_int8 import int8_tflite_model
from edgewise_converter.fewshot.embedder import Embedder, FinishedEmbedder, create_embedder
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


def _files(graph: Graph, quantised: QuantisedGraph) -> dict[str, bytes]:
    return {
        "embedder.float32.tflite": tflite_model(graph),
        "embedder.float32.onnx": onnx_model(graph, channels_last=True),
        "embedder.int8.tflite": int8_tflite_model(quantised),
        "embedder.int8.onnx": int8_onnx_model(quantised),
    }


def _borrowed(files: dict[str, bytes], quantised: QuantisedGraph) -> dict[str, Borrowed]:
    scaled = [each.scaled for each in quantised.weights.values()]
    return borrowed_from("embedder.int8.tflite", files, scaled)


def test_the_float_models_have_the_weights_of_the_integer_models(
    finished: FinishedEmbedder, quantised: QuantisedGraph, pictures: np.ndarray
) -> None:
    whole = embedder_graph(finished)
    graph = on_grid(whole)
    floats = [node.weights for node in graph.nodes if node.op == "conv"]
    assert len(floats) == len(quantised.weights)
    for (weight, _), found in zip(floats, quantised.weights.values(), strict=True):
        assert np.array_equal(weight, found.weight * found.scales[:, None, None, None])
    for node, exact in zip(graph.nodes, whole.nodes, strict=True):
        if node.op == "conv":
            step = np.abs(exact.weights[0]).max((1, 2, 3), keepdims=True) / 127
            assert (np.abs(node.weights[0] - exact.weights[0]) <= 0.501 * step).all()
            assert np.array_equal(node.weights[1], exact.weights[1])
        else:
            assert node is exact
    expected = run_graph(whole, _pixels(pictures)).numpy()
    given = run_graph(graph, _pixels(pictures)).numpy()
    assert np.linalg.norm(given - expected) < 0.02 * np.linalg.norm(expected)


def test_the_other_files_can_borrow_nearly_all_from_the_int8_tflite_file(
    finished: FinishedEmbedder, quantised: QuantisedGraph
) -> None:
    files = _files(on_grid(embedder_graph(finished)), quantised)
    found = _borrowed(files, quantised)
    assert set(found) == set(files) - {"embedder.int8.tflite"}
    for name, (lender, loans) in found.items():
        assert lender == "embedder.int8.tflite"
        left = 0.15 if "int8" in name else 0.05
        assert len(cut_out(files[name], loans)) < left * len(files[name])


def test_a_bundle_holds_each_weight_once_and_its_models_agree_with_torch(
    finished: FinishedEmbedder,
    quantised: QuantisedGraph,
    pictures: np.ndarray,
    tmp_path: Path,
) -> None:
    path, graph = tmp_path / "embedder.safetensors", on_grid(embedder_graph(finished))
    files = _files(graph, quantised)
    borrowed = _borrowed(files, quantised)
    write_bundle(path, kind="embedder", name="x", manifest={}, tensors=files, borrowed=borrowed)
    weights = sum(each.weight.size for each in quantised.weights.values())
    assert path.stat().st_size < 1.5 * weights
    bundle = Bundle.open(path)
    whole = {name: bundle.blob(name) for name in files}
    assert whole == files
    assert set(check_floats(graph, whole, pictures)) == {name for name in files if "float" in name}
    assert set(check_integers(quantised, whole, pictures)) == {n for n in files if "int8" in n}


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


def _packed(path: Path, embedder: Embedder, model: bytes) -> Bundle:
    tensors: dict[str, Any] = {"embedder.float32.onnx": model, **norm_tensors(embedder)}
    write_bundle(path, kind="embedder", name="x", manifest={"size": "small"}, tensors=tensors)
    return Bundle.open(path)


@pytest.mark.parametrize("bits", [8, 16])
def test_a_training_can_go_on_from_a_bundle(
    finished: FinishedEmbedder, pictures: np.ndarray, tmp_path: Path, bits: int
) -> None:
    path, graph = tmp_path / "embedder.safetensors", embedder_graph(finished)
    if bits == 8:
        model = onnx_model(on_grid(graph), channels_last=True)
    else:  # as bundles held them before
        model = onnx_model(graph, half=True, channels_last=True)
    found = embedder_of(_packed(path, finished.embedder, model))
    near = 2e-3 if bits == 16 else 0.1
    with torch.no_grad():
        expected, given = (each(_pixels(pictures)) for each in (finished.embedder, found))
        assert torch.allclose(given, expected, atol=near)
        # In training the statistics are those of the batch, so the norms must be right too.
        trained = (copy.deepcopy(finished.embedder).train(), found.train())
        expected, given = (each(_pixels(pictures)) for each in trained)
    assert torch.allclose(given, expected, atol=5 * near)
    write_bundle(path, kind="embedder", name="x", manifest={"size": "small"}, tensors={})
    with pytest.raises(ArgumentError, match="nothing that a training could go on from"):
        embedder_of(Bundle.open(path))


def test_an_embedder_out_of_its_bundle_is_the_one_that_ships(
    finished: FinishedEmbedder, quantised: QuantisedGraph, pictures: np.ndarray, tmp_path: Path
) -> None:
    graph = on_grid(embedder_graph(finished))
    model = onnx_model(graph, channels_last=True)
    found = embedder_of(_packed(tmp_path / "x", finished.embedder, model))
    again = FinishedEmbedder(found, root=True, centre=finished.centre).eval()
    with torch.no_grad():
        given = again(_pixels(pictures))
    assert torch.allclose(given, run_graph(graph, _pixels(pictures)), atol=1e-5)
    compiled = quantise(embedder_graph(again), [_pixels(pictures[:4])])
    for name, weights in compiled.weights.items():
        assert np.array_equal(weights.weight, quantised.weights[name].weight)
        assert weights.scales == pytest.approx(quantised.weights[name].scales, rel=1e-6)
