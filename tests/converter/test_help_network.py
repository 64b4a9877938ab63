"""HELP's network against a plain nine-node twin written from the paper."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from edgewise.spaces import get_space
from edgewise_converter.latency.encodings.registry import help_inputs
from edgewise_converter.latency.help_network import (
    NetworkConfig,
    divergence,
    infer,
    init_inference,
    init_params,
    modulate,
    predict,
)
from edgewise_converter.latency.parameters import Params

_EDGES = [(0, 1), (0, 2), (0, 4), (1, 3), (1, 5), (2, 6), (3, 6), (4, 7), (5, 7), (6, 7)]


def codes(count: int, seed: int = 0) -> np.ndarray:
    space = get_space("nasbench201")
    archs = np.random.default_rng(seed).permutation(space.architectures())[:count]
    return space.encode(archs.tolist())


def twin(params: Params, operations: np.ndarray, embedding: Tensor) -> Tensor:
    """Input, six operations, output, global node; the published code's sums and layers."""
    adjacency = torch.eye(9)
    for source, target in _EDGES:
        adjacency[target, source] = 1.0
    adjacency[8] = 1.0
    answers = []
    for row in operations:
        hidden = torch.zeros(9, 8)
        hidden[0, 5] = hidden[7, 6] = hidden[8, 7] = 1.0
        for node, kind in enumerate(row, start=1):
            hidden[node, int(kind)] = 1.0
        for name in ("gc1", "gc2", "gc3", "gc4"):
            hidden = torch.relu(
                adjacency @ (hidden @ params[f"{name}.weight"]) + params[f"{name}.bias"]
            )
        state = hidden[8]
        if "hw1.weight" in params:
            device = embedding
            for name in ("hw1", "hw2"):
                device = torch.relu(
                    F.linear(device, params[f"{name}.weight"], params[f"{name}.bias"])
                )
            state = torch.cat((state, device))
        for name in ("fc3", "fc4"):
            state = torch.relu(F.linear(state, params[f"{name}.weight"], params[f"{name}.bias"]))
        answers.append(F.linear(state, params["fc5.weight"], params["fc5.bias"]))
    return torch.cat(answers)


@pytest.mark.parametrize("embedding_size", [10, 5, 0])
def test_sharing_states_changes_nothing(embedding_size: int) -> None:
    params = init_params(NetworkConfig(embedding_size), torch.Generator().manual_seed(1))
    operations, embedding = codes(200), torch.rand(embedding_size)
    inputs = help_inputs(get_space("nasbench201"), operations)
    torch.testing.assert_close(
        predict(params, inputs, embedding), twin(params, operations, embedding)
    )


def test_sizes_are_the_papers() -> None:
    config = NetworkConfig()
    generator = torch.Generator().manual_seed(0)
    shapes = {name: tuple(value.shape) for name, value in init_params(config, generator).items()}
    assert shapes["gc1.weight"] == (8, 100)
    assert shapes["gc4.weight"] == (100, 100)
    assert shapes["hw1.weight"] == (100, 10)
    assert shapes["fc3.weight"] == shapes["fc4.weight"] == (200, 200)
    assert shapes["fc5.weight"] == (1, 200)
    inference = init_inference(config, generator)
    assert inference["z1.weight"].shape == (10, 10)
    assert config.latent_size == 603
    assert inference["z2.weight"].shape == (2 * 603, 10)


def test_without_embedding_there_is_no_hardware_branch() -> None:
    config, generator = NetworkConfig(embedding_size=0), torch.Generator().manual_seed(0)
    params = init_params(config, generator)
    assert not [name for name in params if name.startswith("hw")]
    assert params["fc3.weight"].shape == (100, 100)
    assert init_inference(config, generator) == {}


def test_modulation_by_hand() -> None:
    params = init_params(NetworkConfig(), torch.Generator().manual_seed(0))
    z = torch.arange(603.0)
    found = modulate(params, z)
    for index, name in enumerate(("fc3", "fc4", "fc5")):
        factors = 1 + 0.01 * z[200 * index : 200 * (index + 1)]
        torch.testing.assert_close(
            found[f"{name}.weight"], params[f"{name}.weight"] @ torch.diag(factors)
        )
        torch.testing.assert_close(
            found[f"{name}.bias"], params[f"{name}.bias"] + 0.01 * z[600 + index]
        )
    unchanged = [name for name in params if name[:3] not in ("fc3", "fc4", "fc5")]
    assert all(found[name] is params[name] for name in unchanged)


def test_divergence_is_torchs() -> None:
    config, generator = NetworkConfig(), torch.Generator().manual_seed(3)
    mean, deviation = infer(init_inference(config, generator), torch.rand(10, generator=generator))
    posterior = torch.distributions.Normal(mean, deviation)
    standard = torch.distributions.Normal(torch.zeros(603), torch.ones(603))
    expected = torch.distributions.kl_divergence(posterior, standard).sum()
    torch.testing.assert_close(divergence(mean, deviation), expected)
