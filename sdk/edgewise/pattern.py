"""Weights that are one pattern of numbers over and over, so that a model to be timed ships without
them.

Time does not depend on the values of weights as long as everything stays finite and normal. So the
host fills a network's layers with this pattern, cuts them out of its model files, and the device
puts them back in memory when it times the model. Both call `weights`.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Sequence
from statistics import NormalDist
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from .borrow import Loan

PERIOD = 61

_COUNT = np.dtype("<u4")
#: How a file orders the axes (outputs, inputs, window) of a layer's weights.
ORDERS = ((0, 1, 2), (0, 2, 1), (1, 2, 0))


class Cut(NamedTuple):
    """A layer's weights, float32, that were cut out of a model file."""

    offset: int
    """Bytes from the beginning of the whole file."""
    outputs: int
    inputs: int
    """Of one group."""
    window: int
    """Height x width of the kernel, 1 for a linear layer."""
    order: int
    """0: (outputs, inputs, window); 1: (outputs, window, inputs); 2: (inputs, window, outputs)."""

    @property
    def size(self) -> int:
        """Bytes."""
        return 4 * self.outputs * self.inputs * self.window

    def content(self) -> bytes:
        """What was there."""
        return stored_weights(*self[1:]).tobytes()


@functools.cache
def pattern() -> NDArray[np.float32]:
    """(61,) float32: normal quantiles in a scattered order, of mean 0 and variance 1.

    The period is a prime and no dimension of a network is a multiple of it, so no two channels are
    alike.
    """
    quantiles = [NormalDist().inv_cdf((i + 0.5) / PERIOD) for i in range(PERIOD)]
    values = np.array([quantiles[(22 * i) % PERIOD] for i in range(PERIOD)])
    scaled: NDArray[np.float32] = (values / values.std()).astype(np.float32)
    scaled.setflags(write=False)
    return scaled


def weights(outputs: int, terms: int) -> NDArray[np.float32]:
    """(outputs, terms) float32 weights of a layer whose outputs are sums of `terms` products."""
    rows = np.resize(pattern(), (outputs, terms))
    # Whole periods sum to zero, so a row would cancel what its inputs have in common, and layer
    # after layer only rounding errors would be left. As large a mean as random rows have, of either
    # sign, keeps the network as well conditioned as theirs.
    mean = np.float32(terms**-0.5)
    rows[: outputs // 2] += mean
    rows[outputs // 2 :] -= mean
    # He et al. 2015: the variance at which a ReLU network keeps the size of its activations.
    rows *= np.float32(math.sqrt(2.0 / terms))
    return rows


def stored_weights(outputs: int, inputs: int, window: int, order: int) -> NDArray[np.float32]:
    """`weights` with its axes as `Cut.order` says."""
    rows = weights(outputs, inputs * window).reshape(outputs, inputs, window)
    return np.ascontiguousarray(rows.transpose(ORDERS[order]))


def cut_out(model: bytes, cuts: Sequence[Cut] | Sequence[Loan], fields: int | None = None) -> bytes:
    """`model` without its weights: u32 count | the u32 of each cut | what is left.

    `cuts` do not overlap and are in ascending order of offset. The first `fields` of each are
    written, by default all.
    """
    table = np.array([cut[:fields] for cut in cuts], _COUNT).reshape(-1)
    pieces = [np.array([len(cuts)], _COUNT).tobytes(), table.tobytes()]
    position = 0
    for cut in cuts:
        pieces.append(model[position : cut.offset])
        position = cut.offset + cut.size
    pieces.append(model[position:])
    return b"".join(pieces)


def put_back(packed: bytes, limit: int) -> bytes:
    """The model that `cut_out` was given.

    Raises:
        ValueError: `packed` is not what `cut_out` gives, or the model is larger than `limit` bytes;
            the message says what is wrong.
    """
    cuts, rest = _read(packed)
    size = len(rest) + sum(cut.size for cut in cuts)
    if size > limit:
        raise ValueError(f"it would have {size} bytes, more than {limit}")
    return splice(rest, ((cut.offset, cut.content()) for cut in cuts))


def splice(rest: memoryview, contents: Iterable[tuple[int, bytes]]) -> bytes:
    """A file put together again: what was left of it, and contents at ascending offsets.

    Raises:
        ValueError: contents overlap or lie outside the file.
    """
    pieces: list[bytes | memoryview] = []
    position = taken = 0
    for offset, content in contents:
        gap = offset - position
        if not 0 <= gap <= len(rest) - taken:
            raise ValueError(f"weights at {offset} overlap others or lie outside the file")
        pieces += [rest[taken : taken + gap], content]
        taken += gap
        position = offset + len(content)
    pieces.append(rest[taken:])
    return b"".join(pieces)


def _read(packed: bytes) -> tuple[list[Cut], memoryview]:
    fields, head = len(Cut._fields), _COUNT.itemsize
    if len(packed) < head:
        raise ValueError("its table of weights is cut short")
    count = int(np.frombuffer(packed, _COUNT, 1)[0])
    end = head + count * fields * head
    if len(packed) < end:
        raise ValueError("its table of weights is cut short")
    table = np.frombuffer(packed, _COUNT, count * fields, head).reshape(count, fields)
    cuts = [Cut(*row) for row in table.tolist()]
    for cut in cuts:
        if not (cut.outputs and cut.inputs and cut.window and cut.order < len(ORDERS)):
            raise ValueError(f"it has impossible weights: {cut}")
    return cuts, memoryview(packed)[end:]
