"""Networks of the zoo as devices run them: from pixels to features, and the files of that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import nn

from edgewise import _core
from edgewise.spaces import Kernel, get_space
from edgewise_converter.compile.parity import check_classifier
from edgewise_converter.compile.reference_models import FORMATS, model_file
from edgewise_converter.fewshot.conv4 import standardise
from edgewise_converter.retrieval.choice import Choice, draw_choice, largest, smallest
from edgewise_converter.retrieval.deployed import DeployedFeatures
from edgewise_converter.retrieval.supernet import Norm, Supernet


@pytest.fixture(scope="module")
def supernet() -> Supernet:
    torch.manual_seed(3)
    found = Supernet(7)
    for module in found.modules():
        if isinstance(module, Norm):
            assert module.running_mean is not None
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.running_mean, 0.0, 0.3)
    return found.eval()


def choices() -> list[Choice]:
    generator = np.random.default_rng(6)
    return [largest(), smallest(), *(draw_choice(generator) for _ in range(3))]


def files_of(network: nn.Module) -> dict[str, bytes]:
    return {file_format: model_file(network, file_format) for file_format in FORMATS}


def test_pixels_go_in_and_what_the_head_reads_comes_out(supernet: Supernet) -> None:
    images = np.random.default_rng(1).integers(0, 256, (5, 32, 32, 3), dtype=np.uint8)
    for choice in choices():
        network = supernet.cut(choice)
        pixels = torch.from_numpy(images).permute(0, 3, 1, 2).float()
        with torch.no_grad():
            features = DeployedFeatures(network)(pixels)
            assert features.shape == (5, 160)
            logits = network(standardise(images))
        torch.testing.assert_close(network.head(features), logits, rtol=1e-4, atol=1e-5)


def test_files_agree_with_torch_in_every_runtime(supernet: Supernet) -> None:
    for choice in choices()[:3]:
        network = DeployedFeatures(supernet.cut(choice))
        check_classifier(network, files_of(network), cases=2, tolerance=1e-4)


@dataclass(frozen=True)
class Step:
    """A kernel, reduced to what files and the space both say."""

    op: str
    activation: str
    shape: tuple[int, ...]
    inputs: tuple[int, ...]


def steps(kernels: Sequence[Kernel]) -> list[Step]:
    """In one form: 1x1 convolutions of one pixel are products, and TFLite's hard sigmoid, which it
    writes as two steps (the first in the product before it), is one."""
    found: list[Step] = []
    numbers: list[int] = []  # of each kernel, the step that has its result
    for kernel in kernels:
        inputs = tuple(numbers[i] if i >= 0 else i for i in kernel.inputs)
        pixel = (kernel.height, kernel.width) == (1, 1)
        op, activation = kernel.op, kernel.activation
        if op == "conv" and pixel:
            op = "linear"
        if op == "mul" and len(inputs) == 1:
            before = found[-1]
            found[-1] = Step(before.op, "identity", before.shape, before.inputs)
            op = "hard_sigmoid"
        shape = (
            *(kernel.height, kernel.width, kernel.in_channels),
            *(kernel.out_height, kernel.out_width, kernel.out_channels),
            *(kernel.kernel_height, 0 if op == "global_avg_pool" else kernel.stride, kernel.groups),
        )
        numbers.append(len(found))
        found.append(Step(op, activation, shape, tuple(sorted(inputs))))
    return found


@pytest.mark.parametrize("choice", choices(), ids=str)
def test_files_hold_what_the_space_lowers(supernet: Supernet, choice: Choice) -> None:
    expected = steps(get_space("supernet").lower(str(choice)))
    for file_format, file in files_of(DeployedFeatures(supernet.cut(choice))).items():
        model = _core.read_model_bytes(file, file_format)
        assert model.unknown == []
        assert steps(model.kernels) == expected, file_format
