"""The product's embedder: a small residual network for 84×84 pictures.

Dense 3×3 convolutions (He et al. 2015, arXiv 1512.03385), because CPUs run and train them at a
higher share of their speed than depthwise ones: a stem, two basic blocks, and a bottleneck that
widens at the end, each of stride 2. The mean over the last 6×6 map is the embedding.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from edgewise.errors import ArgumentError
from edgewise_converter.fewshot.kinks import rectify

SIDE = 84
"""Height and width of the pictures, pixels."""

PIXEL_ZERO, PIXEL_SCALE = 128.0, 64.0
"""A pixel p enters as (p - zero) / scale: a whole zero, so that 8-bit inputs need no rounding."""


@dataclass(frozen=True)
class Widths:
    """Channels of an embedder.

    Attributes:
        stem: of the first convolution.
        blocks: of the basic blocks.
        inner: of the bottleneck's inside.
        dim: of the embedding.
        convolutions: in each basic block.
    """

    stem: int
    blocks: tuple[int, ...]
    inner: int
    dim: int
    convolutions: int = 2


SIZES = {
    "small": Widths(16, (32, 64), 48, 128),
    "medium": Widths(24, (48, 96), 72, 192),
    "large": Widths(32, (64, 128), 96, 256),
    "xlarge": Widths(40, (80, 160), 96, 384, convolutions=3),
}
"""Embedders by name; `xlarge` is what ships."""


class Normed(nn.Sequential):
    """A convolution without bias, and batch norm."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1) -> None:
        """Build it with PyTorch's initial weights; padding keeps the size at stride 1."""
        conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
        super().__init__(conv, nn.BatchNorm2d(outputs))

    @property
    def conv(self) -> nn.Conv2d:
        """The convolution."""
        found = self[0]
        assert isinstance(found, nn.Conv2d)
        return found

    @property
    def norm(self) -> nn.BatchNorm2d:
        """The batch norm."""
        found = self[1]
        assert isinstance(found, nn.BatchNorm2d)
        return found


class Block(nn.Module):
    """A residual block: convolutions with ReLU between, a projection beside, ReLU at the end."""

    def __init__(self, inputs: int, parts: list[Normed], outputs: int, stride: int) -> None:
        """Join the convolutions; the projection has the same stride as they."""
        super().__init__()
        self.parts = nn.ModuleList(parts)
        self.skip = Normed(inputs, outputs, 1, stride)

    def forward(self, maps: Tensor) -> Tensor:
        """(B, C, H, W) to (B, outputs, H / stride, W / stride), sizes rounded up."""
        passed = maps
        for part in self.parts[:-1]:
            passed = rectify(part(passed))
        return rectify(self.parts[-1](passed) + self.skip(maps))


class Embedder(nn.Module):
    """Pictures to embeddings, which are not of unit length."""

    def __init__(self, widths: Widths) -> None:
        """Build it with PyTorch's initial weights."""
        super().__init__()
        self.widths = widths
        self.stem = Normed(3, widths.stem, 3, 2)
        self.blocks = nn.ModuleList()
        inputs = widths.stem
        for width in widths.blocks:
            parts = [Normed(inputs, width, 3, 2)]
            parts += [Normed(width, width, 3) for _ in range(widths.convolutions - 1)]
            self.blocks.append(Block(inputs, parts, width, 2))
            inputs = width
        inner, dim = widths.inner, widths.dim
        bottleneck = [Normed(inputs, inner, 1), Normed(inner, inner, 3, 2), Normed(inner, dim, 1)]
        self.blocks.append(Block(inputs, bottleneck, dim, 2))

    def forward(self, pixels: Tensor) -> Tensor:
        """(B, 3, H, W) pixel values 0..255 to (B, dim), none below 0."""
        return self.embed((pixels - PIXEL_ZERO) / PIXEL_SCALE)

    def embed(self, standardised: Tensor) -> Tensor:
        """The same of standardised pixels."""
        maps = rectify(self.stem(standardised))
        for block in self.blocks:
            maps = block(maps)
        return maps.mean((2, 3))


class FinishedEmbedder(nn.Module):
    """An embedder with what makes its directions tell new classes apart better.

    The square root of each feature (a power transform, Hu et al. 2020, arXiv 2006.03806, section
    3.1), and features centred by their mean over training pictures, or a share of it (Wang et al.
    2019, arXiv 1911.04623).
    """

    def __init__(self, embedder: Embedder, *, root: bool, centre: Tensor) -> None:
        """Join them.

        Args:
            embedder: in evaluation mode.
            root: take square roots.
            centre: (dim) subtracted from the features (or from their roots).
        """
        super().__init__()
        self.embedder = embedder
        self.root = root
        self.centre = nn.Buffer(centre)

    def forward(self, pixels: Tensor) -> Tensor:
        """(B, 3, H, W) pixel values 0..255 to (B, dim)."""
        features: Tensor = self.embedder(pixels)
        return (torch.sqrt(features) if self.root else features) - self.centre


def create_embedder(size: str, seed: int) -> Embedder:
    """A fresh embedder, the same for the same seed; channels last in memory.

    Raises:
        ArgumentError: an unknown size.
    """
    if size not in SIZES:
        raise ArgumentError(f"unknown size {size!r} of embedder; known are {', '.join(SIZES)}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        embedder = Embedder(SIZES[size])
    return embedder.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]
