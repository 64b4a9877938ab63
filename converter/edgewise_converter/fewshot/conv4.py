"""Conv4: four blocks of convolution, batch norm, ReLU and pooling, as few-shot papers use it.

Vinyals et al. 2016 (arXiv 1606.04080), Snell et al. 2017 (arXiv 1703.05175): 3×3 convolutions of 64
filters, 2×2 max pooling after each block. RelationNet (arXiv 1711.06025) pools after the first two
blocks only, so that a feature map is left.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from edgewise_converter.fewshot.kinks import rectify

BLOCKS = 4
#: The pixel value that becomes zero, and by how much one differs from it that becomes one.
PIXEL_ZERO, PIXEL_SCALE = 127.5, 63.75


class Conv4(nn.Module):
    """Images to feature maps."""

    def __init__(self, width: int = 64, pools: int = BLOCKS) -> None:
        """Build it with PyTorch's initial weights.

        Args:
            width: filters of every block.
            pools: how many blocks, from the first, are followed by pooling.
        """
        super().__init__()
        self.width = width
        self.blocks = nn.Sequential(
            *(_Block(width if at else 3, width, pool=at < pools) for at in range(BLOCKS))
        )

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) standardised images to (B, width, h, w); h = H / 2 for each pooling."""
        maps: Tensor = self.blocks(images)
        return maps


class _Block(nn.Module):
    def __init__(self, inputs: int, outputs: int, *, pool: bool) -> None:
        super().__init__()
        # The norm's shift stands in for a bias.
        self.conv = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(outputs)
        self.pool = pool

    def forward(self, maps: Tensor) -> Tensor:
        return rectify(self.norm(self.conv(maps)), pool=self.pool)


def standardise(images: NDArray[np.uint8] | Tensor) -> Tensor:
    """(B, H, W, 3) uint8 to (B, 3, H, W) float32, about zero mean and unit deviation.

    The same constants whatever the data, so that no statistics of a set need to be carried along.
    Channels stay last in memory, which is how convolutions on a CPU like them.
    """
    pixels = torch.as_tensor(images)
    standard = pixels.float() / PIXEL_SCALE - PIXEL_ZERO / PIXEL_SCALE
    return standard.permute(0, 3, 1, 2)
