"""FBNet networks in torch, as the paper defines them.

Source: Wu et al., "FBNet: Hardware-Aware Efficient ConvNet Design via Differentiable Neural
Architecture Search", CVPR 2019 (arXiv 1812.03443), tables 1 and 2 and figure 3; a ``skip`` that
changes the shape is a convolution, as HW-NAS-Bench (Li et al., ICLR 2021) timed it.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from torch import nn

from edgewise.spaces import get_space
from edgewise_converter.spaces.mobile import Classifier, conv_norm, residual_if_same

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Output channels, layers, and stride of the first layer of each stage that is searched.
STAGES = ((16, 1, 1), (24, 4, 2), (32, 4, 2), (64, 4, 2), (112, 4, 1), (184, 4, 2), (352, 1, 1))
#: Channels of the stem and of the last convolution, side of the input image, classes.
STEM, LAST, IMAGE, CLASSES = 16, 1984, 224, 1000
SKIP = "skip"


def block(operation: str, inputs: int, outputs: int, stride: int) -> nn.Module:
    """The module of one layer; `operation` is ``skip`` or ``k<kernel>_e<expansion>[_g2]``."""
    if operation == SKIP:
        if inputs == outputs and stride == 1:
            return nn.Identity()
        return conv_norm(inputs, outputs, 1, stride=stride)
    kernel, expansion, *grouped = (int(part[1:]) for part in operation.split("_"))
    groups = grouped[0] if grouped else 1
    middle = inputs * expansion
    layers: list[nn.Module] = [conv_norm(inputs, middle, 1, groups=groups)]
    if groups > 1:
        layers.append(nn.ChannelShuffle(groups))
    layers.append(conv_norm(middle, middle, kernel, stride=stride, groups=middle))
    layers.append(conv_norm(middle, outputs, 1, groups=groups, activation=None))
    return residual_if_same(nn.Sequential(*layers), inputs, outputs, stride)


def network(operations: Sequence[str]) -> nn.Module:
    """The network of 22 operations, one a layer; (B, 3, 224, 224) float32 to logits (B, 1000)."""
    strides = [stride if i == 0 else 1 for _, layers, stride in STAGES for i in range(layers)]
    channels = [STEM, *(width for width, layers, _ in STAGES for _ in range(layers))]
    body = [
        block(operation, inputs, outputs, stride)
        for operation, (inputs, outputs), stride in zip(
            operations, pairwise(channels), strides, strict=True
        )
    ]
    features = nn.Sequential(
        conv_norm(3, STEM, 3, stride=2), *body, conv_norm(channels[-1], LAST, 1)
    )
    return Classifier(features, nn.Linear(LAST, CLASSES))


def build(arch: str) -> nn.Module:
    """The network of `arch`, in evaluation mode, with torch's own initial weights.

    Raises:
        edgewise.errors.ArchitectureError: `arch` is malformed.
    """
    return network(get_space("fbnet").parse(arch).split(",")).eval()


def input_shape(_arch: str) -> tuple[int, int, int]:
    """(C, H, W) of the image, the same for all architectures."""
    return (3, IMAGE, IMAGE)
