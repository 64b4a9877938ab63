"""A supernet for 32×32 pictures: many networks that share their weights.

As once-for-all (Cai et al., arXiv 1908.09791): inverted bottlenecks with squeeze-and-excitation and
hard swish (MobileNetV3, Howard et al., arXiv 1905.02244), of elastic depth, kernel size and
expansion. A smaller kernel is the middle of the larger one, a smaller expansion its first channels.
`cut` makes a network of its own out of a choice, which computes the same.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edgewise_converter.retrieval.choice import EXPANSIONS, KERNELS, MOST_BLOCKS, Choice
from edgewise_converter.spaces.mobile import (
    Classifier,
    SqueezeExcite,
    conv_norm,
    divisible,
    residual_if_same,
)


@dataclass(frozen=True)
class Stage:
    """What the blocks of a stage share; the first one's stride is 2."""

    channels: int
    activation: type[nn.Module]
    excites: bool


WIDTHS = (
    Stage(24, nn.ReLU, False),
    Stage(40, nn.ReLU, True),
    Stage(80, nn.Hardswish, True),
)
STEM, FEATURES = 16, 160

_MOMENTUM, _EPS = 0.1, 1e-5


class Norm(nn.BatchNorm2d):
    """Batch norm of the first channels of as many as there are."""

    def forward(self, maps: Tensor) -> Tensor:
        """(B, C, H, W) of any C up to its own, to the same shape."""
        count = maps.shape[1]
        assert self.running_mean is not None
        assert self.running_var is not None
        return F.batch_norm(
            maps,
            self.running_mean[:count],
            self.running_var[:count],
            self.weight[:count],
            self.bias[:count],
            self.training,
            _MOMENTUM,
            _EPS,
        )


class Gate(nn.Module):
    """Squeeze-and-excitation of the first channels of as many as there are."""

    def __init__(self, channels: int) -> None:
        """Build it for the most channels."""
        super().__init__()
        middle = divisible(channels // 4)
        self.reduce = nn.Conv2d(channels, middle, 1)
        self.expand = nn.Conv2d(middle, channels, 1)

    def forward(self, maps: Tensor) -> Tensor:
        """(B, C, H, W) to the same shape."""
        count = maps.shape[1]
        middle = divisible(count // 4)
        assert self.reduce.bias is not None
        assert self.expand.bias is not None
        scale = maps.mean((2, 3), keepdim=True)
        scale = F.conv2d(scale, self.reduce.weight[:middle, :count], self.reduce.bias[:middle])
        weight, bias = self.expand.weight[:count, :middle], self.expand.bias[:count]
        return maps * F.hardsigmoid(F.conv2d(F.relu(scale), weight, bias))


class ElasticBlock(nn.Module):
    """An inverted bottleneck of any kernel size and expansion."""

    def __init__(self, inputs: int, stage: Stage, stride: int) -> None:
        """Build it at its most."""
        super().__init__()
        middle = inputs * EXPANSIONS[-1]
        window = KERNELS[-1]
        self.inputs, self.stage, self.stride = inputs, stage, stride
        self.expand = nn.Conv2d(inputs, middle, 1, bias=False)
        self.expand_norm = Norm(middle)
        self.depthwise = nn.Conv2d(middle, middle, window, groups=middle, bias=False)
        self.depthwise_norm = Norm(middle)
        self.gate = Gate(middle) if stage.excites else None
        self.project = nn.Conv2d(middle, stage.channels, 1, bias=False)
        self.project_norm = Norm(stage.channels)
        self.activation = stage.activation()

    def forward(self, maps: Tensor, kernel: int, expansion: int) -> Tensor:
        """(B, inputs, H, W) to (B, outputs, H / stride, W / stride)."""
        middle = self.inputs * expansion
        edge = (KERNELS[-1] - kernel) // 2
        window = slice(edge, KERNELS[-1] - edge)
        passed = F.conv2d(maps, self.expand.weight[:middle])
        passed = self.activation(self.expand_norm(passed))
        weight = self.depthwise.weight[:middle, :, window, window]
        passed = F.conv2d(passed, weight, stride=self.stride, padding=kernel // 2, groups=middle)
        passed = self.activation(self.depthwise_norm(passed))
        if self.gate is not None:
            passed = self.gate(passed)
        result: Tensor = self.project_norm(F.conv2d(passed, self.project.weight[:, :middle]))
        return result + maps if result.shape == maps.shape else result

    def cut(self, kernel: int, expansion: int) -> nn.Module:
        """The block of that kernel and expansion by itself, its weights copied."""
        middle, outputs = self.inputs * expansion, self.stage.channels
        act = self.stage.activation
        edge = (KERNELS[-1] - kernel) // 2
        window = slice(edge, KERNELS[-1] - edge)
        expand = conv_norm(self.inputs, middle, 1, activation=act)
        depthwise = conv_norm(
            middle, middle, kernel, stride=self.stride, groups=middle, activation=act
        )
        project = conv_norm(middle, outputs, 1, activation=None)
        _copy(expand, self.expand.weight[:middle], self.expand_norm)
        _copy(depthwise, self.depthwise.weight[:middle, :, window, window], self.depthwise_norm)
        _copy(project, self.project.weight[:, :middle], self.project_norm)
        layers: list[nn.Module] = [expand, depthwise]
        if self.gate is not None:
            layers.append(_cut_gate(self.gate, middle))
        body = nn.Sequential(*layers, project)
        return residual_if_same(body, self.inputs, outputs, self.stride)


class Supernet(nn.Module):
    """All networks at once; a choice is made at every call."""

    def __init__(self, classes: int) -> None:
        """Build it at its most, with PyTorch's initial weights."""
        super().__init__()
        self.stem = nn.Conv2d(3, STEM, 3, padding=1, bias=False)
        self.stem_norm = Norm(STEM)
        self.blocks = nn.ModuleList()
        inputs = STEM
        for stage in WIDTHS:
            for at in range(MOST_BLOCKS):
                self.blocks.append(ElasticBlock(inputs, stage, 1 if at else 2))
                inputs = stage.channels
        self.last = nn.Conv2d(inputs, FEATURES, 1, bias=False)
        self.last_norm = Norm(FEATURES)
        self.head = nn.Linear(FEATURES, classes)

    def forward(self, images: Tensor, choice: Choice) -> Tensor:
        """(B, 3, 32, 32) standardised images to logits (B, classes)."""
        maps = F.hardswish(self.stem_norm(self.stem(images)))
        for stage, at in choice.blocks():
            number = stage * MOST_BLOCKS + at
            maps = self.blocks[number](maps, choice.kernels[number], choice.expansions[number])
        maps = F.hardswish(self.last_norm(self.last(maps)))
        logits: Tensor = self.head(maps.mean((2, 3)))
        return logits

    def cut(self, choice: Choice) -> Classifier:
        """The network of a choice by itself, its weights copied, in evaluation mode."""
        stem = conv_norm(3, STEM, 3, activation=nn.Hardswish)
        last = conv_norm(WIDTHS[-1].channels, FEATURES, 1, activation=nn.Hardswish)
        _copy(stem, self.stem.weight, self.stem_norm)
        _copy(last, self.last.weight, self.last_norm)
        body = []
        for stage, at in choice.blocks():
            number = stage * MOST_BLOCKS + at
            block = self.blocks[number]
            assert isinstance(block, ElasticBlock)
            body.append(block.cut(choice.kernels[number], choice.expansions[number]))
        head = nn.Linear(FEATURES, self.head.out_features)
        head.load_state_dict(self.head.state_dict())
        return Classifier(nn.Sequential(stem, *body, last), head).eval()

    def with_classes(self, classes: int) -> Supernet:
        """A copy whose head is fresh and has so many classes."""
        copy = Supernet(classes)
        shared = {k: v for k, v in self.state_dict().items() if not k.startswith("head.")}
        copy.load_state_dict(shared, strict=False)
        return copy


def _cut_gate(gate: Gate, channels: int) -> SqueezeExcite:
    cut = SqueezeExcite(channels)
    middle = divisible(channels // 4)
    assert gate.reduce.bias is not None
    assert gate.expand.bias is not None
    with torch.no_grad():
        for layer, weight, bias in (
            (cut.reduce, gate.reduce.weight[:middle, :channels], gate.reduce.bias[:middle]),
            (cut.expand, gate.expand.weight[:channels, :middle], gate.expand.bias[:channels]),
        ):
            layer.weight.copy_(weight)
            assert layer.bias is not None
            layer.bias.copy_(bias)
    return cut


def _copy(layer: nn.Sequential, weight: Tensor, norm: Norm) -> None:
    """Give a convolution and its norm the weights and the first channels' statistics."""
    convolution, own = layer[0], layer[1]
    assert isinstance(convolution, nn.Conv2d)
    assert isinstance(own, nn.BatchNorm2d)
    count = own.num_features
    with torch.no_grad():
        convolution.weight.copy_(weight)
        for name in ("weight", "bias", "running_mean", "running_var"):
            getattr(own, name).copy_(getattr(norm, name)[:count])
