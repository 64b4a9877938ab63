"""Sixty random networks to tune models of latency on, so that no well-known network need be.

    python benchmarks/validation_networks.py

Each is a random sequence of what networks are made of: convolutions of any shape (dense, grouped,
depthwise, 1x1 to 7x7), poolings, residual additions, branches side by side, squeeze-and-excitation,
shuffles, linear layers up to 4096 x 4096; 3 to 1024 channels, sides of 7 to 224, forty million to
three thousand million multiply-accumulates. They are written with edgewise's own writers, checked
against torch, and kept as `build/validation/NN.tflite` and `.onnx`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from edgewise_converter.compile.parity import check_classifier
from edgewise_converter.compile.reference_models import FORMATS, fill_with_pattern, model_file
from edgewise_converter.spaces.mobile import Residual, SqueezeExcite, conv_norm

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "build" / "validation"
COUNT = 60
_CHANNELS = (8, 16, 24, 32, 48, 64, 96, 128, 160, 192, 256, 320, 384, 512, 768, 1024)
_FEATURES = (10, 100, 256, 1000, 1024, 2048, 4096)
_LEAST_MACS, _MOST_MACS = 4e7, 3e9
_MOST_STEPS = 40
_TOLERANCE = 1e-4


def main() -> None:
    """Write whatever is missing."""
    for number in range(COUNT):
        paths = [model_path(number, file_format) for file_format in FORMATS]
        print(paths[0].stem, *(f"{path.stat().st_size / 1e6:.1f} MB" for path in paths))


def model_path(number: int, file_format: str) -> Path:
    """The file of a network, written and checked if it is not there.

    Raises:
        ParityError: a file does not compute what torch computes.
    """
    path = FOLDER / f"{number:02d}.{file_format}"
    if not path.exists():
        FOLDER.mkdir(parents=True, exist_ok=True)
        network, image = random_network(number)
        files = {name: model_file(network, name, image) for name in FORMATS}
        check_classifier(network, files, image=image, cases=1, tolerance=_TOLERANCE)
        for name, file in files.items():
            (FOLDER / f"{number:02d}.{name}").write_bytes(file)
    return path


def random_network(seed: int) -> tuple[nn.Module, tuple[int, int, int]]:
    """A network in evaluation mode, the same for a seed, and the (C, H, W) of its image."""
    generator = np.random.default_rng([seed, 7])
    wanted = float(np.exp(generator.uniform(math.log(_LEAST_MACS), math.log(_MOST_MACS))))
    side = int(generator.choice([28, 32, 56, 64, 96, 112, 128, 160, 192, 224]))
    image = (3, side, side) if side > 56 else (int(generator.choice([3, 16, 64, 128])), side, side)
    draft = _Draft(generator, *image[:2])
    if side > 100:
        draft.dense(stride=2)
    while draft.macs < wanted and len(draft.layers) < _MOST_STEPS:
        draft.step()
    network = nn.Sequential(*draft.layers, *draft.head()).eval()
    fill_with_pattern(network)
    return network, image


class Branches(nn.Module):
    """What several modules make of one input, their channels side by side."""

    def __init__(self, *branches: nn.Module) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, sum of the branches' channels, H, W)."""
        return torch.cat([branch(x) for branch in self.branches], 1)


@dataclass
class _Draft:
    """A network while it is made up: what it has, and the shape that comes next."""

    generator: np.random.Generator
    channels: int
    side: int
    layers: list[nn.Module] = field(default_factory=list)
    macs: float = 0.0

    def step(self) -> None:
        """Append one thing; the more common in real networks, the likelier."""
        kinds = {
            self.dense: 6,
            self.depthwise: 3,
            self.grouped: 2,
            self.bottleneck: 3,
            self.residual: 2,
            self.branches: 2,
            self.squeeze_excite: 1,
            self.shuffle: 0.5,
            self.pool: 1,
        }
        share = np.array(list(kinds.values()))
        kind = self.generator.choice(len(kinds), p=share / share.sum())
        list(kinds)[int(kind)]()

    def dense(self, stride: int | None = None) -> None:
        """A convolution, most often 3x3 or 1x1."""
        kernel = int(self.generator.choice([1, 3, 5, 7], p=[0.35, 0.45, 0.12, 0.08]))
        self._conv(self._width(), kernel, self._stride(kernel) if stride is None else stride)

    def depthwise(self) -> None:
        """A convolution of each channel by itself."""
        kernel = int(self.generator.choice([3, 5, 7], p=[0.5, 0.35, 0.15]))
        self._conv(self.channels, kernel, self._stride(kernel), groups=self.channels)

    def grouped(self) -> None:
        """A convolution in groups."""
        fitting = [g for g in (2, 3, 4, 8, 32) if self.channels % g == 0 and self.channels > g]
        if fitting:
            groups = int(self.generator.choice(fitting))
            width = -(-self._width() // groups) * groups
            self._conv(width, int(self.generator.choice([1, 3])), 1, groups=groups)

    def bottleneck(self) -> None:
        """Channels made many, convolved each by itself, made few."""
        inputs = self.channels
        if inputs * 6 <= 1024:
            self._conv(inputs * int(self.generator.choice([3, 4, 6])), 1, 1)
            self.depthwise()
            self._conv(int(self.generator.choice([inputs, 2 * inputs])), 1, 1, activation=None)

    def residual(self) -> None:
        """A convolution that keeps the shape, and the input added."""
        kernel = int(self.generator.choice([1, 3]))
        self.layers.append(Residual(self._made(self.channels, kernel, 1)))

    def branches(self) -> None:
        """Two or three convolutions side by side."""
        count, share = int(self.generator.integers(2, 4)), self._width() // 2
        made = [self._made(share, int(self.generator.choice([1, 3, 5])), 1) for _ in range(count)]
        self.layers.append(Branches(*made))
        self.channels = share * count

    def squeeze_excite(self) -> None:
        """Channels scaled by what their means say."""
        self.layers.append(SqueezeExcite(self.channels))

    def shuffle(self) -> None:
        """Channels dealt out anew."""
        if self.channels % 4 == 0:
            self.layers.append(nn.ChannelShuffle(int(self.generator.choice([2, 4]))))

    def pool(self) -> None:
        """Halves the sides, or takes maxima that overlap."""
        if self.side >= 14:
            kernel = int(self.generator.choice([2, 3]))
            kind = nn.MaxPool2d if self.generator.random() < 0.7 else nn.AvgPool2d
            self.layers.append(kind(kernel, 2))
            self.side = (self.side - kernel) // 2 + 1

    def head(self) -> list[nn.Module]:
        """The mean of each channel, up to two wide linear layers, ten to a thousand classes."""
        layers: list[nn.Module] = [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
        inputs = self.channels
        for _ in range(int(self.generator.integers(0, 3))):
            width = int(self.generator.choice(_FEATURES))
            layers += [nn.Linear(inputs, width), nn.ReLU()]
            inputs = width
        return [*layers, nn.Linear(inputs, int(self.generator.choice([10, 100, 1000])))]

    def _width(self) -> int:
        """Channels: any where the image is small, few where it is large."""
        most = max(16, 1024 * 14 // self.side)
        near = [c for c in _CHANNELS if self.channels / 2 <= c <= max(4 * self.channels, 64)]
        return int(self.generator.choice([c for c in near if c <= most] or [16]))

    def _stride(self, kernel: int) -> int:
        return 2 if kernel > 1 and self.side >= 14 and self.generator.random() < 0.3 else 1

    def _conv(
        self,
        outputs: int,
        kernel: int,
        stride: int,
        *,
        groups: int = 1,
        activation: type[nn.Module] | None = nn.ReLU,
    ) -> None:
        if activation is not None and self.generator.random() < 0.25:
            activation = nn.Hardswish
        self.layers.append(self._made(outputs, kernel, stride, groups, activation))
        self.channels = outputs
        self.side = -(-self.side // stride)

    def _made(
        self,
        outputs: int,
        kernel: int,
        stride: int,
        groups: int = 1,
        activation: type[nn.Module] | None = nn.ReLU,
    ) -> nn.Module:
        side = -(-self.side // stride)
        self.macs += outputs * self.channels / groups * kernel**2 * side**2
        return conv_norm(
            self.channels, outputs, kernel, stride=stride, groups=groups, activation=activation
        )


if __name__ == "__main__":
    main()
