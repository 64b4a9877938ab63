"""What a query encoder reads of a labelled set of pictures: statistics of their embeddings.

One function for the host, which trains on them, and the device, which asks with them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from ..errors import ArgumentError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats: TypeAlias = NDArray[np.float64]
    Labels: TypeAlias = NDArray[np.int64]


def query_statistics(
    embeddings: NDArray[np.float32], labels: NDArray[np.int64], names: Sequence[str]
) -> NDArray[np.float32]:
    """Statistics of a labelled set of embeddings, one after the other.

    Args:
        embeddings: (n, D), which are brought to unit length first.
        labels: (n,) class of each.
        names: of the statistics: `mean` (D) over the pictures (TANS, arXiv 2103.01495, section
            3.2); `spread` (D), their standard deviation; `between` (D), the deviation of the
            classes' means from the mean over classes; `classes` (1), the logarithm of their number
            to base ten; `separation` (1), how many pictures are nearest to the mean of the others
            of their class.

    Returns:
        (S,) float32.

    Raises:
        ArgumentError: an unknown name.
    """
    unknown = [name for name in names if name not in _STATISTICS]
    if unknown:
        known = ", ".join(STATISTICS)
        raise ArgumentError(f"unknown statistic {unknown[0]!r} of a query; known are {known}")
    rows = embeddings.astype(np.float64)
    rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    numbers = np.unique(labels, return_inverse=True)[1]
    return np.concatenate([_STATISTICS[name](rows, numbers) for name in names]).astype(np.float32)


def statistics_size(names: Sequence[str], dim: int) -> int:
    """How many numbers these statistics of embeddings (n, dim) are."""
    return len(query_statistics(np.zeros((2, dim), np.float32), np.arange(2), names))


def _mean(rows: Floats, _labels: Labels) -> Floats:
    mean: Floats = rows.mean(0)
    return mean


def _spread(rows: Floats, _labels: Labels) -> Floats:
    spread: Floats = rows.std(0)
    return spread


def _between(rows: Floats, labels: Labels) -> Floats:
    sums, counts = _sums(rows, labels)
    deviation: Floats = (sums / counts[:, None]).std(0)
    return deviation


def _classes(_rows: Floats, labels: Labels) -> Floats:
    return np.array([np.log10(labels.max() + 1)])


def _separation(rows: Floats, labels: Labels) -> Floats:
    """Share whose own class has the most similar mean, a picture left out of its own one."""
    sums, counts = _sums(rows, labels)
    lengths = np.maximum(np.linalg.norm(sums, axis=1), 1e-12)
    similar = rows @ (sums / lengths[:, None]).T
    at = np.arange(len(rows))
    others = sums[labels] - rows
    own = np.einsum("nd,nd->n", rows, others) / np.maximum(np.linalg.norm(others, axis=1), 1e-12)
    similar[at, labels] = np.where(counts[labels] > 1, own, -1.0)  # alone: nothing to be like
    return np.array([np.mean(similar.argmax(1) == labels)])


def _sums(rows: Floats, labels: Labels) -> tuple[Floats, Floats]:
    counts = np.bincount(labels).astype(np.float64)
    sums = np.zeros((len(counts), rows.shape[1]))
    np.add.at(sums, labels, rows)
    return sums, counts


_STATISTICS: dict[str, Callable[[Floats, Labels], Floats]] = {
    "mean": _mean,
    "spread": _spread,
    "between": _between,
    "classes": _classes,
    "separation": _separation,
}

STATISTICS = tuple(_STATISTICS)
"""Names that `query_statistics` takes."""
