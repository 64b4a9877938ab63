"""Weights that a bundle holds once though several of its models have them.

A network compiled for two formats has the same numbers in both files, the axes of its
convolutions in another order; and what a model of integers has in 8 bits, one in float32 may have
as well, each number times the scale of its output. `loans` finds what of one file lies in another;
a bundle stores it without that (see `native/include/edgewise/bundle.hpp`), and the core puts it
together again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

_SMALLEST = 64  # bytes; the row of the table that a loan costs is 28 at most
_SCALE = 4  # bytes, and those of a number that was scaled


class Loan(NamedTuple):
    """Bytes of a tensor that are taken from another tensor, the lender."""

    offset: int
    """Bytes from the beginning of the whole tensor."""
    source: int
    """Bytes from the beginning of the lender."""
    outputs: int
    inputs: int
    window: int
    """The lender has (outputs, window, inputs), the borrower (outputs, inputs, window)."""
    item: int
    """Bytes of a number in the lender."""
    scales: int = 0
    """Bytes from the beginning of the lender to a float32 for each output: the borrower has
    float32, what the lender has in int8 times these. 0: both have the same numbers."""

    @property
    def size(self) -> int:
        """Bytes in the borrower."""
        return self.outputs * self.inputs * self.window * (_SCALE if self.scales else self.item)


LOAN_FIELDS = len(Loan._fields)
UNSCALED_FIELDS = LOAN_FIELDS - 1
"""Of a loan in bundles where nothing is scaled, which older readers take."""


class Borrowed(NamedTuple):
    """What a tensor borrows."""

    lender: str
    """Name of a tensor that is stored plainly."""
    loans: Sequence[Loan]
    """Ascending, without overlaps."""


class Scaled(NamedTuple):
    """Weights in 8 bits."""

    numbers: NDArray[np.int8]
    """(outputs, inputs, height, width)"""
    scales: NDArray[np.float32]
    """(outputs,)"""

    def values(self) -> NDArray[np.float32]:
        """(outputs, inputs, height, width), rounded once: the same bytes on every machine."""
        found: NDArray[np.float32] = self.numbers * self.scales[:, None, None, None]
        return found


def loans(
    borrower: bytes,
    lender: bytes,
    arrays: Iterable[NDArray[Any]],
    scaled: Iterable[Scaled] = (),
) -> list[Loan]:
    """Those of `arrays` that `borrower` holds row-major and that lie in `lender` too.

    Args:
        borrower: a model file.
        lender: another.
        arrays: weights of the borrower: (outputs, inputs, height, width) is also looked for as
            (outputs, height, width, inputs), any other shape as it is. Those below 64 bytes are
            left where they are, and so is what is not found.
        scaled: weights that the borrower may hold as float32, in the one order or the other, and
            the lender as (outputs, height, width, inputs) in 8 bits, with their scales.
    """
    lent = [*_lent_plainly(arrays, lender), *_lent_scaled(scaled, lender)]
    found: list[Loan] = []
    end = 0
    for offset, loan in sorted(_places(borrower, lent).items()):
        if offset >= end:
            found.append(loan._replace(offset=offset))
            end = offset + loan.size
    return found


def _places(file: bytes, lent: Iterable[tuple[bytes, Loan]]) -> Mapping[int, Loan]:
    """Where in `file` each content lies; equal ones lie behind one another."""
    places: dict[int, Loan] = {}
    for content, loan in lent:
        offset = file.find(content) if len(content) >= _SMALLEST else -1
        while offset in places:
            offset = file.find(content, offset + 1)
        if offset >= 0:
            places[offset] = loan
    return places


def _lent_plainly(arrays: Iterable[NDArray[Any]], lender: bytes) -> Iterator[tuple[bytes, Loan]]:
    """What a borrower holds, and the loan of it, not yet of any place in the borrower."""
    for array in arrays:
        content = array.tobytes()
        source = lender.find(content)
        if source >= 0:
            yield content, Loan(0, source, 1, array.size, 1, array.itemsize)
        elif array.ndim == 4:
            source = lender.find(_channels_last(array).tobytes())
            if source >= 0:
                outputs, inputs, height, width = array.shape
                yield content, Loan(0, source, outputs, inputs, height * width, array.itemsize)


def _lent_scaled(scaled: Iterable[Scaled], lender: bytes) -> Iterator[tuple[bytes, Loan]]:
    for each in scaled:
        source = lender.find(_channels_last(each.numbers).tobytes())
        scales = lender.find(each.scales.tobytes())
        if source < 0 or scales <= 0:
            continue
        values, (outputs, inputs, height, width) = each.values(), each.numbers.shape
        window = height * width
        yield values.tobytes(), Loan(0, source, outputs, inputs, window, 1, scales)
        as_lent = Loan(0, source, outputs, inputs * window, 1, 1, scales)
        yield _channels_last(values).tobytes(), as_lent


def _channels_last(array: NDArray[Any]) -> NDArray[Any]:
    return array.transpose(0, 2, 3, 1)
