"""Methods that time hundreds or thousands of networks on the target itself, listed apart.

BRP-NAS (Dudziak et al., NeurIPS 2020, arXiv 2007.08668) trains a graph convolution on 900 timings
of the device; HELP is compared with it. The ceiling is what the timings of thousands allow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import lightgbm
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from edgewise_converter.latency.features import FloatArray, live, one_hot, operation_counts
from edgewise_converter.latency.help_network import NetworkConfig, graph_states, init_graph_branch
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
    repeats = False

    def train(self, sources: Sources) -> Adapter:
        """Nothing is learnt from other devices."""
        codes, alive = sources.codes, live(sources.codes)
        linear = np.hstack((one_hot(codes), one_hot(codes, alive)))
        counts = np.hstack((operation_counts(codes), operation_counts(codes, alive)))
        trees = np.hstack((linear, counts))

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


class BrpNas:
    """The graph convolution of BRP-NAS, with the settings of its released latency predictor."""

    name = "brp-nas"
    apart = True
    repeats = False

    timings = 900
    width = 600
    epochs = 250
    batch = 10
    rate = 4e-4
    decay = 5e-4
    patience = 10
    stop = 35

    def train(self, sources: Sources) -> Adapter:
        """Nothing is learnt from other devices."""

        def learn(timed: IntArray, ms: FloatArray, asked: IntArray) -> FloatArray:
            graphs = sources.graphs
            return self._learn(graphs[:, timed], ms, graphs[:, asked], sources.seed)

        return lambda target: predict_apart(target, self.timings, learn, sources.seed)

    def _learn(self, graphs: Tensor, ms: FloatArray, asked: Tensor, seed: int) -> FloatArray:
        """Train on graphs (3, n, 39) with a tenth of them held out to stop by."""
        generator = torch.Generator().manual_seed(seed)
        low, span = float(ms.min()), float(np.ptp(ms)) or 1.0
        scaled = torch.from_numpy(((ms - low) / span).astype(np.float32))
        params = init_graph_branch(NetworkConfig(0, self.width), generator)
        params["out.weight"] = torch.empty(1, self.width).uniform_(
            -(self.width**-0.5), self.width**-0.5, generator=generator
        )
        params["out.bias"] = torch.zeros(1)
        leaves = [value.requires_grad_() for value in params.values()]
        adam = torch.optim.AdamW(leaves, lr=self.rate, weight_decay=self.decay, fused=True)
        plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(adam, patience=self.patience)

        def predict(part: Tensor) -> Tensor:
            hidden = graph_states(params, part, normalise=True)
            return F.linear(hidden, params["out.weight"], params["out.bias"]).squeeze(-1)

        held = int(len(ms) * _HELD_OUT)
        least, waited, best = np.inf, 0, predict(asked).detach()
        for _ in range(self.epochs):
            order = held + torch.randperm(len(ms) - held, generator=generator)
            for start in range(0, len(order), self.batch):
                part = order[start : start + self.batch]
                adam.zero_grad(set_to_none=True)
                error = ((predict(graphs[:, part]) - scaled[part]) ** 2).mean()
                error.backward()  # type: ignore[no-untyped-call]
                adam.step()
            with torch.no_grad():
                loss = float(((predict(graphs[:, :held]) - scaled[:held]) ** 2).mean())
                plateau.step(loss)
                waited += 1
                if loss < least:
                    least, waited, best = loss, 0, predict(asked)
            if waited >= self.stop:
                break
        answer: FloatArray = best.double().numpy() * span + low
        return answer


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
