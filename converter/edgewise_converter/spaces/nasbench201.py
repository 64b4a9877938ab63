"""NAS-Bench-201 networks in torch, as the benchmark defines them.

Source: Dong & Yang, "NAS-Bench-201", ICLR 2020 (arXiv 2001.00326), section 2 and figure 1; the
CIFAR skeleton with ``C = 16`` channels and ``N = 5`` cells a stage.

Two readings of an architecture live here, and the difference matters to whoever times a network:

* :func:`build` executes everything the string says: a ``none`` edge multiplies its input by zero,
  and an operation whose result reaches nothing still runs. Its answers are the reference for every
  other form.
* what a deployed file holds (``compile.reference_models``) is what is left after a converter's
  constant folding and dead-code elimination. The answers are the same; the work is not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from edgewise.spaces import get_space

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Operation names in the order of the codes that ``Space.encode`` gives.
OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
#: ``(node, source)`` of each edge, in the order of the codes.
EDGES = ((1, 0), (2, 0), (2, 1), (3, 0), (3, 1), (3, 2))
#: Number of nodes of a cell; node 0 is its input, the last its output.
NODES = 4
#: Channels of the first stage, cells of a stage, stages, side of the input image.
CHANNELS, CELLS, STAGES, IMAGE = 16, 5, 3, 32


class Zero(nn.Module):
    """``none``: the input times zero, as the benchmark writes it and some runtimes execute it."""

    def forward(self, x: Tensor) -> Tensor:
        """Zeros of the shape of ``x`` (B, C, H, W)."""
        return x.mul(0.0)


def relu_conv_bn(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Sequential:
    """ReLU, convolution without bias, batch normalisation: the benchmark's ``nor_conv``."""
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False)
    return nn.Sequential(nn.ReLU(), convolution, nn.BatchNorm2d(outputs))


def operation(code: int, channels: int) -> nn.Module:
    """The module of one edge, from its code 0..4; (B, C, H, W) to the same shape."""
    match OPERATIONS[code]:
        case "none":
            return Zero()
        case "skip_connect":
            return nn.Identity()
        case "nor_conv_1x1":
            return relu_conv_bn(channels, channels, 1)
        case "nor_conv_3x3":
            return relu_conv_bn(channels, channels, 3)
        case _:
            return nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False)


class Cell(nn.Module):
    """Four nodes joined by six edges; a node is the sum of its edges, the last node the output."""

    def __init__(self, codes: Sequence[int], channels: int) -> None:
        super().__init__()
        self.edges = nn.ModuleList(operation(code, channels) for code in codes)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to the same shape."""
        nodes: list[Tensor] = [x]
        for node in range(1, NODES):
            incoming = [
                edge(nodes[source])
                for edge, (target, source) in zip(self.edges, EDGES, strict=True)
                if target == node
            ]
            total = incoming[0]
            for term in incoming[1:]:
                total = total + term
            nodes.append(total)
        return nodes[-1]


class Reduction(nn.Module):
    """The residual block between stages: halves the sides, doubles the channels."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.first = relu_conv_bn(inputs, outputs, 3, stride=2)
        self.second = relu_conv_bn(outputs, outputs, 3)
        self.pool = nn.AvgPool2d(2, stride=2)
        self.project = nn.Conv2d(inputs, outputs, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, 2C, H/2, W/2)."""
        projected, branch = self.project(self.pool(x)), self.second(self.first(x))
        total: Tensor = projected + branch
        return total


class Network(nn.Module):
    """The whole network: stem, three stages of cells with a reduction between them, classifier."""

    def __init__(self, codes: Sequence[int], num_classes: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, CHANNELS, 3, padding=1, bias=False), nn.BatchNorm2d(CHANNELS)
        )
        body: list[nn.Module] = []
        for stage in range(STAGES):
            channels = CHANNELS << stage
            if stage:
                body.append(Reduction(channels // 2, channels))
            body.extend(Cell(codes, channels) for _ in range(CELLS))
        self.body = nn.Sequential(*body)
        last = CHANNELS << (STAGES - 1)
        self.norm = nn.BatchNorm2d(last)
        self.classifier = nn.Linear(last, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (B, num_classes) of images ``x`` (B, 3, 32, 32) float32."""
        features = torch.relu(self.norm(self.body(self.stem(x))))
        logits: Tensor = self.classifier(features.mean(dim=(2, 3)))
        return logits


def build(arch: str, *, num_classes: int = 10) -> Network:
    """The network of ``arch``, in evaluation mode, with torch's own initial weights.

    Args:
        arch: architecture string of the space ``nasbench201``.
        num_classes: number of logits.

    Raises:
        edgewise.errors.ArchitectureError: ``arch`` is malformed.
    """
    codes = [int(code) for code in get_space("nasbench201").encode(arch)[0]]
    return Network(codes, num_classes).eval()


def input_shape(_arch: str) -> tuple[int, int, int]:
    """(C, H, W) of the image, the same for all architectures."""
    return (3, IMAGE, IMAGE)
