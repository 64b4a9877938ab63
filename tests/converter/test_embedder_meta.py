"""Meta-training of the product's embedder, and training on from what was shipped."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

import edgewise
from edgewise.errors import ArgumentError
from edgewise_converter.fewshot.base_classes import Base
from edgewise_converter.fewshot.embedder import create_embedder
from edgewise_converter.fewshot.embedder_meta import MetaConfig, episodic, meta_train
from edgewise_converter.fewshot.methods import Bilevel
from edgewise_converter.fewshot.pretraining import PretrainingConfig
from edgewise_converter.fewshot.pretraining_run import (
    classes_of,
    open_weights,
    pretrain,
    save_embedder,
)

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


def test_sets_too_small_for_a_step_are_left_out(bases: list[Base]) -> None:
    few = Base(bases[0].benchmark, bases[0].classes[:9], bases[0].rows[:9])
    assert [len(each.rows) for each in episodic([*bases, few], MetaConfig())] == [12]
    plain = episodic([*bases, few], MetaConfig(method="plain"))
    assert [len(each.rows) for each in plain] == [12, 9]
    with pytest.raises(ArgumentError, match="no set has the 10 classes that a step of l2g takes"):
        episodic([few], MetaConfig())


def test_what_was_learnt_from_adds_up(bases: list[Base], tmp_path: Path) -> None:
    classes = list(bases[0].classes)
    before = {"command": "first", "classes": {"made_up": ["older", classes[0]], "other": ["a"]}}
    config = PretrainingConfig(size="small", epochs=1, batch=96)
    checkpoint = tmp_path / "state.ckpt"
    start = create_embedder("small", 7), before
    expected = {"made_up": ["older", *classes], "other": ["a"]}
    found = pretrain(bases, config, checkpoint, start=start)
    assert found.begun == {"classes": expected, "before": {"command": "first"}}
    # A checkpoint keeps it, for those who go on from it and for those who read it.
    assert pretrain(bases, config, checkpoint).begun == found.begun
    assert open_weights(checkpoint)[1]["classes"] == expected
    assert classes_of([], before, {"classes": {"other": ["b"]}})["other"] == ["a", "b"]


def test_a_shipped_bundle_says_what_it_learnt_from() -> None:
    shipped = Path(edgewise.__file__).parent / "bundles" / "embedder.safetensors"
    _, about = open_weights(shipped)
    assert {name: len(some) for name, some in about["classes"].items()} == {
        "cifar_fs": 60,
        "mini_imagenet": 63,
    }


def test_bad_settings_are_refused() -> None:
    with pytest.raises(ArgumentError, match="unknown method 'maml'"):
        MetaConfig(method="maml")
    with pytest.raises(ArgumentError, match="rate must be positive"):
        MetaConfig(rate=0)


def test_a_pretraining_begins_with_given_weights(bases: list[Base], tmp_path: Path) -> None:
    path = tmp_path / "start.safetensors"
    save_embedder(path, create_embedder("small", 7), "small", {"classes": {"set": ["a"]}})
    start, about = open_weights(path)
    assert about["size"] == "small"
    config = PretrainingConfig(size="small", epochs=1, batch=96, rate=1e-6)
    found = pretrain(bases, config, start=(start, about))
    difference = found.embedder.stem.conv.weight - start.stem.conv.weight
    assert float(difference.detach().abs().max()) < 1e-3
    with pytest.raises(ArgumentError, match="not of the size 'large'"):
        pretrain(bases, PretrainingConfig(size="large", epochs=1), start=(start, about))
    with pytest.raises(ArgumentError, match="side must be 48 to 84 or 0, not 20"):
        PretrainingConfig(side=20)
    save_embedder(path, start, "small", {"config": {}})
    with pytest.raises(ArgumentError, match="does not say what it learnt from"):
        open_weights(path)
    with pytest.raises(ArgumentError, match="no such file"):
        open_weights(tmp_path / "none.safetensors")
