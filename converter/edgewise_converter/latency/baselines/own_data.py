"""Methods that time hundreds or thousands of networks on the target itself, listed apart.

How such a method is scored, and the ceiling: what the timings of thousands allow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import lightgbm
import numpy as np
from numpy.typing import NDArray

from edgewise_converter.latency.encodings.encoding import Codes, Encoding, FloatArray
from edgewise_converter.latency.methods import Adapter, Sources
from edgewise_converter.latency.protocols import Target
from edgewise_converter.latency.scoring import Estimate, spearman

IntArray = NDArray[np.int64]
Learn = Callable[[IntArray, FloatArray, IntArray], FloatArray]
"""Timed architectures, their milliseconds, architectures to predict -> milliseconds."""

_CEILING_TIMINGS = 12000
_HELD_OUT = 0.1


def predict_apart(target: Target, count: int, learn: Learn, seed: int) -> Estimate:
    """Predict every query from timings of other architectures of the same device.

    Where the device has spare architectures, ``count`` of them (or all) are timed; where every
    architecture is a query, queries are predicted by halves or more, each from the others.
    """
    generator = np.random.default_rng(seed)
    predicted = np.empty(len(target.query))
    for timed, asked in _folds(target, count, generator):
        predicted[asked] = learn(timed, target.time(timed), target.query[asked])
    return Estimate(predicted)


class Ceiling:
    """The better of linear and boosted-tree models of up to 12,000 of the device's timings."""

    name = "ceiling"
    apart = True
    most_repetitions = 1

    def train(self, sources: Sources) -> Adapter:
        """Nothing is learnt from other devices."""
        linear = sources.encoding.linear(sources.codes)
        trees = _tree_columns(sources.encoding, sources.codes)

        def learn(timed: IntArray, ms: FloatArray, asked: IntArray) -> FloatArray:
            kept = np.arange(len(timed)) >= _HELD_OUT * len(timed)

            def by_line(at: IntArray, values: FloatArray, to: IntArray) -> FloatArray:
                return _least_squares(linear[at], values, linear[to])

            def by_trees(at: IntArray, values: FloatArray, to: IntArray) -> FloatArray:
                return _boosted_trees(trees[at], values, trees[to], sources.seed)

            fits = (by_line, by_trees)
            # The choice between the two is made on timings held out from both.
            found = [spearman(fit(timed[kept], ms[kept], timed[~kept]), ms[~kept]) for fit in fits]
            return fits[int(np.argmax(found))](timed, ms, asked)

        return lambda target: predict_apart(target, _CEILING_TIMINGS, learn, sources.seed)


def completed(row: FloatArray, encoding: Encoding, codes: Codes, seed: int) -> FloatArray:
    """A device's latencies (A,), those not measured as boosted trees of its others predict them."""
    missing = np.isnan(row)
    columns = _tree_columns(encoding, codes)
    filled = row.copy()
    filled[missing] = _boosted_trees(columns[~missing], row[~missing], columns[missing], seed)
    return filled


def _tree_columns(encoding: Encoding, codes: Codes) -> FloatArray:
    return np.hstack((encoding.linear(codes), encoding.counts(codes)))


def _folds(
    target: Target, count: int, generator: np.random.Generator
) -> Iterator[tuple[IntArray, IntArray]]:
    """Architectures to time and positions of the queries to predict from them."""
    if len(target.spare) >= min(count, len(target.query)):
        spare = generator.permutation(target.spare)[:count]
        yield spare, np.arange(len(target.query))
        return
    order = generator.permutation(len(target.query))
    folds = 2 if count <= len(order) // 2 else 5
    for asked in np.array_split(order, folds):
        rest = generator.permutation(np.setdiff1d(target.query, target.query[asked]))
        yield rest[:count], asked


def _least_squares(features: FloatArray, ms: FloatArray, asked: FloatArray) -> FloatArray:
    design = np.column_stack((features, np.ones(len(features))))
    weights, *_ = np.linalg.lstsq(design, ms, rcond=None)
    answer: FloatArray = np.column_stack((asked, np.ones(len(asked)))) @ weights
    return answer


def _boosted_trees(
    features: FloatArray, ms: FloatArray, asked: FloatArray, seed: int
) -> FloatArray:
    settings = {
        "objective": "regression",
        "learning_rate": 0.05,
        "num_leaves": 31,
        "min_data_in_leaf": 10,
        "seed": seed,
        "deterministic": True,
        "num_threads": 1,
        "verbosity": -1,
    }
    data = lightgbm.Dataset(features, ms)
    answer: FloatArray = np.asarray(lightgbm.train(settings, data, 400).predict(asked))
    return answer
