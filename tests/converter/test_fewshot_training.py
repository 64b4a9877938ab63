"""Training: it learns, resumes to the very same weights, and keeps the best step."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from edgewise.errors import ArgumentError
from edgewise_converter import cli
from edgewise_converter.fewshot import train_command, training
from edgewise_converter.fewshot.conv4 import Conv4, standardise
from edgewise_converter.fewshot.learner import create_learner
from edgewise_converter.fewshot.learner_file import load_learner, save_learner, write_tensors
from edgewise_converter.fewshot.methods import METHODS, Bilevel
from edgewise_converter.fewshot.prototypes import PrototypeHead
from edgewise_converter.fewshot.relation import RELATION_LOSSES, RelationHead
from edgewise_converter.fewshot.scorers import relation
from edgewise_converter.fewshot.training import Trainer, TrainingConfig
from edgewise_converter.fewshot.training_run import train
from edgewise_converter.images.benchmarks import Benchmark

from .fewshot_data import made_up

SMALL = TrainingConfig(
    episodes=24,
    ways=3,
    shots=(1, 2),
    queries=4,
    temperature=0.05,
    width=8,
    validate_every=8,
    bilevel=Bilevel(step=0.1, weight=1.0),
)


@pytest.fixture(scope="module")
def benchmark() -> Benchmark:
    return made_up()


@pytest.fixture(autouse=True)
def few_validations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "_VALIDATION_EPISODES", {"protonet": 50, "relationnet": 10})


def test_conv4_is_that_of_the_papers() -> None:
    network = Conv4()
    # 3·9·64 + 3·64·9·64 weights, two numbers a filter of each norm
    assert sum(p.numel() for p in network.parameters()) == 1728 + 3 * 36864 + 4 * 128
    network.eval()
    assert network(torch.zeros(2, 3, 84, 84)).shape == (2, 64, 5, 5)
    assert Conv4(pools=2).eval()(torch.zeros(1, 3, 32, 32)).shape == (1, 64, 8, 8)


def test_images_are_standardised() -> None:
    pixels = np.array([[[[0, 255, 51]]]], np.uint8)
    assert standardise(pixels).flatten().tolist() == pytest.approx([-2, 2, -1.2])
    assert standardise(pixels).shape == (1, 3, 1, 1)


def test_the_loss_of_prototypes_is_that_of_a_slow_twin() -> None:
    features = torch.randn(3, 7, 5, generator=torch.Generator().manual_seed(0))
    losses = []
    for shots in (1, 3):
        terms = []
        for group in range(3 // shots):
            means = [each[group * shots : (group + 1) * shots].mean(0) for each in features]
            for truth, each in enumerate(features):
                for query in each[3:]:
                    logits = torch.stack([-0.5 * ((query - mean) ** 2).sum() for mean in means])
                    terms.append(torch.logsumexp(logits, 0) - logits[truth])
        losses.append(sum(terms) / len(terms))
    found = PrototypeHead((1, 3), temperature=0.5)(features)
    assert float(found) == pytest.approx(float(sum(losses) / 2), rel=1e-5)


@pytest.mark.parametrize("loss", RELATION_LOSSES)
def test_relation_is_one_convolution_over_joined_maps(loss: str) -> None:
    learner = create_learner(
        "relationnet", shots=(1, 2), size=(32, 32), seed=0, width=8, relation_loss=loss
    ).train()
    head = learner.head
    assert isinstance(head, RelationHead)
    maps = torch.rand(3, 6, 8, 8, 8, generator=torch.Generator().manual_seed(1))
    joined = torch.nn.functional.conv2d
    weight = torch.cat([head.of_class.weight, head.of_query.weight], 1)
    losses = []
    for shots in (1, 2):
        classes = maps[:, :shots].mean(1)
        rows = [
            (c, q, i == j)
            for j, own in enumerate(maps)
            for q in own[2:]
            for i, c in enumerate(classes)
        ]
        pairs = torch.stack([torch.cat([c, q]) for c, q, _ in rows])
        found = joined(pairs, weight, padding=1)
        found = torch.max_pool2d(torch.relu(head.norm(found)), 2)
        found = torch.max_pool2d(torch.relu(head.conv_norm(head.conv(found))), 2)
        rated = head.score(torch.relu(head.hidden(found.flatten(1))))[:, 0]
        truth = torch.tensor([float(same) for _, _, same in rows])
        if loss == "squared":
            losses.append((torch.sigmoid(rated) - truth).square().mean())
        else:
            likely = torch.log_softmax(rated.view(-1, 3), 1)
            losses.append(-(likely * truth.view(-1, 3)).sum(1).mean())
    wanted_loss = torch.stack(losses).mean().detach()
    torch.testing.assert_close(head(maps).detach(), wanted_loss, rtol=1e-4, atol=0)
    # and the scorer rates the same way
    head.eval()
    flat = maps.flatten(2).numpy()
    scored = relation(head)(flat[None, :, :2], flat[:, 2:].reshape(1, 12, -1))[0]
    with torch.no_grad():
        wanted = head.relate(
            head.of_class(maps[:, :2].mean(1)), head.of_query(maps[:, 2:].flatten(0, 1))
        )
    np.testing.assert_allclose(scored, wanted.numpy(), atol=1e-5)


@pytest.mark.parametrize("learner", ["protonet", "relationnet"])
@pytest.mark.parametrize("method", METHODS)
def test_a_run_that_was_cut_off_ends_alike(
    learner: str, method: str, benchmark: Benchmark, tmp_path: Path
) -> None:
    config = dataclasses.replace(SMALL, learner=learner, method=method)
    whole = train(benchmark, config)

    class CutOffError(Exception):
        pass

    def cut_off(_: object) -> None:
        raise CutOffError

    for _ in range(2):
        with pytest.raises(CutOffError):
            train(benchmark, config, tmp_path, cut_off)
    rest = train(benchmark, config, tmp_path)
    assert [each.episode for each in rest.curve] == [8, 16, 24]
    assert [each.accuracy for each in rest.curve] == [each.accuracy for each in whole.curve]
    for name, value in whole.learner.state_dict().items():
        assert torch.equal(value, rest.learner.state_dict()[name]), name


def test_the_best_step_is_kept(benchmark: Benchmark, tmp_path: Path) -> None:
    run = train(benchmark, dataclasses.replace(SMALL, rate=0.3, episodes=40))
    assert run.best.score == max(each.score for each in run.curve)
    save_learner(tmp_path / "a.safetensors", run.learner, ["a/b"], {"seed": 0})
    loaded, about = load_learner(tmp_path / "a.safetensors")
    assert (about["seed"], about["trained_on"]) == (0, ["a/b"])
    trainer = Trainer(benchmark, SMALL)
    trainer.learner.load_state_dict(loaded.state_dict())
    assert trainer.validate() == run.best.accuracy


def test_it_learns(benchmark: Benchmark) -> None:
    config = dataclasses.replace(SMALL, episodes=120, validate_every=60, width=16)
    run = train(benchmark, config)
    fresh = Trainer(benchmark, config).validate()
    assert run.best.accuracy[2] > fresh[2] + 5
    assert run.curve[-1].loss < run.curve[0].loss


def test_it_starts_from_another_learner(benchmark: Benchmark, tmp_path: Path) -> None:
    first = train(benchmark, SMALL)
    config = dataclasses.replace(SMALL, method="l2g", rate=1e-9, episodes=2, validate_every=2)
    for _ in range(2):  # trained, then taken from the checkpoint
        run = train(benchmark, config, tmp_path, start=first.learner)
        for name, value in run.learner.named_parameters():
            torch.testing.assert_close(value, first.learner.get_parameter(name), atol=1e-6, rtol=0)
    other = create_learner("protonet", shots=(1,), size=(16, 16), seed=0, width=4)
    message = "cannot start from protonet, width 4, images 16x16: this is protonet, width 8, imag"
    with pytest.raises(ArgumentError, match=message):
        train(benchmark, config, start=other)
    train(benchmark, config, tmp_path)  # fresh weights are another training
    assert len(list(tmp_path.iterdir())) == 2


def test_what_cannot_be_trained_is_refused(benchmark: Benchmark, tmp_path: Path) -> None:
    refused: list[tuple[dict[str, Any], str]] = [
        ({"ways": 13}, "13 ways asked of 12 classes"),
        ({"queries": 23}, "class 0 has 24 images"),
        ({"method": "l2g", "ways": 7}, "need 14 classes, there are 12"),
        ({"learner": "matching"}, "unknown learner 'matching'; known are protonet, relationnet"),
    ]
    for change, message in refused:
        with pytest.raises(ArgumentError, match=message):
            Trainer(benchmark, dataclasses.replace(SMALL, **change))
    Trainer(benchmark, dataclasses.replace(SMALL, method="l2g", ways=7, disjoint=False))
    refused = [
        ({"method": "maml"}, "unknown method 'maml'; known are plain, l2g"),
        ({"shots": ()}, "shots must be positive"),
        ({"episodes": 0}, "episodes must be positive, not 0"),
        ({"rate": float("nan")}, "rate must be positive, not nan"),
    ]
    for change, message in refused:
        with pytest.raises(ArgumentError, match=message):
            dataclasses.replace(SMALL, **change)
    with pytest.raises(ArgumentError, match="images are 8x16, Conv4 takes 16x16 or more"):
        create_learner("protonet", shots=(1,), size=(8, 16), seed=0)
    with pytest.raises(ArgumentError, match="unknown loss 'hinge' of RelationNet; known are squa"):
        create_learner("relationnet", shots=(1,), size=(16, 16), seed=0, relation_loss="hinge")
    with pytest.raises(ArgumentError, match="RelationNet takes square ones"):
        create_learner("relationnet", shots=(1,), size=(32, 16), seed=0)
    (tmp_path / "x").write_bytes(b"nothing")
    with pytest.raises(ArgumentError, match="x: not a trained learner"):
        load_learner(tmp_path / "x")
    write_tensors(tmp_path / "z", {}, "fewshot", {"learner": {"kind": "protonet"}})
    with pytest.raises(ArgumentError, match="z: not a trained learner \\('trained_on'\\)"):
        load_learner(tmp_path / "z")
    with pytest.raises(ArgumentError, match="y: no such file"):
        load_learner(tmp_path / "y")


def test_a_checkpoint_of_other_images_is_refused(benchmark: Benchmark, tmp_path: Path) -> None:
    train(benchmark, dataclasses.replace(SMALL, episodes=8), tmp_path)
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ArgumentError, match="not a training checkpoint"):
        train(benchmark, dataclasses.replace(SMALL, episodes=8), tmp_path)


def test_the_command_trains(
    benchmark: Benchmark, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train_command, "open_benchmark", lambda *_, **__: benchmark)
    output, curve = tmp_path / "l2g.safetensors", tmp_path / "curve.json"
    words = (
        f"train fewshot --dataset made_up --data . --learner protonet --method l2g --episodes 16 "
        f"--ways 3 --shots 1,2 --queries 4 --width 8 --validate-every 8 --step 0.2 --seed 3 "
        f"--bfloat16 --output {output} --json {curve} --checkpoints {tmp_path / 'state'}"
    )
    assert cli.main(words.split()) == 0
    learner, about = load_learner(output)
    told = json.loads(curve.read_text())
    assert told == {key: about[key] for key in told}
    assert told["command"].startswith("edgewise-converter train fewshot --dataset made_up")
    assert told["config"]["bilevel"] == {"step": 0.2, "weight": 1.0, "steps": 1}
    assert [each["episode"] for each in told["curve"]] == [8, 16]
    assert told["seconds"] > 0
    assert learner.embedder.width == 8
    assert not learner.training
