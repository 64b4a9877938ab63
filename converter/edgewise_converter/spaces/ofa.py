"""Once-for-all MobileNetV3 networks in torch.

Sources: Cai et al., "Once-for-All: Train One Network and Specialize it for Efficient Deployment",
ICLR 2020 (arXiv 1908.09791), at the width of 1.2, with squeeze-and-excitation after the activation
of the depthwise convolution as there; Howard et al., arXiv 1905.02244, table 1, for strides and
activations.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch import nn

from edgewise.spaces import get_space
from edgewise_converter.spaces.mobile import (
    Classifier,
    SqueezeExcite,
    conv_norm,
    residual_if_same,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True)
class Stage:
    """What the blocks of one stage share; the stride is the first block's."""

    channels: int
    stride: int
    activation: type[nn.Module]
    squeeze_excite: bool


STAGES = (
    Stage(32, 2, nn.ReLU, False),
    Stage(48, 2, nn.ReLU, True),
    Stage(96, 2, nn.Hardswish, False),
    Stage(136, 1, nn.Hardswish, True),
    Stage(192, 2, nn.Hardswish, True),
)
#: Slots for blocks in each stage; of `ks` and `e`, those past the stage's depth are not read.
MAX_DEPTH = 4
#: Channels of stem and first block, of the last convolution, of the head; classes.
STEM, LAST, HEAD, CLASSES = 24, 1152, 1536, 1000


def block(stage: Stage, inputs: int, kernel: int, expansion: int, stride: int) -> nn.Module:
    """One inverted bottleneck of `stage`, with a residual connection where the shapes allow it."""
    middle, activation = inputs * expansion, stage.activation
    layers: list[nn.Module] = [
        conv_norm(inputs, middle, 1, activation=activation),
        conv_norm(middle, middle, kernel, stride=stride, groups=middle, activation=activation),
    ]
    if stage.squeeze_excite:
        layers.append(SqueezeExcite(middle))
    layers.append(conv_norm(middle, stage.channels, 1, activation=None))
    return residual_if_same(nn.Sequential(*layers), inputs, stage.channels, stride)


def _first_block() -> nn.Module:
    """The block after the stem, which expands nothing and is not searched."""
    return residual_if_same(
        nn.Sequential(
            conv_norm(STEM, STEM, 3, groups=STEM), conv_norm(STEM, STEM, 1, activation=None)
        ),
        STEM,
        STEM,
        1,
    )


def network(choice: Mapping[str, Sequence[int]]) -> nn.Module:
    """The network of `ks` (20,), `e` (20,) and `d` (5,); (B, 3, r, r) float32 to logits (B, 1000).

    It is the same network at every resolution.
    """
    inputs = STEM
    body: list[nn.Module] = [_first_block()]
    for number, (stage, depth) in enumerate(zip(STAGES, choice["d"], strict=True)):
        for index in range(depth):
            slot = MAX_DEPTH * number + index
            stride = stage.stride if index == 0 else 1
            body.append(block(stage, inputs, choice["ks"][slot], choice["e"][slot], stride))
            inputs = stage.channels
    features = nn.Sequential(
        conv_norm(3, STEM, 3, stride=2, activation=nn.Hardswish),
        *body,
        conv_norm(inputs, LAST, 1, activation=nn.Hardswish),
    )
    head = nn.Sequential(
        nn.Linear(LAST, HEAD, bias=False), nn.Hardswish(), nn.Linear(HEAD, CLASSES)
    )
    return Classifier(features, head)


def build(arch: str) -> nn.Module:
    """The network of `arch`, in evaluation mode, with torch's own initial weights.

    Raises:
        edgewise.errors.ArchitectureError: `arch` is malformed.
    """
    return network(_choice(arch)).eval()


def input_shape(arch: str) -> tuple[int, int, int]:
    """(C, H, W) of the image: its side is the architecture's resolution."""
    side = int(_choice(arch)["r"])
    return (3, side, side)


def _choice(arch: str) -> dict[str, Any]:
    choice: dict[str, Any] = json.loads(get_space("ofa").parse(arch))
    return choice
