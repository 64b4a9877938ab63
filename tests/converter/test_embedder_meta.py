"""Meta-training of the product's embedder, and training on from what was shipped."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from edgewise.errors import ArgumentError
from edgewise_converter.fewshot.base_classes import Base
from edgewise_converter.fewshot.embedder import create_embedder
from edgewise_converter.fewshot.embedder_meta import MetaConfig, meta_train
from edgewise_converter.fewshot.methods import Bilevel
from edgewise_converter.fewshot.pretraining import PretrainingConfig
from edgewise_converter.fewshot.pretraining_run import open_weights, pretrain, save_embedder

from .fewshot_data import made_up


@pytest.fixture(scope="module")
def bases() -> list[Base]:
    benchmark = made_up()
    classes = benchmark.split.train
    return [Base(benchmark, classes, benchmark.images.rows(classes))]


@pytest.mark.parametrize(("method", "losses"), [("plain", 1), ("l2g", 2)])
def test_it_learns_with_frozen_statistics(bases: list[Base], method: str, losses: int) -> None:
    embedder = create_embedder("small", 0)
    mean = embedder.stem.norm.running_mean
    assert mean is not None
    before, weight = mean.clone(), embedder.stem.conv.weight.detach().clone()
    config = MetaConfig(
        method=method,
        episodes=6,
        shots=(1, 2),
        queries=4,
        rate=1e-2,
        bilevel=Bilevel(0.01, 1.0),
        validate_every=6,
    )
    curve = list(meta_train(embedder, bases, config, low=False))
    assert [each.epoch for each in curve] == [0, 6]
    assert torch.equal(mean, before)
    assert not torch.equal(embedder.stem.conv.weight, weight)
    assert curve[1].loss < losses * math.log(5)  # below chance of five classes


def test_sets_too_small_for_two_episodes_are_left_out(bases: list[Base]) -> None:
    few = Base(bases[0].benchmark, bases[0].classes[:9], bases[0].rows[:9])
    config = MetaConfig(episodes=2, shots=(1,), queries=4, validate_every=2)
    found = [
        [each.accuracy for each in meta_train(create_embedder("small", 0), sets, config, low=False)]
        for sets in (bases, [*bases, few])
    ]
    assert found[0][1] == found[1][1]


def test_bad_settings_are_refused() -> None:
    with pytest.raises(ArgumentError, match="unknown method 'maml'"):
        MetaConfig(method="maml")
    with pytest.raises(ArgumentError, match="rate must be positive"):
        MetaConfig(rate=0)


def test_a_pretraining_begins_with_given_weights(bases: list[Base], tmp_path: Path) -> None:
    path = tmp_path / "start.safetensors"
    save_embedder(path, create_embedder("small", 7), "small", {"config": {}})
    start, about = open_weights(path)
    assert about["size"] == "small"
    config = PretrainingConfig(size="small", epochs=1, batch=96, rate=1e-6)
    found = pretrain(bases, config, start=start)
    difference = found.embedder.stem.conv.weight - start.stem.conv.weight
    assert float(difference.detach().abs().max()) < 1e-3
    with pytest.raises(ArgumentError, match="not of the size 'large'"):
        pretrain(bases, PretrainingConfig(size="large", epochs=1), start=start)
    with pytest.raises(ArgumentError, match="side must be 48 to 84 or 0, not 20"):
        PretrainingConfig(side=20)
    with pytest.raises(ArgumentError, match="no such file"):
        open_weights(tmp_path / "none.safetensors")
