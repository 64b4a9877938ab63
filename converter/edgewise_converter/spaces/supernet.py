"""Networks of the zoo's supernet in torch, as devices run them; ``retrieval`` defines them."""

from __future__ import annotations

from torch import nn

from edgewise_converter.retrieval.choice import parse_choice
from edgewise_converter.retrieval.deployed import DeployedFeatures
from edgewise_converter.retrieval.supernet import Supernet


def build(arch: str) -> nn.Module:
    """The network of `arch`, in evaluation mode, with torch's own initial weights.

    Raises:
        edgewise.errors.ArchitectureError: `arch` is malformed.
    """
    choice = parse_choice(arch)
    return DeployedFeatures(Supernet(1).cut(choice)).eval()


def input_shape(arch: str) -> tuple[int, int, int]:
    """(C, H, W) of the pictures, of every architecture alike; raises as `build`."""
    parse_choice(arch)
    return (3, 32, 32)
