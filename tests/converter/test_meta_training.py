"""The batched inner loop against plain loops; training resumes, repeats and learns."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from edgewise.spaces import get_space
from edgewise_converter.latency.encodings.registry import help_inputs
from edgewise_converter.latency.help_network import NetworkConfig, infer, modulate, predict
from edgewise_converter.latency.meta_training import (
    Batch,
    Learner,
    MetaTrainer,
    TrainingConfig,
    adapt,
    meta_loss,
    meta_loss_loop,
)

SMALL = TrainingConfig(
    network=NetworkConfig(embedding_size=10, width=12),
    episodes=12,
    devices=3,
    queries=20,
    outer_rate=1e-3,
    inner_rate=1e-2,
)


SPACE = get_space("nasbench201")
CODES = SPACE.encode(SPACE.architectures())


def draw(config: TrainingConfig, episode: int) -> Batch:
    """Devices whose latency is the share of 3x3 convolutions, times a factor of their own."""
    generator = np.random.default_rng((config.seed, episode))
    count = config.samples + config.queries
    parts = CODES[generator.choice(len(CODES), (config.devices, count), replace=False)]
    factors = generator.uniform(0.5, 1.0, config.devices)
    ms = torch.tensor(
        np.array([f * (part == 3).mean(1) for f, part in zip(factors, parts, strict=True)])
    ).float()
    whole = torch.stack([help_inputs(SPACE, part) for part in parts])
    n = config.samples
    embedding = torch.tensor(factors).float()[:, None].expand(-1, config.network.embedding_size)
    noise = torch.tensor(generator.standard_normal((config.devices, config.network.latent_size)))
    return Batch(embedding, whole[:, :, :n], ms[:, :n], whole[:, :, n:], ms[:, n:], noise.float())


def gradients(config: TrainingConfig, loss: object) -> list[torch.Tensor]:
    learner = Learner.create(config)
    leaves = [value.requires_grad_() for value in learner.tensors().values()]
    assert callable(loss)
    return list(torch.autograd.grad(loss(learner, draw(config, 0), 0.1), leaves))


@pytest.mark.parametrize("embedding_size", [10, 0])
def test_batching_over_devices_changes_nothing(embedding_size: int) -> None:
    config = replace(SMALL, network=NetworkConfig(embedding_size, 12))
    batch = draw(config, 0)
    learner = Learner.create(config)
    torch.testing.assert_close(meta_loss(learner, batch, 0.1), meta_loss_loop(learner, batch, 0.1))
    for batched, looped in zip(
        gradients(config, meta_loss), gradients(config, meta_loss_loop), strict=True
    ):
        torch.testing.assert_close(batched, looped, rtol=1e-3, atol=1e-6)


def test_adapting_is_two_steps_of_meta_sgd() -> None:
    """Against torch.autograd.grad on ordinary leaves."""
    batch, learner = draw(SMALL, 0), Learner.create(SMALL)
    embedding, support, support_ms = batch.embedding[0], batch.support[0], batch.support_ms[0]
    mean, deviation = infer(learner.inference, embedding)
    values = modulate(learner.params, mean + deviation * batch.noise[0])
    for _ in range(2):
        values = {name: value.detach().requires_grad_() for name, value in values.items()}
        error = ((predict(values, support, embedding) - support_ms) ** 2).mean()
        steps = torch.autograd.grad(error, list(values.values()))
        values = {
            name: value - 1e-2 * step
            for (name, value), step in zip(values.items(), steps, strict=True)
        }
    found, kl = adapt(learner, embedding, support, support_ms, batch.noise[0])
    for name, value in values.items():
        torch.testing.assert_close(found[name], value)
    assert kl > 0


def test_the_outer_gradient_is_of_second_order() -> None:
    """The rates' gradient by finite differences, which sees the inner steps as they are."""
    config = replace(SMALL, network=NetworkConfig(0, 6))
    batch = Batch(*(tensor.double() for tensor in draw(config, 0).tensors()))
    start = {name: value.double() for name, value in Learner.create(config).tensors().items()}

    def loss(tensors: dict[str, torch.Tensor]) -> torch.Tensor:
        torch.set_default_dtype(torch.float64)
        try:
            return meta_loss(Learner.from_tensors(tensors), batch, 0.1)
        finally:
            torch.set_default_dtype(torch.float32)

    for name in ("params.gc2.weight", "rates.fc4.weight"):
        leaf = start[name].clone().requires_grad_()
        (gradient,) = torch.autograd.grad(loss(start | {name: leaf}), leaf)
        direction = torch.randn(leaf.shape, generator=torch.Generator().manual_seed(0)).double()
        step = 1e-6
        ahead = loss(start | {name: start[name] + step * direction})
        behind = loss(start | {name: start[name] - step * direction})
        expected = (gradient * direction).sum()
        torch.testing.assert_close((ahead - behind) / (2 * step), expected, rtol=1e-5, atol=1e-10)


def test_training_goes_on_as_if_it_had_not_stopped() -> None:
    whole = MetaTrainer(SMALL, lambda episode: draw(SMALL, episode))
    list(whole.run())
    first = MetaTrainer(SMALL, lambda episode: draw(SMALL, episode))
    list(first.run(until=5))
    second = MetaTrainer(SMALL, lambda episode: draw(SMALL, episode))
    second.load_state({name: value.clone() for name, value in first.state().items()})
    assert list(second.run()) == list(range(6, 13))
    for name, value in whole.learner.tensors().items():
        torch.testing.assert_close(second.learner.tensors()[name], value, rtol=0, atol=0)


def test_a_seed_decides_everything() -> None:
    def train(seed: int) -> torch.Tensor:
        config = replace(SMALL, seed=seed, episodes=3)
        trainer = MetaTrainer(config, lambda episode: draw(config, episode))
        list(trainer.run())
        return trainer.learner.params["gc3.weight"].detach()

    assert torch.equal(train(0), train(0))
    assert not torch.equal(train(0), train(1))


def test_maml_keeps_its_rates_and_meta_sgd_learns_them() -> None:
    for learn in (False, True):
        config = replace(SMALL, learn_rates=learn, network=NetworkConfig(0, 12), episodes=5)
        trainer = MetaTrainer(config, lambda episode, c=config: draw(c, episode))  # type: ignore[misc]
        list(trainer.run())
        rates = trainer.learner.rates.values()
        assert any((rate != 1e-2).any() for rate in rates) is learn


def test_training_lowers_the_error_after_adaptation() -> None:
    config = replace(SMALL, episodes=60, network=NetworkConfig(0, 12))
    trainer = MetaTrainer(config, lambda episode: draw(config, episode))
    fresh = draw(config, 10_000)
    before = float(meta_loss(trainer.learner.copy(), fresh, 0.1))
    list(trainer.run())
    assert float(meta_loss(trainer.learner.copy(), fresh, 0.1)) < 0.5 * before
