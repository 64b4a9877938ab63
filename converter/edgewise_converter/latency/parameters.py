"""Parameters of the host's networks: plain dictionaries of tensors, and their first values."""

from __future__ import annotations

import math

import torch
from torch import Tensor

Params = dict[str, Tensor]
"""Tensors by name, ``<layer>.weight`` and ``<layer>.bias``."""


def uniform(shape: tuple[int, ...], bound: float, generator: torch.Generator) -> Tensor:
    """A float32 tensor, uniform in ±bound."""
    return torch.empty(shape).uniform_(-bound, bound, generator=generator)


def init_linear(name: str, inputs: int, outputs: int, generator: torch.Generator) -> Params:
    """Weight (outputs, inputs) and bias (outputs,) of a linear layer, in ±1/√inputs."""
    bound = 1.0 / math.sqrt(inputs)
    return {
        f"{name}.weight": uniform((outputs, inputs), bound, generator),
        f"{name}.bias": uniform((outputs,), bound, generator),
    }
