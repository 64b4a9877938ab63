"""The product's embedder: network, crops, pre-training that resumes, weights out of a bundle."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch

from edgewise.errors import ArgumentError
from edgewise_converter.fewshot.base_classes import Base
from edgewise_converter.fewshot.crops import random_batch, resize
from edgewise_converter.fewshot.embedder import (
    SIZES,
    FinishedEmbedder,
    create_embedder,
)
from edgewise_converter.fewshot.pretraining import (
    Pretrainer,
    PretrainingConfig,
    one_cycle,
    side_at,
)
from edgewise_converter.fewshot.pretraining_run import load_embedder, pretrain, save_embedder

from .fewshot_data import made_up

TINY = PretrainingConfig(size="small", epochs=2, batch=48, validate_every=1)


@pytest.fixture(scope="module")
def bases() -> list[Base]:
    found = []
    for seed in range(2):
        benchmark = made_up(seed=seed)
        classes = benchmark.split.train
        found.append(Base(benchmark, classes, benchmark.images.rows(classes)))
    return found


@pytest.mark.parametrize(("size", "parameters"), [("small", 111_568), ("large", 442_784)])
def test_the_network_has_its_size(size: str, parameters: int) -> None:
    embedder = create_embedder(size, 0)
    assert sum(each.numel() for each in embedder.parameters()) == parameters
    with torch.no_grad():
        assert embedder(torch.zeros(2, 3, 84, 84)).shape == (2, SIZES[size].dim)


def test_a_seed_determines_the_weights_and_the_size_is_checked() -> None:
    first, again, other = (create_embedder("small", seed).stem.conv.weight for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    with pytest.raises(ArgumentError, match="unknown size 'huge'"):
        create_embedder("huge", 0)


def test_embeddings_do_not_depend_on_the_batch() -> None:
    embedder = create_embedder("small", 0).eval()
    pixels = torch.rand(3, 3, 84, 84) * 255
    with torch.no_grad():
        together, alone = embedder(pixels), embedder(pixels[1:2])
    assert torch.allclose(together[1:2], alone, atol=1e-6)
    assert bool((together >= 0).all())


def test_the_finish_takes_roots_and_subtracts_the_centre() -> None:
    embedder = create_embedder("small", 0).eval()
    centre = torch.linspace(-1, 1, SIZES["small"].dim)
    pixels = torch.rand(2, 3, 84, 84) * 255
    with torch.no_grad():
        plain = embedder(pixels)
        finished = FinishedEmbedder(embedder, root=True, centre=centre)(pixels)
        centred = FinishedEmbedder(embedder, root=False, centre=centre)(pixels)
    assert torch.allclose(finished, plain.sqrt() - centre)
    assert torch.allclose(centred, plain - centre)


def test_crops_are_parts_of_their_pictures() -> None:
    # One colour a picture: whatever is cut out of it, tinting apart, has that colour.
    images = np.repeat(np.arange(0, 250, 25, dtype=np.uint8), 20 * 20 * 3).reshape(-1, 20, 20, 3)
    rows = np.array([3, 7, 1])
    found = random_batch(images, rows, 32, np.random.default_rng(0))
    again = random_batch(images, rows, 32, np.random.default_rng(0))
    assert found.shape == (3, 3, 32, 32)
    assert torch.equal(found, again)
    assert float(found.std((2, 3)).max()) < 1e-3
    assert torch.allclose(found.mean((1, 2, 3)), torch.tensor([75.0, 175.0, 25.0]), atol=40)


def test_strokes_are_not_flipped_and_get_other_colours() -> None:
    # A black bar at the left of white paper.
    bar = np.full((20, 20, 3), 255, np.uint8)
    bar[:, :6] = 0
    images = np.stack([bar] * 60)
    found = random_batch(images, np.arange(60), 16, np.random.default_rng(1), drawn=True)
    left, right = found[:, :, 8, 0], found[:, :, 8, -1]
    assert float((left.mean(1) - right.mean(1)).abs().median()) > 60
    lighter = int((left.mean(1) > right.mean(1)).sum())
    assert 10 < lighter < 28  # half of those that do not keep their ink
    coloured = (left.amax(1) - left.amin(1) > 60) | (right.amax(1) - right.amin(1) > 60)
    assert 15 < int(coloured.sum()) < 50
    # Wherever the bar is, it is at the left: mirrored ones would have it at the right.
    steps = (found.mean(1)[:, 8, 1:] - found.mean(1)[:, 8, :-1]).abs().argmax(1)
    assert int(steps.max()) < 8


def test_flips_and_places_differ_from_picture_to_picture() -> None:
    ramp = np.broadcast_to(np.arange(20, dtype=np.uint8)[:, None] * 10, (20, 20, 3)).copy()
    images = np.stack([ramp] * 40)
    found = random_batch(images, np.arange(40), 16, np.random.default_rng(1))
    slopes = found[:, 0, 8, -1] - found[:, 0, 8, 0]
    assert 8 < int((slopes > 0).sum()) < 32


def test_resizing_is_the_mean_of_what_a_pixel_covers() -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3), np.uint8)
    assert torch.equal(resize(pictures, 8), torch.from_numpy(pictures).permute(0, 3, 1, 2).float())
    small = resize(pictures, 4)
    assert small.shape == (2, 3, 4, 4)
    assert float(small.mean()) == pytest.approx(pictures.mean(), abs=12)


def test_rate_and_side_over_a_training() -> None:
    assert one_cycle(0.1) == pytest.approx(1.0)
    assert one_cycle(0.05) == pytest.approx(0.5)
    assert one_cycle(0.55) == pytest.approx(0.5)
    assert one_cycle(1.0) == pytest.approx(0.0)
    assert [side_at(progress) for progress in (0, 0.5, 0.9, 1.0)] == [48, 64, 72, 72]


def test_pretraining_learns_and_resumes(bases: list[Base], tmp_path: Path) -> None:
    whole = pretrain(bases, TINY, tmp_path / "whole.ckpt")
    assert len(whole.curve) == 2
    assert whole.curve[-1].loss < whole.curve[0].loss
    assert whole.curve[-1].mean > 25  # of five classes
    assert whole.lengths == [[0, 2]]

    checkpoint = tmp_path / "part.ckpt"
    half = PretrainingConfig(**{**asdict(TINY), "epochs": 1})
    pretrain(bases, half, checkpoint)
    rest = pretrain(bases, TINY, checkpoint)
    assert [each.epoch for each in rest.curve] == [1.0, 2.0]
    assert rest.lengths == [[0, 1], [12, 2]]
    again = pretrain(bases, TINY, checkpoint)
    for one, other in zip(
        rest.embedder.state_dict().values(), again.embedder.state_dict().values(), strict=True
    ):
        assert torch.equal(one, other)


def test_a_resumed_training_is_the_training(bases: list[Base]) -> None:
    straight, first, second = (Pretrainer(bases, TINY, low=False) for _ in range(3))
    for _ in range(6):
        straight._train_step()
    for _ in range(3):
        first._train_step()
    second.load_state({name: value.clone() for name, value in first.state().items()})
    for _ in range(3):
        second._train_step()
    for one, other in zip(
        straight.embedder.state_dict().values(), second.embedder.state_dict().values(), strict=True
    ):
        assert torch.allclose(one, other, atol=1e-5)


def test_a_checkpoint_of_another_training_is_refused(bases: list[Base], tmp_path: Path) -> None:
    checkpoint = tmp_path / "some.ckpt"
    pretrain(bases, PretrainingConfig(**{**asdict(TINY), "epochs": 1}), checkpoint)
    other = PretrainingConfig(**{**asdict(TINY), "seed": 5})
    with pytest.raises(ArgumentError, match="another config"):
        pretrain(bases, other, checkpoint)
    found, about = load_embedder(checkpoint)
    assert about["size"] == "small"
    assert not found.training


def test_saved_embedders_come_back(tmp_path: Path) -> None:
    embedder, path = create_embedder("small", 3), tmp_path / "embedder.safetensors"
    save_embedder(path, embedder, "small", {"config": {"seed": 3}, "classes": {}})
    found, about = load_embedder(path)
    assert about["config"] == {"seed": 3}
    assert torch.equal(found.stem.conv.weight, embedder.stem.conv.weight)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ArgumentError, match=r"embedder\.safetensors"):
        load_embedder(path)
