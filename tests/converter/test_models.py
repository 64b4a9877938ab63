"""Compiled networks: equal to torch in every runtime, small, and fit to be timed."""

from __future__ import annotations

import zlib

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from edgewise.pattern import cut_out
from edgewise.runtimes import available_runtimes
from edgewise.spaces import get_space
from edgewise_converter.compile.parity import (
    Parity,
    ParityError,
    check_classifier,
    relative_error,
    require,
    worst,
)
from edgewise_converter.compile.reference_models import (
    FORMATS,
    model_file,
    pattern_models,
    pattern_network,
    reference_models,
)
from edgewise_converter.spaces.nasbench201 import build

SPACE = "nasbench201"
FULL = (
    "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|"
    "+|nor_conv_3x3~0|nor_conv_1x1~1|avg_pool_3x3~2|"
)
#: Dead and zero-fed operations, poolings of one node, a sum of a node with itself.
VARIED = (
    FULL,
    "|none~0|+|nor_conv_3x3~0|nor_conv_1x1~1|+|skip_connect~0|nor_conv_3x3~1|none~2|",
    "|avg_pool_3x3~0|+|avg_pool_3x3~0|skip_connect~1|+|none~0|nor_conv_1x1~1|nor_conv_3x3~2|",
    "|skip_connect~0|+|skip_connect~0|skip_connect~1|+|skip_connect~0|none~1|skip_connect~2|",
    "|none~0|+|none~0|nor_conv_3x3~1|+|none~0|nor_conv_3x3~1|skip_connect~2|",
)


def random_network(arch: str) -> nn.Module:
    """Random weights and batch statistics, as after training."""
    torch.manual_seed(len(arch))
    network = build(arch)
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.uniform_(layer.bias, -0.3, 0.3)
            nn.init.uniform_(layer.weight, 0.5, 1.5)
            assert layer.running_mean is not None
            assert layer.running_var is not None
            nn.init.uniform_(layer.running_mean, -0.3, 0.3)
            nn.init.uniform_(layer.running_var, 0.5, 2.0)
    return network


@pytest.mark.parametrize("arch", VARIED)
def test_random_weights_agree_with_torch_in_every_runtime(arch: str) -> None:
    network = random_network(arch)
    files = {file_format: model_file(network, file_format) for file_format in FORMATS}
    found = check_classifier(network, files, cases=2, tolerance=5e-6)
    assert {parity.runtime for parity in found} == set(available_runtimes())


@pytest.mark.parametrize("arch", VARIED)
def test_pattern_weights_agree_with_torch_in_every_runtime(arch: str) -> None:
    files = {name: model.file for name, model in pattern_models(SPACE, arch).items()}
    found = check_classifier(pattern_network(SPACE, arch), files, cases=2, tolerance=5e-5)
    assert {parity.runtime for parity in found} == set(available_runtimes())


def test_a_wrong_model_is_found_out() -> None:
    network, other = random_network(FULL), pattern_network(SPACE, FULL)
    with pytest.raises(ParityError, match="differs from torch"):
        check_classifier(network, {"onnx": model_file(other, "onnx")}, cases=1)


def test_relative_error() -> None:
    expected = np.array([0.0, -2.0], np.float32)
    assert relative_error(expected + np.float32(0.5), expected) == pytest.approx(0.25)
    assert relative_error(np.array([np.nan, 0.0], np.float32), expected) == float("inf")
    assert relative_error(expected[:1], expected) == float("inf")
    with pytest.raises(ParityError):
        require(Parity("litert", "2", 1, float("nan")), 1.0)


def test_worst_counts_all_cases() -> None:
    parities = [Parity("litert", "2", 3, 1e-7), Parity("litert", "2", 2, 3e-7)]
    assert worst([*parities, Parity("onnxruntime", "1", 1, 0.0)]) == [
        Parity("litert", "2", 5, 3e-7),
        Parity("onnxruntime", "1", 1, 0.0),
    ]


def activations(network: nn.Module) -> list[torch.Tensor]:
    """What every layer that computes something gives for one image."""
    seen: list[torch.Tensor] = []
    for layer in network.modules():
        if isinstance(layer, (nn.Conv2d, nn.AvgPool2d, nn.BatchNorm2d, nn.Linear)):
            layer.register_forward_hook(lambda _m, _i, out: seen.append(out))
    with torch.no_grad():
        network(torch.sin(torch.arange(3072.0)).reshape(1, 3, 32, 32))
    return seen


def test_activations_are_finite_and_normal() -> None:
    tiny = np.finfo(np.float32).tiny
    for arch in get_space(SPACE).architectures()[7::1561]:
        network = pattern_network(SPACE, arch)
        for activation in activations(network):
            size = activation.abs()
            assert bool(torch.isfinite(activation).all()), arch
            assert float(size.max()) < 1e20, arch
            assert not bool(((size > 0) & (size < tiny)).any()), arch


def test_reference_models_are_named_and_small() -> None:
    models = reference_models(SPACE, VARIED[:2])
    assert list(models) == [f"reference.{i:02d}.{f}" for i in range(2) for f in FORMATS]
    for model in models.values():
        assert len(zlib.compress(cut_out(model.file, model.cuts), 9)) < 10_000
    proto = onnx.load_from_string(models["reference.00.onnx"].file)
    # Weights are in the file, as they are of a real model: none is made up at load time.
    assert sum(len(tensor.raw_data) for tensor in proto.graph.initializer) > 2_000_000
