"""Spaces of architectures: parse, encode, and lower to the kernels that a device executes.

A space is an object of the C++ core; this module only finds it by name.
"""

from __future__ import annotations

from ._core import Kernel, Space, get_space, space_names

__all__ = ["Kernel", "Space", "get_space", "space_names"]
