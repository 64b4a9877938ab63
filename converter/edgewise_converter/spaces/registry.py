"""Finds the torch builder of a space by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgewise.errors import ArgumentError

if TYPE_CHECKING:
    from torch import nn


def build_network(space: str, arch: str) -> nn.Module:
    """The network of ``arch``, in evaluation mode; (1, 3, 32, 32) float32 to (1, classes).

    Raises:
        ArgumentError: ``space`` has no builder.
        ArchitectureError: ``arch`` is malformed.
    """
    if space == "nasbench201":
        from edgewise_converter.spaces import nasbench201

        return nasbench201.build(arch)
    raise ArgumentError(f"no torch builder for space {space!r}; there is one for 'nasbench201'")
