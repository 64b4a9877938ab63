"""HELP from tables: the meta-batches of its training, validation, and prediction of a device."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.func import vmap

from edgewise.errors import ArgumentError
from edgewise.latency.help import at_least_a_little
from edgewise_converter.latency.help_network import predict
from edgewise_converter.latency.meta_training import Batch, Learner, TrainingConfig, adapt
from edgewise_converter.latency.parameters import Params
from edgewise_converter.latency.protocols import (
    Domain,
    Protocol,
    Scaling,
    Target,
    draw,
    embedding,
    require_measured,
    target_of,
    training_pool,
)
from edgewise_converter.latency.scoring import Estimate, middle, spearman
from edgewise_converter.latency.tables import LatencyTable

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

DRAWS = 10
"""Draws of z whose predictions are averaged (Monte-Carlo samples)."""

_VALIDATION_SEED = 7
_VALIDATION_SUPPORTS = 3
_CONFIDENCE = 0.9
_CHUNK = 2048


@dataclass(frozen=True)
class HelpData:
    """What a meta-training reads.

    Attributes:
        table: rows of the training and validation devices.
        inputs: (…, A, F) what the network reads of the table's architectures.
        train: devices to train on.
        valid: devices to choose the best episode by.
        domains: pool and queries of each of them.
        reference: (E,) architectures of the hardware embedding.
        protocol: what is known of a device when it is met.
    """

    table: LatencyTable
    inputs: Tensor
    train: tuple[str, ...]
    valid: tuple[str, ...]
    domains: Mapping[str, Domain]
    reference: IntArray
    protocol: Protocol

    def __post_init__(self) -> None:
        if not self.train or not self.valid:
            raise ArgumentError(
                "meta-training needs devices of at least two hardwares: some to train on, "
                "others to choose the best episode by"
            )
        require_measured(self.table, (*self.train, *self.valid), self.reference)


class Episodes:
    """Draws meta-batches; the same episode number gives the same meta-batch."""

    def __init__(self, data: HelpData, config: TrainingConfig) -> None:
        self._data = data
        self._config = config
        self._pools: dict[str, tuple[IntArray, Scaling]] = {
            device: training_pool(
                data.table, device, data.domains[device], data.reference, data.protocol
            )
            for device in data.train
        }
        # As many for each device, so that a meta-batch is one tensor.
        smallest = min(len(pool) for pool, _ in self._pools.values())
        self._queries = min(config.queries, smallest - config.samples)
        if self._queries < 1:
            raise ArgumentError(f"a pool of {smallest} architectures is too small to train on")

    def __call__(self, episode: int) -> Batch:
        """The meta-batch of an episode."""
        generator = np.random.default_rng((self._config.seed, episode))
        count = min(self._config.devices, len(self._data.train))
        chosen = generator.choice(len(self._data.train), count, replace=False)
        tasks = [self._task(self._data.train[index], generator) for index in chosen]
        noise = generator.standard_normal((count, self._config.network.latent_size))
        embedded, support, support_ms, query, query_ms = (
            torch.stack(tensors) for tensors in zip(*tasks, strict=True)
        )
        noise_of_z = torch.from_numpy(noise.astype(np.float32))
        return Batch(embedded, support, support_ms, query, query_ms, noise_of_z)

    def _task(self, device: str, generator: np.random.Generator) -> tuple[Tensor, ...]:
        """Embedding, support, its latencies, query, its latencies of one device."""
        data, row = self._data, self._data.table.row(device)
        pool, scaling = self._pools[device]
        support = data.reference
        if data.protocol == "strict":
            query = draw(np.setdiff1d(pool, support), self._queries, generator)
        else:
            drawn = draw(pool, self._config.samples + self._queries, generator)
            support, query = np.split(drawn, [self._config.samples])
        return (
            _tensor(embedding(row[data.reference])),
            data.inputs[..., support, :],
            _tensor(scaling.scale(row[support])),
            data.inputs[..., query, :],
            _tensor(scaling.scale(row[query])),
        )


class Validation:
    """Mean rank correlation on the middle queries of the validation devices.

    The same supports every time, and z at its mean, so that episodes differ by their learner alone.
    """

    def __init__(self, data: HelpData, config: TrainingConfig) -> None:
        generator = np.random.default_rng(_VALIDATION_SEED)
        repeats = _VALIDATION_SUPPORTS if data.protocol == "paper" else 1
        self._data = data
        self.targets = [
            target_of(
                data.table,
                device,
                data.domains[device],
                data.reference,
                data.protocol,
                samples=config.samples,
                generator=generator,
            )
            for device in data.valid
            for _ in range(repeats)
        ]

    def __call__(self, learner: Learner) -> float:
        """Score a learner."""
        correlations = []
        for target in self.targets:
            true = self._data.table.row(target.device)[target.query]
            kept = middle(true) if self._data.domains[target.device].split else slice(None)
            noise = torch.zeros(1, learner.latent_size)
            scaled = predict_scaled(learner, self._data.inputs, target, noise).mean(0)
            correlations.append(spearman(scaled[kept], true[kept]))
        return float(np.mean(correlations))


@dataclass(frozen=True)
class Help:
    """A meta-trained learner, ready to adapt to devices.

    Attributes:
        learner: what was meta-learnt.
        residual: relative error that it left on the validation devices, for the intervals.
    """

    learner: Learner
    residual: float

    def estimate(self, inputs: Tensor, target: Target, seed: int) -> Estimate:
        """Adapt to a device and predict its queries.

        Args:
            inputs: (…, A, F) what the network reads of the table's architectures.
            target: the device.
            seed: of the draws of z.
        """
        noise = standard_noise(DRAWS, self.learner.latent_size, seed)
        draws = target.scaling.restore(predict_scaled(self.learner, inputs, target, noise))
        ms = at_least_a_little(draws.mean(axis=0), float(target.timings()[1].min()))
        deviation = np.sqrt(draws.var(axis=0) + (self.residual * ms) ** 2)
        reach = NormalDist().inv_cdf(0.5 + _CONFIDENCE / 2) * deviation
        return Estimate(ms, np.maximum(ms - reach, 0.0), ms + reach)


def standard_noise(draws: int, size: int, seed: int) -> Tensor:
    """(draws, size) standard normal float32."""
    return torch.from_numpy(
        np.random.default_rng(seed).standard_normal((draws, size)).astype(np.float32)
    )


def predict_scaled(learner: Learner, inputs: Tensor, target: Target, noise: Tensor) -> FloatArray:
    """Scaled latencies of the queries of a device, (S, N), for S draws of z, noise (S, latent)."""
    device = _tensor(embedding(target.reference_ms))
    support = inputs[..., target.support, :]
    support_ms = _tensor(target.scaling.scale(target.support_ms))

    def adapted(draw_of_z: Tensor) -> Params:
        return adapt(learner, device, support, support_ms, draw_of_z)[0]

    with torch.no_grad():
        params = vmap(adapted)(noise)
        parts = [
            vmap(lambda values, part: predict(values, part, device), in_dims=(0, None))(
                params, inputs[..., target.query[start : start + _CHUNK], :]
            )
            for start in range(0, len(target.query), _CHUNK)
        ]
    scaled: FloatArray = torch.cat(parts, dim=1).double().numpy()
    return scaled


def relative_residual(learner: Learner, data: HelpData, targets: Sequence[Target]) -> float:
    """Relative error that covers nine of ten queries of the validation devices, as a deviation.

    A normal distribution of this deviation has its 90 % interval where the errors have theirs.
    """
    errors = []
    for target in targets:
        true = data.table.row(target.device)[target.query]
        noise = torch.zeros(1, learner.latent_size)
        scaled = predict_scaled(learner, data.inputs, target, noise).mean(0)
        ms = np.maximum(target.scaling.restore(scaled), 1e-9)
        errors.append(np.abs(true - ms) / ms)
    reach = NormalDist().inv_cdf(0.5 + _CONFIDENCE / 2)
    return float(np.quantile(np.concatenate(errors), _CONFIDENCE)) / reach


def _tensor(values: FloatArray) -> Tensor:
    return torch.from_numpy(values.astype(np.float32))
