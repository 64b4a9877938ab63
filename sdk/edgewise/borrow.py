"""Weights that a bundle holds once though two of its models have them.

A network compiled for two formats has the same numbers in both files, the axes of its
convolutions in another order. `loans` finds what of one file lies in another; a bundle stores it
without that (see `native/include/edgewise/bundle.hpp`), and the core puts it together again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from numpy.typing import NDArray

_SMALLEST = 64  # bytes; the row of the table that a loan costs is 24


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
    """Bytes of a number."""

    @property
    def size(self) -> int:
        """Bytes."""
        return self.outputs * self.inputs * self.window * self.item


class Borrowed(NamedTuple):
    """What a tensor borrows."""

    lender: str
    """Name of a tensor that is stored plainly."""
    loans: Sequence[Loan]
    """Ascending, without overlaps."""


def loans(borrower: bytes, lender: bytes, arrays: Iterable[NDArray[Any]]) -> list[Loan]:
    """Those of `arrays` that `borrower` holds row-major and that lie in `lender` too.

    Args:
        borrower: a model file.
        lender: another.
        arrays: weights of the borrower: (outputs, inputs, height, width) is also looked for as
            (outputs, height, width, inputs), any other shape as it is. Those below 64 bytes are
            left where they are, and so is what is not found.
    """
    found: list[Loan] = []
    end = 0
    for offset, array in sorted(_places(borrower, arrays).items()):
        loan = _loan(offset, array, lender)
        if loan is not None and offset >= end:
            found.append(loan)
            end = offset + loan.size
    return found


def _places(file: bytes, arrays: Iterable[NDArray[Any]]) -> Mapping[int, NDArray[Any]]:
    """Where in `file` each array lies; equal ones lie behind one another."""
    places: dict[int, NDArray[Any]] = {}
    for array in arrays:
        content = array.tobytes()
        offset = file.find(content) if len(content) >= _SMALLEST else -1
        while offset in places:
            offset = file.find(content, offset + 1)
        if offset >= 0:
            places[offset] = array
    return places


def _loan(offset: int, array: NDArray[Any], lender: bytes) -> Loan | None:
    source = lender.find(array.tobytes())
    if source >= 0:
        return Loan(offset, source, 1, array.size, 1, array.itemsize)
    if array.ndim != 4:
        return None
    source = lender.find(array.transpose(0, 2, 3, 1).tobytes())
    if source < 0:
        return None
    outputs, inputs, height, width = array.shape
    return Loan(offset, source, outputs, inputs, height * width, array.itemsize)
