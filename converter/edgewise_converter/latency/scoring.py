"""How a prediction is scored, one way everywhere.

Queries are scored twice: *all*, and *mid*, the paper's, those between the 10th and 90th percentile
of true latency (arXiv 2106.08630, released code). Relative errors leave out networks without a path
from input to output: their latency is next to nothing, and so is what an error in it means.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.int64]

_TAIL = 0.1


@dataclass(frozen=True)
class Estimate:
    """Predicted milliseconds of N queries, with 90 % intervals where the method has any.

    Attributes:
        ms: (N,) milliseconds.
        low: (N,) lower ends, or None.
        high: (N,) upper ends, or None.
    """

    ms: FloatArray
    low: FloatArray | None = None
    high: FloatArray | None = None


@dataclass(frozen=True)
class Score:
    """Scores of one prediction of one device; None where a method gives no intervals.

    Attributes:
        spearman_mid: rank correlation on the middle 80 % of the queries.
        spearman_all: rank correlation on all queries.
        mape: mean absolute relative error on the connected queries, in percent.
        coverage: share of all queries whose true latency lies in the interval, in percent.
        width: mean width of the intervals relative to the prediction, connected queries, percent.
    """

    spearman_mid: float
    spearman_all: float
    mape: float
    coverage: float | None = None
    width: float | None = None


@dataclass(frozen=True)
class Summary:
    """Mean and standard deviation (of the sample, 0 for one value) of the same score."""

    mean: float
    deviation: float


def spearman(predicted: FloatArray, true: FloatArray) -> float:
    """Rank correlation of (N,) and (N,), ties sharing their mean rank; 0 if either is constant."""
    ranks = [rankdata(values) for values in (predicted, true)]
    centred = [rank - rank.mean() for rank in ranks]
    norm = float(np.sqrt((centred[0] ** 2).sum() * (centred[1] ** 2).sum()))
    return float(centred[0] @ centred[1]) / norm if norm > 0 else 0.0


def middle(true: FloatArray) -> IntArray:
    """Positions of the queries between the 10th and 90th percentile of true latency."""
    order = np.argsort(true, kind="stable")
    count = len(true)
    return np.sort(order[int(count * _TAIL) : int(count * (1 - _TAIL))])


def score(estimate: Estimate, true: FloatArray, connected: BoolArray) -> Score:
    """Score predictions of N queries.

    Args:
        estimate: the predictions.
        true: (N,) measured milliseconds.
        connected: (N,) whether the network has a path from input to output.
    """
    mid = middle(true)
    ranks = (spearman(estimate.ms[mid], true[mid]), spearman(estimate.ms, true))
    predicted, measured = estimate.ms[connected], true[connected]
    mape = _percent(np.abs(predicted - measured) / measured)
    if estimate.low is None or estimate.high is None:
        return Score(*ranks, mape)
    inside = (estimate.low <= true) & (true <= estimate.high)
    width = (estimate.high - estimate.low)[connected] / predicted
    return Score(*ranks, mape, _percent(inside), _percent(width))


def summarise(values: Iterable[float]) -> Summary:
    """Mean and standard deviation of at least one value."""
    array = np.array(list(values), dtype=np.float64)
    return Summary(float(array.mean()), float(array.std(ddof=1)) if len(array) > 1 else 0.0)


def summarise_scores(scores: Sequence[Score]) -> dict[str, Summary]:
    """Mean and deviation of every score that all of ``scores`` have, by name."""
    summary: dict[str, Summary] = {}
    for name in (part.name for part in fields(Score)):
        values = [getattr(one, name) for one in scores]
        if values and all(value is not None for value in values):
            summary[name] = summarise(values)
    return summary


def mean_score(scores: Sequence[Score]) -> Score:
    """Mean over devices of one repetition."""
    means = {name: summary.mean for name, summary in summarise_scores(scores).items()}
    return Score(**means)


def _percent(values: NDArray[np.float64] | BoolArray) -> float:
    return 100.0 * float(np.mean(values)) if len(values) else 0.0
