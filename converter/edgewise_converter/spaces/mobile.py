"""What the networks of the mobile spaces are made of: convolutions with their norm and activation,
inverted bottlenecks, squeeze-and-excitation.

Sources: Sandler et al., "MobileNetV2", CVPR 2018 (arXiv 1801.04381); Howard et al., "Searching for
MobileNetV3", ICCV 2019 (arXiv 1905.02244).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

#: Channels are rounded to multiples of this.
_DIVISOR = 8


def conv_norm(
    inputs: int,
    outputs: int,
    kernel: int,
    *,
    stride: int = 1,
    groups: int = 1,
    activation: type[nn.Module] | None = nn.ReLU,
) -> nn.Sequential:
    """A convolution without bias that keeps the size (but for `stride`), norm, activation."""
    padding = kernel // 2
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, padding, groups=groups, bias=False)
    layers: list[nn.Module] = [convolution, nn.BatchNorm2d(outputs)]
    if activation is not None:
        layers.append(activation())
    return nn.Sequential(*layers)


class SqueezeExcite(nn.Module):
    """Scales each channel by what two small layers make of all channels' means."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        middle = divisible(channels // 4)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.reduce = nn.Conv2d(channels, middle, 1)
        self.relu = nn.ReLU()
        self.expand = nn.Conv2d(middle, channels, 1)
        self.gate = nn.Hardsigmoid()

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to the same shape."""
        scale = self.gate(self.expand(self.relu(self.reduce(self.pool(x)))))
        return torch.mul(x, scale)


class Residual(nn.Module):
    """A body with its input added to its output."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to the same shape."""
        total: Tensor = self.body(x) + x
        return total


def residual_if_same(body: nn.Module, inputs: int, outputs: int, stride: int) -> nn.Module:
    """`body`, with a residual connection where its input and output have one shape."""
    return Residual(body) if inputs == outputs and stride == 1 else body


def divisible(channels: int) -> int:
    """The multiple of 8 nearest to `channels`, at least 8 and never below nine tenths of it."""
    rounded = max(_DIVISOR, (channels + _DIVISOR // 2) // _DIVISOR * _DIVISOR)
    return rounded if rounded >= 0.9 * channels else rounded + _DIVISOR


class Classifier(nn.Module):
    """Features, the mean of each channel, a head."""

    def __init__(self, features: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.features = features
        self.head = head

    def forward(self, x: Tensor) -> Tensor:
        """Logits (B, classes) of images (B, 3, H, W) float32."""
        logits: Tensor = self.head(self.features(x).mean(dim=(2, 3)))
        return logits
