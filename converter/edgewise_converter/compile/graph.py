"""A deployed network as a small graph: what both file formats are written from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.float32]

_FEW = 16


@dataclass(frozen=True)
class Node:
    """One operation of a deployed graph; shapes are (C, H, W) or (C,), the batch is 1.

    ``op`` and its ``weights``: ``conv`` (O, I / groups, K, K) and (O,); ``relu``, ``hard_swish``,
    ``hard_sigmoid``, ``sigmoid``, ``sqrt``; ``unit`` of (C,), brought to unit length;
    ``avg_pool`` (padding is not counted) and ``max_pool``; ``add`` and
    ``mul`` of two values, of which one may be (C, 1, 1); ``add_constant`` of the value's shape;
    ``scale`` (C,) and (C,), multiply then add, a channel each; ``mean`` over H and W, to (C,) or
    (C, 1, 1); ``channel_shuffle``, which deals the channels out to ``groups``; ``concat`` of the
    channels of any number of values; ``flatten``; ``linear`` (O, I) and (O,).
    """

    op: str
    inputs: tuple[str, ...]
    output: str
    shape: tuple[int, ...]
    weights: tuple[Array, ...] = ()
    kernel: int = 1
    stride: int = 1
    padding: int = 0
    groups: int = 1
    relu: bool = False
    """A ReLU follows; only formats whose operations can hold one set it."""

    @property
    def depthwise(self) -> bool:
        """Whether this is a convolution of each channel by itself."""
        return self.groups > 1 and self.weights[0].shape[1] == 1


@dataclass(frozen=True)
class Graph:
    """A deployed network: live nodes in an order of execution.

    ``constant`` is the answer where it does not depend on the image at all; then there are no
    nodes.
    """

    input: str
    input_shape: tuple[int, ...]
    output: str
    output_shape: tuple[int, ...]
    nodes: tuple[Node, ...]
    constant: Array | None = None


def is_halved(array: NDArray[Any]) -> bool:
    """Whether files with weights in float16 hold this so; a few numbers are not worth it."""
    return array.dtype == np.float32 and array.size > _FEW
