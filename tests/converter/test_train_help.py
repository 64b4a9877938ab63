"""A whole meta-training on a made-up world: it learns, resumes, and keeps to its data."""

from __future__ import annotations

import dataclasses
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from edgewise.errors import ArgumentError
from edgewise.spaces import get_space
from edgewise_converter.latency.encodings.registry import help_inputs
from edgewise_converter.latency.help_network import NetworkConfig
from edgewise_converter.latency.help_predictor import (
    Episodes,
    Help,
    HelpData,
    Validation,
    predict_scaled,
)
from edgewise_converter.latency.meta_training import Learner, TrainingConfig
from edgewise_converter.latency.protocols import PROTOCOLS, Protocol, domain_of, target_of
from edgewise_converter.latency.scoring import spearman
from edgewise_converter.latency.tables import LatencyTable, Split
from edgewise_converter.latency.train import train_help

SPLIT = Split({}, pool=120, query=80)
CONFIG = TrainingConfig(
    network=NetworkConfig(10, width=24),
    episodes=60,
    devices=4,
    queries=40,
    outer_rate=2e-3,
    inner_rate=1e-2,
    validate_every=20,
)


def data_of(table: LatencyTable, protocol: Protocol = "paper") -> HelpData:
    known, space = table.devices[:6], get_space(table.space)
    return HelpData(
        table=table.select(known),
        inputs=help_inputs(space, space.encode(table.archs)),
        train=known[:4],
        valid=known[4:],
        domains={device: domain_of(table, device, SPLIT) for device in known},
        reference=table.reference,
        protocol=protocol,
    )


def test_a_batch_holds_what_the_protocol_says(table: LatencyTable) -> None:
    for protocol in PROTOCOLS:
        data = data_of(table, protocol)
        batch = Episodes(data, CONFIG)(3)
        assert batch.embedding.shape == (4, 10)
        assert batch.embedding.min() == 0.0
        assert batch.embedding.max() == 1.0
        assert batch.support.shape == (4, 3, 10, 39)
        assert batch.query.shape == (4, 3, 40, 39)
        low, high = (0.05, 0.95) if protocol == "paper" else (0.0, 1.0)
        assert batch.support_ms.min() >= low - 1e-6
        assert batch.support_ms.max() <= high + 1e-6
        if protocol == "strict":
            torch.testing.assert_close(batch.support_ms, batch.embedding)
            torch.testing.assert_close(batch.support[0], data.inputs[:, data.reference])


def test_episodes_differ_and_repeat(table: LatencyTable) -> None:
    episodes = Episodes(data_of(table), CONFIG)
    first, again, other = episodes(0), episodes(0), episodes(1)
    for before, after in zip(first.tensors(), again.tensors(), strict=True):
        assert torch.equal(before, after)
    assert not torch.equal(first.query, other.query)


def test_validation_never_looks_at_the_training_devices(table: LatencyTable) -> None:
    data = data_of(table)
    changed = table.latency_ms.copy()
    changed[:4] *= np.random.default_rng(0).uniform(1, 5, (4, 400))
    other = data_of(dataclasses.replace(table, latency_ms=changed))
    learner = Learner.create(CONFIG)
    assert Validation(data, CONFIG)(learner) == Validation(other, CONFIG)(learner)


def test_help_learns_a_device_it_has_not_seen(table: LatencyTable) -> None:
    for protocol in PROTOCOLS:
        data = data_of(table, protocol)
        trained = train_help(data, CONFIG)
        target = target_of(
            table,
            "chip",
            domain_of(table, "chip", SPLIT),
            table.reference,
            data.protocol,
            samples=10,
            generator=np.random.default_rng(0),
        )
        estimate = trained.help.estimate(data.inputs, target, seed=0)
        true = table.row("chip")[target.query]
        assert spearman(estimate.ms, true) > 0.93
        # In milliseconds, though the network knows scaled latencies only.
        assert np.abs(estimate.ms / true - 1).mean() < 0.25
        assert estimate.low is not None
        assert estimate.high is not None
        assert (estimate.low <= estimate.ms).all()
        assert (estimate.ms <= estimate.high).all()
        assert ((estimate.low <= true) & (true <= estimate.high)).mean() > 0.6


def test_predicting_in_chunks_changes_nothing(
    table: LatencyTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = data_of(table)
    target = Validation(data, CONFIG).targets[0]
    learner = Learner.create(CONFIG)
    noise = torch.randn(3, CONFIG.network.latent_size, generator=torch.Generator().manual_seed(0))
    whole = predict_scaled(learner, data.inputs, target, noise)
    assert whole.shape == (3, len(target.query))
    monkeypatch.setattr("edgewise_converter.latency.help_predictor._CHUNK", 7)
    np.testing.assert_allclose(predict_scaled(learner, data.inputs, target, noise), whole, 1e-4)


def test_an_interrupted_training_goes_on(table: LatencyTable, tmp_path: Path) -> None:
    data = data_of(table)

    class InterruptError(Exception):
        pass

    def stop(episode: int, _: float) -> None:
        if episode == 40:
            raise InterruptError

    with pytest.raises(InterruptError):
        train_help(data, CONFIG, tmp_path, "help", stop)
    (checkpoint,) = tmp_path.iterdir()
    seen: list[int] = []
    resumed = train_help(data, CONFIG, tmp_path, "help", lambda episode, _: seen.append(episode))
    assert seen == [60]
    assert list(tmp_path.iterdir()) == [checkpoint]
    whole = train_help(data, CONFIG)
    assert (resumed.best_episode, resumed.best_score) == (whole.best_episode, whole.best_score)
    for name, value in whole.help.learner.tensors().items():
        assert torch.equal(resumed.help.learner.tensors()[name], value), name


def test_a_finished_training_is_not_repeated(table: LatencyTable, tmp_path: Path) -> None:
    data, config = data_of(table), replace(CONFIG, episodes=20)
    first = train_help(data, config, tmp_path)

    def never(_episode: int, _score: float) -> None:
        raise AssertionError

    second = train_help(data, config, tmp_path, "help", never)
    # Where a tensor lies in memory decides the order of sums.
    assert second.help.residual == pytest.approx(first.help.residual, rel=1e-5)
    # Another seed is another training.
    train_help(data, replace(config, seed=1), tmp_path)
    assert len(list(tmp_path.iterdir())) == 2


def test_a_damaged_checkpoint_is_refused(table: LatencyTable, tmp_path: Path) -> None:
    data, config = data_of(table), replace(CONFIG, episodes=20)
    train_help(data, config, tmp_path)
    (checkpoint,) = tmp_path.iterdir()
    checkpoint.write_bytes(checkpoint.read_bytes()[:1000])
    with pytest.raises(ArgumentError, match="not a training checkpoint"):
        train_help(data, config, tmp_path)


def test_references_must_be_measured_on_every_device(table: LatencyTable) -> None:
    latency = table.latency_ms.copy()
    latency[5, 3] = np.nan
    with pytest.raises(ArgumentError, match="phone_b: reference architecture"):
        data_of(dataclasses.replace(table, latency_ms=latency))


def test_intervals_come_from_the_residual(table: LatencyTable) -> None:
    data = data_of(table)
    target = Validation(data, CONFIG).targets[0]
    learner = Learner.create(CONFIG)
    narrow = Help(learner, 0.01).estimate(data.inputs, target, 0)
    wide = Help(learner, 0.2).estimate(data.inputs, target, 0)
    np.testing.assert_array_equal(narrow.ms, wide.ms)
    assert narrow.high is not None
    assert wide.high is not None
    positive = wide.ms > 0
    assert (wide.high - wide.ms > narrow.high - narrow.ms)[positive].all()
    np.testing.assert_allclose((wide.high / wide.ms - 1)[positive], 1.6449 * 0.2, rtol=0.25)
