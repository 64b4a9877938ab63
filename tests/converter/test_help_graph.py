"""HELP's compiled graphs: traced without torch's autograd, equal to torch in every runtime."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from edgewise.spaces import get_space
from edgewise_converter.compile.help_check import (
    check_help,
    random_devices,
    torch_scaled,
)
from edgewise_converter.compile.help_graph import (
    ADAPT_INPUTS,
    ADAPT_OUTPUTS,
    HelpFunctions,
    Layout,
    compile_help,
    pack_learner,
    to_onnx,
    to_tflite,
    trace,
)
from edgewise_converter.compile.parity import installed_runtimes, relative_error
from edgewise_converter.latency.encodings.registry import encoding_of
from edgewise_converter.latency.help_network import NetworkConfig, predict
from edgewise_converter.latency.meta_training import Learner, TrainingConfig, adapt

SPACE = get_space("nasbench201")
NETWORK = NetworkConfig(embedding_size=4, width=6)
REFERENCES = np.array([[0, 1, 2, 3, 4, 0], [3] * 6, [1, 1, 4, 2, 0, 3], [4, 2, 0, 1, 3, 3]])
DRAWS, QUERIES = 2, 256


def learner() -> Learner:
    fresh = Learner.create(TrainingConfig(network=NETWORK, seed=5, inner_rate=0.05))
    return fresh.copy()


def noise() -> torch.Tensor:
    return torch.randn(DRAWS, NETWORK.latent_size, generator=torch.Generator().manual_seed(1))


def test_layout_packs_and_unpacks() -> None:
    tensors = {"a": torch.arange(6.0).reshape(2, 3), "b": torch.tensor([7.0])}
    layout = Layout.of(tensors)
    vector = layout.pack(tensors)
    assert vector.tolist() == [0, 1, 2, 3, 4, 5, 7]
    assert torch.equal(layout.unpack(vector)["a"], tensors["a"])
    with pytest.raises(ValueError, match="not those of the layout"):
        layout.pack({"a": tensors["a"]})


def test_functions_are_the_training_s_own() -> None:
    known, draws = learner(), noise()
    functions = HelpFunctions.create("nasbench201", NETWORK)
    inputs = functions.encoding.inputs
    (case,) = random_devices(SPACE, REFERENCES, 1, seed=3)
    answer = torch_scaled(functions, torch.from_numpy(pack_learner(known)), draws, case)
    embedding, support, queries = map(
        torch.from_numpy, (case.embedding, case.support, case.queries)
    )
    for draw, found in zip(draws, answer, strict=True):
        params, _ = adapt(known, embedding, inputs(support), embedding, draw)
        expected = predict(params, inputs(queries), embedding).detach().numpy()
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


def test_random_devices_are_scaled_by_their_references() -> None:
    for case in random_devices(SPACE, REFERENCES, 3, seed=0):
        assert case.embedding.min() == 0
        assert case.embedding.max() == 1
        assert case.low > 0
        assert case.queries.shape == (QUERIES, 30)


@pytest.mark.slow
def test_compiled_adaptation_agrees_with_torch_in_every_runtime() -> None:
    functions = HelpFunctions.create("nasbench201", NETWORK)
    vector, draws = torch.from_numpy(pack_learner(learner())), noise()
    traced_on, *others = (
        tuple(map(torch.from_numpy, (case.embedding, case.support, case.embedding)))
        for case in random_devices(SPACE, REFERENCES, 5, seed=0)
    )
    arguments = (vector, *traced_on, draws)
    module = trace(functions.adapt, arguments)
    files = {
        "onnx": to_onnx(module, arguments, ADAPT_INPUTS, ADAPT_OUTPUTS),
        "tflite": to_tflite(module, arguments),
    }
    for runtime in installed_runtimes():
        session = runtime.load(files[runtime.format])
        for device in others:
            inputs = (vector, *device, draws)
            expected = functions.adapt(*inputs).detach().numpy()
            (found,) = session.run(*(tensor.numpy() for tensor in inputs))
            assert relative_error(found.astype(np.float32), expected) < 1e-6
            # What is compared is more than what was there before adapting.
            before = functions.adapt(*(vector, *traced_on, draws)).detach().numpy()
            assert relative_error(before, expected) > 1e-4


def test_traced_adaptation_follows_its_inputs() -> None:
    functions = HelpFunctions.create("nasbench201", NETWORK)
    vector, draws = torch.from_numpy(pack_learner(learner())), noise()
    first, second = (
        (vector, *map(torch.from_numpy, (case.embedding, case.support, case.embedding)), draws)
        for case in random_devices(SPACE, REFERENCES, 2, seed=4)
    )
    module = trace(functions.adapt, first)
    torch.testing.assert_close(module(*second), functions.adapt(*second))
    assert not any("_.d" in str(node.target) for node in module.graph.nodes), "writes in place"


def chain(name: str) -> tuple[NetworkConfig, torch.Tensor, np.ndarray, torch.Tensor]:
    """A small network for a space of chains: sizes, learner, codes of references, draws of z."""
    network = NetworkConfig(embedding_size=4, width=6, columns=encoding_of(name).columns)
    config = TrainingConfig(network=network, seed=5, inner_rate=0.05)
    vector = torch.from_numpy(pack_learner(Learner.create(config).copy()))
    generator = np.random.default_rng(2)
    choices = get_space(name).choices
    codes = np.stack([generator.choice(allowed, 4) for allowed in choices], axis=1)
    draws = torch.randn(10, network.latent_size, generator=torch.Generator().manual_seed(1))
    return network, vector, codes, draws


def test_a_traced_chain_follows_its_inputs() -> None:
    network, vector, codes, draws = chain("fbnet")
    functions = HelpFunctions.create("fbnet", network)
    first, second = (
        (vector, *map(torch.from_numpy, (case.embedding, case.support, case.embedding)), draws)
        for case in random_devices(get_space("fbnet"), codes, 2, seed=4)
    )
    module = trace(functions.adapt, first)
    torch.testing.assert_close(module(*second), functions.adapt(*second))


@pytest.mark.slow
def test_chains_compile_to_graphs_that_agree_with_torch() -> None:
    """Both graphs, from one-hot codes to milliseconds, in every runtime."""
    network, vector, codes, draws = chain("ofa")
    files = compile_help("ofa", network, samples=4)
    found = check_help("ofa", network, vector, draws, codes, files, devices=3)
    assert {parity.runtime for parity in found} == {r.name for r in installed_runtimes()}
