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

FloatArray = NDArray[np.float64]

SPACE = get_space("nasbench201")
COLUMNS = len(_core.feature_names(SPACE))


@dataclass
class PriorData:
    """The arguments of `_core.LatencyPrior`."""

    semantics: list[str]
    semantics_log_weight: FloatArray
    execution: FloatArray
    mean: FloatArray
    covariance: FloatArray
    covariance_log_weight: FloatArray
    noise: FloatArray
    noise_log_weight: FloatArray
    floor: float = 0.25
    interval_scale: float = 1.2

    def core(self) -> _core.LatencyPrior:
        """The core's predictor."""
        return _core.LatencyPrior(space=SPACE, **vars(self))


def random_prior(seed: int) -> PriorData:
    """A prior with three graph semantics, two covariances and three noise levels."""
    rng = np.random.default_rng(seed)
    tables = [_core.execution_table(SPACE, name) for name in SPACE.semantics]
    factors = rng.normal(size=(2, COLUMNS, COLUMNS)) * 0.05
    return PriorData(
        semantics=list(SPACE.semantics),
        semantics_log_weight=rng.normal(size=3),
        execution=np.array(tables),
        mean=rng.uniform(0.05, 0.3, size=COLUMNS),
        covariance=factors @ factors.transpose(0, 2, 1) + 1e-4 * np.eye(COLUMNS),
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
    parts: list[tuple[float, FloatArray, FloatArray]] = []
    log_evidence: list[float] = []
    for h, table in enumerate(prior.execution):
        phi, query = _core.features(SPACE, timed, table), _core.features(SPACE, archs, table)
        expected = phi @ prior.mean
        scale = math.exp(np.mean(np.log(ms) - np.log(np.maximum(expected, 0.05))))
        time = ms / scale
        for g, covariance in enumerate(prior.covariance):
            for r, noise in enumerate(prior.noise):
                total = phi @ covariance @ phi.T
                total += np.diag((noise * np.maximum(time, prior.floor)) ** 2)
                surprise = time - expected
                _, log_determinant = np.linalg.slogdet(total)
                log_evidence.append(
                    -0.5 * surprise @ np.linalg.solve(total, surprise)
                    - 0.5 * log_determinant
                    - len(ms) * math.log(scale)
                    + prior.semantics_log_weight[h]
                    + prior.covariance_log_weight[g]
                    + prior.noise_log_weight[r]
                )
                gain = np.linalg.solve(total, phi @ covariance).T
                costs = prior.mean + gain @ surprise
                left = covariance - gain @ phi @ covariance
                mean = query @ costs * scale
                spread = np.einsum("ni,ij,nj->n", query, left, query) * scale**2
                parts.append((noise, mean, spread))
    weight = np.exp(np.array(log_evidence) - max(log_evidence))
    weight /= weight.sum()
    return _mixture(prior, parts, weight, confidence, ms)


def _mixture(
    prior: PriorData,
    parts: list[tuple[float, FloatArray, FloatArray]],
    weight: FloatArray,
    confidence: float,
    ms: FloatArray,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Moments of the mixture, with each graph semantics' noise taken at its own mean."""
    means = np.array([mean for _, mean, _ in parts])
    spreads = np.array([spread for _, _, spread in parts])
    mean = weight @ means
    variance = weight @ (spreads + (means - mean) ** 2)
    of_semantics = np.repeat(np.arange(len(prior.execution)), len(parts) // len(prior.execution))
    for h in range(len(prior.execution)):
        mine = of_semantics == h
        share = weight[mine].sum()
        if share == 0.0:
            continue
        own = weight[mine] @ means[mine] / share
        noise = weight[mine] @ np.array([part[0] for part in parts])[mine] ** 2 / share
        variance += share * noise * own**2
    assert (mean > prior.floor * ms.mean()).all(), "the oracle leaves the floor out"
    half = NormalDist().inv_cdf(0.5 + confidence / 2) * prior.interval_scale
    factor = np.exp(half * np.sqrt(variance) / mean)
    return mean, mean / factor, mean * factor
