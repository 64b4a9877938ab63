"""A zoo's bundle: what is compiled computes what was scored, in every runtime, and costs little."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from edgewise import _core
from edgewise.bundle import Bundle
from edgewise.errors import ArgumentError
from edgewise.fewshot.embedder import open_embedder
from edgewise.retrieval import ModelZoo
from edgewise.retrieval.models import Layers, fill
from edgewise.retrieval.zoo_file import ZooFile
from edgewise.runtimes import available_runtimes, get_runtime
from edgewise.shipped import fingerprint
from edgewise_converter import cli
from edgewise_converter.compile.zoo_bundle import named_entries, quantised_rows
from edgewise_converter.compile.zoo_entry import compile_entry
from edgewise_converter.compile.zoo_models import (
    features_graph,
    quantised_layers,
    skeletons,
    with_arrays,
)
from edgewise_converter.fewshot.conv4 import standardise
from edgewise_converter.retrieval.encoders import Space, SpaceConfig
from edgewise_converter.retrieval.licences import licence_note, may_ship
from edgewise_converter.retrieval.space_file import write_space
from edgewise_converter.retrieval.zoo_build import task_file
from edgewise_converter.retrieval.zoo_files import read_network

from ..sdk.embedder_by_hand import write_embedder
from .small_zoo import DIM, SmallZoo


def test_the_bundle_holds_what_was_chosen(small: SmallZoo, zoo: Path) -> None:
    bundle = Bundle.open(zoo, kind="zoo")
    bundle.verify()
    found = list(ModelZoo(zoo))
    space = small.space
    assert [entry.name for entry in found] == [f"{task}#{at}" for task, at in space.entries]
    # Both tasks have the largest and the smallest: of those there is one skeleton each.
    assert len({entry.model for entry in found}) == len({entry.arch for entry in found}) < 6
    about = bundle.manifest
    assert about["trained_on"] == ["made up", "omniglot", "cifar100"]
    assert about["metrics"]["R@1"] == 1.0
    assert {each["runtime"] for each in about["metrics"]["parity"]["networks"]} == set(
        available_runtimes()
    )
    assert found[0].labels == ("tomato", "orange", "lemon")
    assert "Krizhevsky" in found[0].licence
    rows = bundle.tensor("index") * bundle.tensor("index.scale")[:, None]
    np.testing.assert_allclose(rows, space.embedding, atol=1 / 127)
    assert rows.shape == (6, DIM)


def test_networks_compute_what_torch_computes(small: SmallZoo, zoo: Path) -> None:
    """With the weights that the bundle holds, put back into the module whose norms are folded."""
    images, _ = small.pictures("cifar100/warm", 2)
    file = ZooFile(Bundle.open(zoo))
    for entry in file.entries[:3]:
        path = task_file(small.folder, entry.task)
        network = read_network(Bundle.open(path), int(entry.name.split("#")[1]))
        with torch.no_grad():
            exact = network.features(standardise(images)).mean((2, 3)).numpy()
        for runtime in available_runtimes():
            session = get_runtime(runtime).load(
                file.model(entry, get_runtime(runtime).format) or b""
            )
            found = np.concatenate([session.run(i[None].astype(np.float32))[0] for i in images])
            # 8-bit weights: near what was scored, and not the same.
            error = np.linalg.norm(found - exact) / np.linalg.norm(exact)
            assert 1e-4 < error < 0.1
        weight, bias = file.head(entry)
        linear = network.head
        assert isinstance(linear, torch.nn.Linear)
        np.testing.assert_allclose(weight.T, linear.weight.detach().numpy(), atol=1e-3)
        np.testing.assert_allclose(bias, linear.bias.detach().numpy(), atol=1e-3)


def test_skeletons_are_filled_as_files_are_written(small: SmallZoo) -> None:
    from edgewise_converter.compile.onnx import onnx_model
    from edgewise_converter.compile.tflite import tflite_model

    network = read_network(Bundle.open(task_file(small.folder, "omniglot/cold")), 2)
    graph = features_graph(network, 32)
    layers = quantised_layers(graph)
    rounded = with_arrays(graph, layers.arrays())
    empty = skeletons(graph)
    assert fill(empty["tflite"], layers) == tflite_model(rounded)
    assert fill(empty["onnx"], layers) == onnx_model(rounded, channels_last=True)
    for skeleton in empty.values():
        assert len(skeleton) < 40_000
    with pytest.raises(ValueError, match="cut short"):
        fill(empty["onnx"][:50], layers)
    no_layers = Layers(layers.shapes[:0], layers.weights[:0], layers.scales[:0], layers.biases[:0])
    with pytest.raises(ValueError, match="holes"):
        fill(empty["onnx"], no_layers)
    with pytest.raises(ValueError, match="channels have"):
        fill(empty["onnx"], layers._replace(weights=layers.weights[:-1]))


def test_weights_are_rounded_to_half_a_step(small: SmallZoo) -> None:
    network = read_network(Bundle.open(task_file(small.folder, "cifar100/warm")), 1)
    graph = features_graph(network, 32)
    layers = quantised_layers(graph)
    arrays = layers.arrays()
    exact = [array for node in graph.nodes if node.op == "conv" for array in node.weights]
    channel = 0
    for weight, bias, (found, kept) in zip(
        exact[::2], exact[1::2], zip(arrays[::2], arrays[1::2], strict=True), strict=True
    ):
        scale = layers.scales[channel : channel + len(bias)]
        difference = np.abs(weight.reshape(len(bias), -1) - found.reshape(len(bias), -1))
        assert np.all(difference <= 0.501 * scale[:, None])
        assert np.array_equal(kept.ravel(), bias)
        channel += len(bias)


def test_what_8_bit_weights_cost_is_measured(small: SmallZoo) -> None:
    task = small.tasks["cifar100/warm"]
    found = compile_entry(Bundle.open(task_file(small.folder, task.name)), 0, task).about
    assert found["test_accuracy"] > 0.8
    assert abs(found["int8_test_accuracy"] - found["test_accuracy"]) <= 2 / len(task.test)


def test_kernels_are_those_of_the_model(zoo: Path) -> None:
    file = ZooFile(Bundle.open(zoo))
    for entry in file.entries:
        model = _core.read_model_bytes(file.model(entry, "onnx") or b"", "model")
        assert entry.flops == 2 * sum(kernel.macs for kernel in model.kernels)
        columns = _core.network_columns()
        launched = file.kernels[entry.number][columns.index("launches")]
        assert launched > 10
    largest, smallest = file.entries[0], file.entries[1]
    assert largest.flops > 4 * smallest.flops
    assert largest.bytes > 4 * largest.params > 4 * smallest.params


def test_rows_of_an_index_are_nearly_of_unit_length() -> None:
    drawn = np.random.default_rng(0).normal(size=(50, 128)).astype(np.float32)
    drawn /= np.linalg.norm(drawn, axis=1, keepdims=True)
    rows, scales = quantised_rows(drawn)
    back = rows * scales[:, None]
    np.testing.assert_allclose((back * drawn).sum(1), 1, atol=2e-3)
    assert np.abs(rows).max(1).min() == 127


def test_entries_are_chosen_by_name(small: SmallZoo, tmp_path: Path) -> None:
    names = tmp_path / "names.txt"
    names.write_text("omniglot/cold#1\n\ncifar100/warm#2\nomniglot/cold#1\n")
    assert named_entries(small.space, names) == [("omniglot/cold", 1), ("cifar100/warm", 2)]
    with pytest.raises(ArgumentError, match="no such list"):
        named_entries(small.space, tmp_path / "absent")
    names.write_text("omniglot/hot#1")
    with pytest.raises(ArgumentError, match="no network 'omniglot/hot#1'"):
        named_entries(small.space, names)
    names.write_text("\n")
    with pytest.raises(ArgumentError, match="names no network"):
        named_entries(small.space, names)


def test_what_may_ship() -> None:
    assert may_ship(["cifar100", "omniglot"])
    assert may_ship(["cifar100 (training classes of cifar_fs)"])
    assert not may_ship(["cifar100", "pokemon"])
    assert licence_note(["omniglot", "pokemon"]) == (
        "Omniglot (Lake et al. 2015): MIT; pokemon: no permissive licence stated"
    )


def write_a_space(
    path: Path, embedder: str, trained_on: Sequence[str] = ("omniglot", "cifar100")
) -> Path:
    """One that has learnt nothing, but is whole."""
    torch.manual_seed(0)
    bundle = open_embedder(embedder)
    space = Space(SpaceConfig(("mean", "separation"), hidden=8), bundle.manifest["embedder"]["dim"])
    write_space(
        path,
        space,
        embedder_dim=bundle.manifest["embedder"]["dim"],
        nearest=3,
        embedder=fingerprint(bundle),
        trained_on=list(trained_on),
        seed=0,
        command="by hand",
    )
    return path


def test_the_command(small: SmallZoo, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names, output = tmp_path / "names.txt", tmp_path / "out.safetensors"
    names.write_text("omniglot/cold#1\ncifar100/warm#0")
    space = write_a_space(tmp_path / "space.safetensors", "default")
    words = ["compile", "retrieval", "--zoo", str(small.folder), "--space", str(space)]
    words += ["--output", str(output)]
    assert cli.main([*words, "--entries", str(names)]) == 0
    assert "2 networks" in capsys.readouterr().out
    zoo = ModelZoo(output)
    assert [entry.name for entry in zoo] == ["omniglot/cold#1", "cifar100/warm#0"]
    hits = zoo.retrieve(*small.pictures("omniglot/cold"), k=2)
    assert len(hits) == 2
    for hit in hits:
        assert 0 < hit.expected_accuracy < 1
    assert cli.main([*words, "--entries", "2"]) == 1
    assert "--data" in capsys.readouterr().err
    write_a_space(space, "default", ["omniglot", "pokemon"])
    assert cli.main([*words, "--entries", str(names)]) == 1
    assert "states no permissive licence" in capsys.readouterr().err
    given = ["--any-licence", "--temperature", "30", "--threshold", "0.5"]
    assert cli.main([*words, "--entries", str(names), *given]) == 0
    assert ModelZoo(output).load(0).calibration == (30.0, 0.5, None)
    write_a_space(space, "default")
    by_hand = write_embedder(tmp_path / "other.safetensors")
    other = [*words, "--entries", str(names), "--embedder", str(by_hand)]
    assert cli.main(other) == 1
    assert "another embedder" in capsys.readouterr().err
