"""Which networks of a large zoo a small one carries: those that together serve best."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edgewise_converter.retrieval.encoders import Space
from edgewise_converter.retrieval.queries import TaskQueries
from edgewise_converter.retrieval.space_scores import (
    expected_accuracy,
    held_out_queries,
    in_space,
)
from edgewise_converter.retrieval.zoo_table import ZooTable

_LIMITS = (0.2, 0.4, 0.6, 0.8, 1.0)  # shares of the zoo that a limit on size leaves


def select_rows(
    table: ZooTable, tasks: Sequence[TaskQueries], space: Space, count: int
) -> list[int]:
    """Choose networks one by one, each the one that adds most.

    What is made large is the mean, over the meta-training tasks and over limits on size, of the
    accuracy that is expected of the best network chosen. Limits are on parameters, so that small
    devices find something as well.

    Args:
        table: of the whole zoo.
        tasks: whose queries the networks are chosen for.
        space: says what is expected.
        count: how many to choose.
    """
    models = in_space(table, space)
    queries = held_out_queries(tasks, space, 1, 0)[:, 0]
    expected = np.stack([expected_accuracy(space, query, models) for query in queries])
    limits = np.quantile(table.parameters, _LIMITS)
    fits = table.parameters[:, None] <= limits  # (M, limits)
    best = np.zeros((len(queries), len(limits)))
    chosen: list[int] = []
    for _ in range(min(count, len(table))):
        gain = _gains(expected, fits, best)
        gain[chosen] = -np.inf
        row = int(np.argmax(gain))
        chosen.append(row)
        best = np.maximum(best, expected[:, row, None] * fits[row])
    return chosen


def _gains(
    expected: NDArray[np.float32], fits: NDArray[np.bool_], best: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(M,) how much each network would add to the sum of the best."""
    gain = np.zeros(expected.shape[1])
    for at in range(fits.shape[1]):
        more = np.maximum(expected - best[:, at, None], 0).sum(0)
        gain += more * fits[:, at]
    return gain
