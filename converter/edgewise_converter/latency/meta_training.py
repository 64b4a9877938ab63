"""Meta-training of HELP, and of MAML and Meta-SGD, which are HELP without its hardware embedding.

An episode draws a meta-batch of devices. Each adapts the shared parameters to a few timings by two
gradient steps with learnt per-parameter rates (Meta-SGD, arXiv 1707.09835; MAML keeps them fixed),
and the adapted parameters are scored on other networks of the same device. The outer step
differentiates through the inner ones (second order). The devices of a meta-batch run as one batch
of matrix products (``vmap``); :func:`meta_loss_loop` is the same loss, a device at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields

import torch
from torch import Tensor
from torch.func import grad, vmap

from edgewise_converter.latency.help_network import (
    NetworkConfig,
    divergence,
    infer,
    init_inference,
    init_params,
    modulate,
    predict,
)
from edgewise_converter.latency.parameters import Params

INNER_STEPS = 2
EPISODES = 2000
"""Outer steps of a training on NAS-Bench-201, as in the paper of HELP."""

_EPISODES_OF_CHAINS = 4000


def episodes_of(space: str) -> int:
    """Outer steps of a training in a space, as in the paper of HELP."""
    return EPISODES if space == "nasbench201" else _EPISODES_OF_CHAINS


def kl_weight_of(space: str) -> float:
    """Weight of the divergence of z in a space.

    HELP's released code weighs it by 0.1, but adds it up over the eight devices of a meta-batch
    where the error is averaged. On chains that rates better on the validation devices; on cells
    the mean does as well as the paper.
    """
    return 0.1 if space == "nasbench201" else 0.8


@dataclass(frozen=True)
class TrainingConfig:
    """What one meta-training needs beside its data.

    Attributes:
        network: sizes of the predictor.
        learn_rates: learn the inner step's rates (HELP, Meta-SGD) or keep them (MAML).
        episodes: outer steps.
        devices: devices of a meta-batch (fewer if fewer are given).
        samples: timings a device adapts to.
        queries: networks a device is scored on, or as many as there are.
        outer_rate: Adam's learning rate.
        inner_rate: the inner step's rate at first.
        validate_every: episodes between two validations.
        kl_weight: of the divergence of z beside the squared error, both means over the devices.
        seed: of the initial weights and of every draw.
    """

    network: NetworkConfig = field(default_factory=NetworkConfig)
    learn_rates: bool = True
    episodes: int = EPISODES
    devices: int = 8
    samples: int = 10
    queries: int = 200
    outer_rate: float = 1e-4
    inner_rate: float = 1e-3
    validate_every: int = 50
    kl_weight: float = 0.1
    seed: int = 0


@dataclass(frozen=True)
class Learner:
    """Everything that is meta-learnt: initial weights, inner rates, inference network."""

    params: Params
    rates: Params
    inference: Params

    @classmethod
    def create(cls, config: TrainingConfig) -> Learner:
        """A fresh learner, determined by the configuration's seed."""
        generator = torch.Generator().manual_seed(config.seed)
        params = init_params(config.network, generator)
        inference = init_inference(config.network, generator)
        rates = {name: torch.full_like(value, config.inner_rate) for name, value in params.items()}
        return cls(params, rates, inference)

    @property
    def latent_size(self) -> int:
        """Length of z; 0 without inference network."""
        return len(self.inference["z2.bias"]) // 2 if self.inference else 0

    def tensors(self) -> dict[str, Tensor]:
        """Every tensor by a name of its own: ``params.…``, ``rates.…``, ``inference.…``."""
        return {
            f"{part.name}.{name}": value
            for part in fields(self)
            for name, value in getattr(self, part.name).items()
        }

    def copy(self) -> Learner:
        """The same numbers, detached from any graph."""
        return Learner(
            *(
                {name: value.detach().clone() for name, value in getattr(self, part.name).items()}
                for part in fields(self)
            )
        )

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor]) -> Learner:
        """Inverse of :meth:`tensors`; other names are ignored."""
        parts: list[Params] = []
        for part in fields(cls):
            prefix = f"{part.name}."
            parts.append(
                {
                    name.removeprefix(prefix): value
                    for name, value in tensors.items()
                    if name.startswith(prefix)
                }
            )
        return cls(*parts)


@dataclass(frozen=True)
class Batch:
    """One meta-batch, D devices first in every tensor.

    Attributes:
        embedding: (D, E) hardware embeddings.
        support: (D, …, n, F) architectures the devices adapt to.
        support_ms: (D, n) their latencies, scaled.
        query: (D, …, q, F) architectures they are scored on.
        query_ms: (D, q) their latencies, scaled.
        noise: (D, latent) standard normal draws behind z.
    """

    embedding: Tensor
    support: Tensor
    support_ms: Tensor
    query: Tensor
    query_ms: Tensor
    noise: Tensor

    def tensors(self) -> tuple[Tensor, ...]:
        """The fields in order."""
        return tuple(getattr(self, part.name) for part in fields(self))


def adapt(
    learner: Learner, embedding: Tensor, support: Tensor, support_ms: Tensor, noise: Tensor
) -> tuple[Params, Tensor]:
    """Adapt to one device.

    Args:
        learner: what is meta-learnt.
        embedding: (E,), not read by a learner without hardware branch.
        support: (…, n, F) architectures that were timed.
        support_ms: (n,) their latencies, scaled.
        noise: (latent,) standard normal draw; the posterior of z maps it to z.

    Returns:
        The adapted parameters, and the KL divergence of z (0 without inference network).
    """
    params, kl = learner.params, support_ms.new_zeros(())
    if learner.inference:
        mean, deviation = infer(learner.inference, embedding)
        params = modulate(params, mean + deviation * noise)
        kl = divergence(mean, deviation)

    def loss(values: Params) -> Tensor:
        return _squared_error(predict(values, support, embedding), support_ms)

    for _ in range(INNER_STEPS):
        gradient = grad(loss)(params)
        params = {
            name: value - learner.rates[name] * gradient[name] for name, value in params.items()
        }
    return params, kl


def meta_loss(learner: Learner, batch: Batch, kl_weight: float) -> Tensor:
    """Mean over the devices of query error plus weighted KL, all devices at once."""
    error, kl = vmap(lambda *tensors: _device_loss(learner, *tensors))(*batch.tensors())
    loss: Tensor = error.mean() + kl_weight * kl.mean()
    return loss


def meta_loss_loop(learner: Learner, batch: Batch, kl_weight: float) -> Tensor:
    """The same as :func:`meta_loss`, a device at a time: its oracle, and its rival in speed."""
    losses = [_device_loss(learner, *tensors) for tensors in zip(*batch.tensors(), strict=True)]
    return torch.stack([error + kl_weight * kl for error, kl in losses]).mean()


class MetaTrainer:
    """Runs the outer loop; its whole state can be saved and loaded between episodes."""

    def __init__(
        self,
        config: TrainingConfig,
        draw: Callable[[int], Batch],
        loss: Callable[[Learner, Batch, float], Tensor] = meta_loss,
    ) -> None:
        """Start from a fresh learner.

        Args:
            config: sizes, rates and seed.
            draw: the meta-batch of an episode; the same number must give the same batch.
            loss: how a meta-batch is scored.
        """
        self.config = config
        self.learner = Learner.create(config)
        self.episode = 0
        self._draw = draw
        self._loss = loss
        self._leaves = {
            name: value.requires_grad_()
            for name, value in self.learner.tensors().items()
            if config.learn_rates or not name.startswith("rates.")
        }
        self._adam = torch.optim.Adam(self._leaves.values(), lr=config.outer_rate, fused=True)

    def run(self, until: int | None = None) -> Iterator[int]:
        """Train to an episode (the last by default); yields the number of episodes done."""
        stop = self.config.episodes if until is None else min(until, self.config.episodes)
        while self.episode < stop:
            loss = self._loss(self.learner, self._draw(self.episode), self.config.kl_weight)
            self._adam.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            self._adam.step()
            self.episode += 1
            yield self.episode

    def state(self) -> dict[str, Tensor]:
        """Every tensor needed to go on: the learner, Adam's moments, the episode."""
        tensors = {name: value.detach() for name, value in self.learner.tensors().items()}
        for name, leaf in self._leaves.items():
            for key, value in self._adam.state.get(leaf, {}).items():
                tensors[f"adam.{key}.{name}"] = value
        tensors["episode"] = torch.tensor(self.episode)
        return tensors

    def load_state(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on from :meth:`state` of a trainer with the same configuration."""
        with torch.no_grad():
            for name, value in self.learner.tensors().items():
                value.copy_(tensors[name])
        for name, leaf in self._leaves.items():
            moments = {
                key: tensors[f"adam.{key}.{name}"].clone()
                for key in ("step", "exp_avg", "exp_avg_sq")
                if f"adam.{key}.{name}" in tensors
            }
            if moments:
                self._adam.state[leaf] = moments
        self.episode = int(tensors["episode"])


def _device_loss(
    learner: Learner,
    embedding: Tensor,
    support: Tensor,
    support_ms: Tensor,
    query: Tensor,
    query_ms: Tensor,
    noise: Tensor,
) -> tuple[Tensor, Tensor]:
    """Squared error on the queries, and the KL divergence of z."""
    params, kl = adapt(learner, embedding, support, support_ms, noise)
    return _squared_error(predict(params, query, embedding), query_ms), kl


def _squared_error(predicted: Tensor, true: Tensor) -> Tensor:
    return ((predicted - true) ** 2).mean()
