"""Model files of a zoo, put together from a skeleton that networks share and weights of their own.

A skeleton is a model file without its weights: u32 count | offset, array, order (u32 each) a hole,
ascending by offset | what is left of the file. Arrays 2 i and 2 i + 1 are the weights and the bias
of layer i. Both formats are filled with the same arrays, so a bundle holds each network's weights
once, as 8-bit numbers with a scale for each output channel.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..pattern import ORDERS, splice

if TYPE_CHECKING:
    from numpy.typing import NDArray

_COUNT = np.dtype("<u4")
_LARGEST = 256 << 20  # bytes; no model of a zoo is near this


class Hole(NamedTuple):
    """Where in a file the contents of an array belong."""

    offset: int
    """Bytes from the beginning of the whole file."""
    array: int
    order: int
    """How the file orders its axes (outputs, inputs, window), a number of `pattern.ORDERS`."""


class Layers(NamedTuple):
    """The weights of a network's L layers."""

    shapes: NDArray[np.uint32]
    """(L, 3): outputs, inputs (of one group) and window (height x width) of each."""
    weights: NDArray[np.int8]
    """All weights, layer after layer, row-major."""
    scales: NDArray[np.float32]
    """Of each output channel, layer after layer: a weight is its number times this."""
    biases: NDArray[np.float32]
    """Of each output channel."""

    def arrays(self) -> list[NDArray[np.float32]]:
        """(outputs, inputs, window) weights and (outputs, 1, 1) bias of each layer, in turns.

        Raises:
            ValueError: sizes do not fit together; the message says which.
        """
        shapes = [tuple(map(int, shape)) for shape in self.shapes]
        outputs = sum(shape[0] for shape in shapes)
        terms = sum(shape[0] * shape[1] * shape[2] for shape in shapes)
        found = (self.weights.size, self.scales.size, self.biases.size)
        if found != (terms, outputs, outputs):
            raise ValueError(f"layers of {terms} weights and {outputs} channels have {found}")
        arrays: list[NDArray[np.float32]] = []
        weight = channel = 0
        for shape in shapes:
            size, end = shape[0] * shape[1] * shape[2], channel + shape[0]
            numbers = self.weights[weight : weight + size].reshape(shape).astype(np.float32)
            arrays.append(numbers * self.scales[channel:end, None, None])
            arrays.append(self.biases[channel:end].reshape(-1, 1, 1))
            weight, channel = weight + size, end
        return arrays


def make_skeleton(file: bytes, holes: Sequence[tuple[Hole, int]]) -> bytes:
    """A file without what lies in its holes, given with the bytes of each, ascending."""
    table = np.array([hole for hole, _ in holes], _COUNT).reshape(-1)
    pieces = [np.array([len(holes)], _COUNT).tobytes(), table.tobytes()]
    position = 0
    for hole, size in holes:
        pieces.append(file[position : hole.offset])
        position = hole.offset + size
    pieces.append(file[position:])
    return b"".join(pieces)


def fill(skeleton: bytes, layers: Layers) -> bytes:
    """The model file of a network.

    Raises:
        ValueError: they do not fit together; the message says how.
    """
    arrays = layers.arrays()
    head, fields = _COUNT.itemsize, len(Hole._fields)
    count = int(np.frombuffer(skeleton, _COUNT, 1)[0]) if len(skeleton) >= head else -1
    end = head + count * fields * head
    if count < 0 or len(skeleton) < end:
        raise ValueError("its table of weights is cut short")
    table = np.frombuffer(skeleton, _COUNT, count * fields, head).reshape(count, fields)
    holes = [Hole(*row) for row in table.tolist()]
    if sorted(hole.array for hole in holes) != list(range(len(arrays))):
        raise ValueError(f"it has {count} holes, which are not for {len(arrays)} arrays")
    if any(hole.order >= len(ORDERS) for hole in holes):
        raise ValueError("it has weights in an unknown order")
    size = len(skeleton) - end + 4 * sum(array.size for array in arrays)
    if size > _LARGEST:
        raise ValueError(f"it would have {size} bytes, more than {_LARGEST}")
    contents = (
        (hole.offset, arrays[hole.array].transpose(ORDERS[hole.order]).tobytes()) for hole in holes
    )
    return splice(memoryview(skeleton)[end:], contents)
