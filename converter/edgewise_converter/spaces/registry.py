"""Finds the torch builder of a space by name."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from edgewise.errors import ArgumentError

if TYPE_CHECKING:
    from types import ModuleType

    from torch import nn

#: Spaces whose networks can be built, each by the module of its name here.
BUILDERS = ("nasbench201", "fbnet", "ofa", "supernet")


def build_network(space: str, arch: str) -> nn.Module:
    """The network of `arch`, in evaluation mode: (B, *input_shape) float32 to (B, classes).

    Raises:
        ArgumentError: `space` has no builder.
        ArchitectureError: `arch` is malformed.
    """
    network: nn.Module = _builder(space).build(arch)
    return network


def input_shape(space: str, arch: str) -> tuple[int, int, int]:
    """(C, H, W) of the images that the network of `arch` takes; raises as `build_network`."""
    channels, height, width = _builder(space).input_shape(arch)
    return channels, height, width


def _builder(space: str) -> ModuleType:
    if space not in BUILDERS:
        raise ArgumentError(
            f"no torch builder for space {space!r}; there is one for {', '.join(BUILDERS)}"
        )
    return import_module(f"edgewise_converter.spaces.{space}")
