"""The `edgewise` predictor written again in numpy, the slow and obvious way: the tests' oracle."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from edgewise import _core
from edgewise.spaces import get_space

from . import design_oracle

FloatArray = NDArray[np.float64]

SPACE = get_space("nasbench201")
COLUMNS = len(_core.feature_columns(SPACE))


def _probes() -> list[str]:
    """Where the shape of errors is looked at: 16 architectures by the core's own generator."""
    state, codes = 1, []
    for values in SPACE.choices * 16:
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        codes.append(values[(state >> 33) % len(values)])
    return SPACE.decode(np.array(codes, np.uint8).reshape(16, -1))


PROBES = _probes()


@dataclass
class Part:
    """What one combination of hypotheses predicts, (N,) ms and ms^2, without noise."""

    noise: float
    scale: float
    mean: FloatArray
    spread: FloatArray


@dataclass
class PriorData:
    """The arguments of `_core.LatencyPrior`."""

    semantics: list[str]
    semantics_log_weight: FloatArray
    execution: FloatArray
    mean: FloatArray
    factors: FloatArray
    factor_variance: FloatArray
    own_variance: FloatArray
    covariance_log_weight: FloatArray
    noise: FloatArray
    noise_log_weight: FloatArray
    floor: float = 0.25
    interval_scale: float = 1.2

    @property
    def covariance(self) -> FloatArray:
        """(G, P, P)."""
        pairs = zip(self.factor_variance, self.own_variance, strict=True)
        return np.array(
            [self.factors * shared @ self.factors.T + np.diag(own) for shared, own in pairs]
        )

    def core(self) -> _core.LatencyPrior:
        """The core's predictor."""
        return _core.LatencyPrior(space=SPACE, **vars(self))


def random_prior(seed: int) -> PriorData:
    """A prior with three graph semantics, two covariances and three noise levels."""
    rng = np.random.default_rng(seed)
    tables = [_core.execution_table(SPACE, name) for name in SPACE.semantics]
    return PriorData(
        semantics=list(SPACE.semantics),
        semantics_log_weight=rng.normal(size=3),
        execution=np.array(tables),
        mean=rng.uniform(0.05, 0.3, size=(2, COLUMNS)),
        factors=rng.normal(size=(COLUMNS, 30)) * 0.05,
        factor_variance=rng.uniform(0.1, 2.0, size=(2, 30)),
        own_variance=rng.uniform(0.5e-4, 2e-4, size=(2, COLUMNS)),
        covariance_log_weight=rng.normal(size=2),
        noise=np.array([0.01, 0.03, 0.1]),
        noise_log_weight=rng.normal(size=3),
    )


def predict(
    prior: PriorData,
    timed: Sequence[str],
    ms: FloatArray,
    archs: Sequence[str],
    confidence: float = 0.9,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """(ms, low, high) of ``archs``: every combination of hypotheses, none dropped."""
    parts: list[Part] = []
    log_evidence: list[float] = []
    per_semantics = len(prior.own_variance) * len(prior.noise)
    asked = [*archs, *PROBES]
    for table in prior.execution:
        phi, query = _core.features(SPACE, timed, table), _core.features(SPACE, asked, table)
        for g, covariance in enumerate(prior.covariance):
            expected = phi @ prior.mean[g]
            scale = float(np.median(ms / np.maximum(expected, 0.05)))
            time = ms / scale
            for r, noise in enumerate(prior.noise):
                total = phi @ covariance @ phi.T
                total += np.diag((noise * np.maximum(time, prior.floor)) ** 2)
                surprise = time - expected
                _, log_determinant = np.linalg.slogdet(total)
                log_evidence.append(
                    -0.5 * surprise @ np.linalg.solve(total, surprise)
                    - 0.5 * log_determinant
                    - len(ms) * math.log(scale)
                    + prior.semantics_log_weight[len(parts) // per_semantics]
                    + prior.covariance_log_weight[g]
                    + prior.noise_log_weight[r]
                )
                gain = np.linalg.solve(total, phi @ covariance).T
                costs = prior.mean[g] + gain @ surprise
                left = covariance - gain @ phi @ covariance
                mean = query @ costs * scale
                spread = np.einsum("ni,ij,nj->n", query, left, query) * scale**2
                parts.append(Part(noise, scale, mean, spread))
    weight = np.exp(np.array(log_evidence) - max(log_evidence))
    weight /= weight.sum()
    mean, deviation = _moments(prior, parts, weight)
    shape = _error_spreads(parts, weight, prior.floor)
    half = _quantile(weight, shape, confidence) * prior.interval_scale
    count = len(archs)
    assert (mean[:count] > prior.floor * ms.mean()).all(), "the oracle leaves the floor out"
    factor = np.exp(half * deviation / mean)[:count]
    return mean[:count], mean[:count] / factor, mean[:count] * factor


def design(prior: PriorData, candidates: Sequence[str], count: int) -> list[int]:
    """Which candidates to time: each leaves least variance of them all, in shares of latency."""
    kinds, means, features = [], [], []
    share = np.exp(prior.covariance_log_weight) / np.exp(prior.covariance_log_weight).sum()
    costs = share @ prior.mean
    for mean, covariance in zip(prior.mean, prior.covariance, strict=True):
        kinds.append(covariance + np.outer(mean - costs, mean - costs))
    spread = np.tensordot(share, kinds, axes=1)
    for table in prior.execution:
        features.append(_core.features(SPACE, candidates, table))
        means.append(features[-1] @ costs)
    weight = np.exp(prior.semantics_log_weight) / np.exp(prior.semantics_log_weight).sum()
    expected = weight @ np.array(means)
    assert (expected > prior.floor).all(), "the oracle leaves the floor out"
    total = np.zeros((len(candidates), len(candidates)))
    for w, phi, mean in zip(weight, features, means, strict=True):
        apart = mean - expected
        total += w * (phi @ spread @ phi.T + np.outer(apart, apart))
    total /= np.outer(expected, expected)
    level = np.exp(prior.noise_log_weight) / np.exp(prior.noise_log_weight).sum()
    noise = float(level @ prior.noise**2)

    def left(timed: list[int]) -> float:
        known = total[np.ix_(timed, timed)] + noise * np.eye(len(timed))
        return float(np.trace(total) - (total[timed] * np.linalg.solve(known, total[timed])).sum())

    return design_oracle.design(left, len(candidates), count)


def _moments(
    prior: PriorData, parts: list[Part], weight: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Mean and deviation of the mixture, each graph semantics' noise taken at its own mean."""
    noises = np.array([part.noise for part in parts])
    means = np.array([part.mean for part in parts])
    spreads = np.array([part.spread for part in parts])
    mean = weight @ means
    variance = weight @ (spreads + (means - mean) ** 2)
    of_semantics = np.repeat(np.arange(len(prior.execution)), len(parts) // len(prior.execution))
    for h in range(len(prior.execution)):
        mine = of_semantics == h
        share = weight[mine].sum()
        own = weight[mine] @ means[mine] / share
        variance += (weight[mine] @ noises[mine] ** 2) * own**2
    return mean, np.sqrt(variance)


def _error_spreads(parts: list[Part], weight: FloatArray, floor: float) -> FloatArray:
    """Deviation of each part at the probes, relative to that of the mixture."""
    noises = np.array([part.noise for part in parts])[:, None]
    means = np.array([part.mean[-len(PROBES) :] for part in parts])
    spreads = np.array([part.spread[-len(PROBES) :] for part in parts])
    least = floor * np.array([part.scale for part in parts])[:, None]
    own = spreads + (noises * np.maximum(means, least)) ** 2 + (means - weight @ means) ** 2
    relative: FloatArray = np.sqrt((own / (weight @ own)).mean(axis=1))
    return relative


def _quantile(weight: FloatArray, spreads: FloatArray, confidence: float) -> float:
    """The q that holds ``confidence`` of a mixture of centred normal distributions."""
    normals = [NormalDist(0.0, spread) for spread in spreads]

    def inside(q: float) -> float:
        return float(sum(w * (2 * n.cdf(q) - 1) for w, n in zip(weight, normals, strict=True)))

    low, high = 0.0, 20.0 * float(spreads.max())
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (low, middle) if inside(middle) > confidence else (middle, high)
    return low
