"""FBNet and once-for-all networks in torch: the core's kernels, and the same answers as files."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from edgewise.errors import ArchitectureError, ArgumentError
from edgewise.pattern import cut_out, put_back, stored_weights
from edgewise.runtimes import available_runtimes
from edgewise.spaces import get_space
from edgewise_converter.compile.lowering import deployed_graph
from edgewise_converter.compile.onnx import onnx_model
from edgewise_converter.compile.parity import check_classifier
from edgewise_converter.compile.reference_models import (
    FORMATS,
    fill_with_pattern,
    model_file,
    pattern_models,
    pattern_network,
    patterned,
)
from edgewise_converter.spaces.registry import build_network, input_shape

SPACES = ("fbnet", "ofa", "supernet")
#: Inputs, outputs, height, width, kernel, stride, groups.
Layer = tuple[int, ...]


def draw(space: str, count: int) -> list[str]:
    """Architectures of every choice: each draws its codes uniformly."""
    described = get_space(space)
    generator = np.random.default_rng(4)
    codes = np.array(
        [[generator.choice(choice) for choice in described.choices] for _ in range(count)],
        np.uint8,
    )
    return described.decode(codes)


def smallest(space: str) -> str:
    return min(draw(space, 40), key=lambda arch: get_space(space).flops(arch))


def layers_of(network: nn.Module, image: tuple[int, int, int]) -> list[Layer]:
    """Convolutions and linear layers in order of execution; the latter as 1 x 1."""
    seen: list[Layer] = []

    def note(layer: nn.Module, inputs: tuple[torch.Tensor], _output: torch.Tensor) -> None:
        if isinstance(layer, nn.Linear):
            seen.append((layer.in_features, layer.out_features, 1, 1, 1, 1, 1))
        elif isinstance(layer, nn.Conv2d):
            sides = inputs[0].shape[2:]
            window = (layer.kernel_size[0], layer.stride[0], layer.groups)
            seen.append((layer.in_channels, layer.out_channels, *sides, *window))

    for layer in network.modules():
        layer.register_forward_hook(note)
    with torch.no_grad():
        network(torch.zeros(1, *image))
    return seen


@pytest.mark.parametrize("space", SPACES)
def test_layers_are_the_kernels_of_the_core(space: str) -> None:
    for arch in draw(space, 6):
        image = input_shape(space, arch)
        expected = [
            (
                *(kernel.in_channels, kernel.out_channels, kernel.height, kernel.width),
                *(kernel.kernel_height, kernel.stride, kernel.groups),
            )
            for kernel in get_space(space).lower(arch)
            if kernel.op in ("conv", "linear")
        ]
        assert layers_of(build_network(space, arch), image) == expected, arch


@pytest.mark.parametrize("space", SPACES)
def test_the_other_operations_are_those_of_the_core(space: str) -> None:
    names = {
        "add": "add",
        "mul": "mul",
        "hard_swish": "hard_swish",
        "hard_sigmoid": "hard_sigmoid",
        "mean": "global_avg_pool",
        "channel_shuffle": "transpose",
    }
    for arch in draw(space, 6):
        graph = deployed_graph(build_network(space, arch), input_shape(space, arch))
        found = [names[node.op] for node in graph.nodes if node.op in names]
        kernels = get_space(space).lower(arch)
        expected = [kernel.op for kernel in kernels if kernel.op in names.values()]
        assert found == expected, arch
        relus = sum(kernel.activation == "relu" for kernel in kernels)
        assert sum(node.op == "relu" for node in graph.nodes) == relus


@pytest.mark.parametrize("space", SPACES)
def test_pattern_models_agree_with_torch_in_every_runtime(space: str) -> None:
    arch = draw(space, 1)[0]
    files = {name: model.file for name, model in pattern_models(space, arch).items()}
    image = input_shape(space, arch)
    found = check_classifier(
        pattern_network(space, arch), files, image=image, cases=1, tolerance=1e-4
    )
    assert {parity.runtime for parity in found} == set(available_runtimes())


@pytest.mark.parametrize("space", SPACES)
def test_trained_weights_agree_with_torch_in_every_runtime(space: str) -> None:
    torch.manual_seed(0)
    arch = smallest(space)
    network, image = build_network(space, arch), input_shape(space, arch)
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.uniform_(layer.bias, -0.3, 0.3)
            nn.init.uniform_(layer.weight, 0.5, 1.5)
            assert layer.running_mean is not None
            assert layer.running_var is not None
            nn.init.uniform_(layer.running_mean, -0.3, 0.3)
            nn.init.uniform_(layer.running_var, 0.5, 1.5)
    files = {file_format: model_file(network, file_format, image) for file_format in FORMATS}
    check_classifier(network, files, image=image, cases=1, tolerance=1e-4)


def sizes_of(
    network: nn.Module, image: torch.Tensor, kinds: tuple[type[nn.Module], ...]
) -> list[torch.Tensor]:
    """Absolute values of what each layer of some kinds gives for an image."""
    seen: list[torch.Tensor] = []
    for layer in network.modules():
        if isinstance(layer, kinds):
            layer.register_forward_hook(lambda _m, _i, out: seen.append(out.abs()))
    with torch.no_grad():
        network(image)
    return seen


@pytest.mark.parametrize("space", SPACES)
def test_activations_are_finite_and_normal(space: str) -> None:
    tiny = np.finfo(np.float32).tiny
    computing = (nn.Conv2d, nn.Linear, nn.BatchNorm2d, nn.ReLU, nn.Hardswish, nn.Hardsigmoid)
    for arch in draw(space, 2):
        image = input_shape(space, arch)
        picture = torch.sin(torch.arange(float(np.prod(image)))).reshape(1, *image)
        for size in sizes_of(pattern_network(space, arch), picture, computing):
            assert bool(torch.isfinite(size).all()), arch
            assert 1e-3 < float(size.max()) < 1e20, arch
            assert not bool(((size > 0) & (size < tiny)).any()), arch


OPERATIONS = {
    "grouped": nn.Conv2d(6, 9, 3, 2, 1, groups=3),
    "depthwise with a multiplier": nn.Conv2d(4, 8, 5, 1, 2, groups=4),
    "even padding at stride 2": nn.Conv2d(3, 4, 7, 2, 3),
    "shuffle": nn.Sequential(nn.Conv2d(3, 12, 1), nn.ChannelShuffle(4)),
    "maximum": nn.Sequential(nn.MaxPool2d(3, 2), nn.ReLU()),
    "1 x 1 image": nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(3, 5, 1), nn.Hardsigmoid()),
}


class Joined(nn.Module):
    """Two branches side by side."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = nn.Conv2d(3, 4, 1), nn.Conv2d(3, 2, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([self.left(x), x, self.right(x)], 1)


@pytest.mark.parametrize("name", [*OPERATIONS, "concat"])
def test_single_operations_agree_with_torch_in_every_runtime(name: str) -> None:
    torch.manual_seed(1)
    module = Joined() if name == "concat" else OPERATIONS[name]
    image = ({"grouped": 6, "depthwise with a multiplier": 4}.get(name, 3), 11, 14)
    with torch.no_grad():
        features = module(torch.zeros(1, *image)).numel()
    network = nn.Sequential(module, nn.Flatten(), nn.Linear(features, 7)).eval()
    files = {file_format: model_file(network, file_format, image) for file_format in FORMATS}
    found = check_classifier(network, files, image=image, cases=2, tolerance=1e-5)
    assert {parity.runtime for parity in found} == set(available_runtimes())


def test_a_pattern_inside_another_is_not_cut_out_twice() -> None:
    # 138 rows change their sign after 69, and 61 is the period: rows 61 to 77 are those of a layer
    # of 16, which is looked for in the same file.
    network = nn.Sequential(nn.Conv2d(3, 138, 1), nn.ReLU(), nn.Conv2d(138, 3, 1), nn.ReLU())
    network.append(nn.Conv2d(3, 16, 1))
    fill_with_pattern(network)
    graph = deployed_graph(network, (3, 8, 8))
    file = onnx_model(graph)
    assert stored_weights(16, 3, 1, 0).tobytes() in stored_weights(138, 3, 1, 0).tobytes()
    cuts = patterned(graph, file, "onnx")
    assert [cut.outputs for cut in cuts] == [138, 3, 16]
    assert put_back(cut_out(file, cuts), len(file)) == file


def test_what_has_no_builder() -> None:
    with pytest.raises(ArgumentError, match="no torch builder for space 'transformer'"):
        build_network("transformer", "{}")
    with pytest.raises(ArchitectureError):
        build_network("fbnet", "skip")
    with pytest.raises(ArchitectureError):
        input_shape("ofa", "{}")
