"""The mean of two embedders: every weight between both, and a file that says of what."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from edgewise.errors import ArgumentError
from edgewise_converter import cli
from edgewise_converter.fewshot.embedder import create_embedder
from edgewise_converter.fewshot.embedder_mean import mean_of
from edgewise_converter.fewshot.pretraining_run import open_weights, save_embedder

from .fewshot_data import made_up, write_set


def test_weights_and_statistics_lie_between() -> None:
    first, second = create_embedder("small", 1), create_embedder("small", 2)
    one = {name: value.clone() for name, value in first.state_dict().items()}
    with torch.no_grad():
        second.state_dict()["stem.1.running_mean"] += 4
        second.state_dict()["stem.1.num_batches_tracked"] += 5
    found = mean_of(first, second, 0.25).state_dict()
    for name, value in second.state_dict().items():
        if value.is_floating_point():
            assert torch.allclose(found[name], 0.75 * one[name] + 0.25 * value, atol=1e-6), name
        else:
            assert torch.equal(found[name], one[name])


def test_what_has_no_mean_is_refused() -> None:
    small, medium = create_embedder("small", 1), create_embedder("medium", 1)
    with pytest.raises(ArgumentError, match="different sizes"):
        mean_of(small, medium, 0.5)
    with pytest.raises(ArgumentError, match=r"share must be from 0 to 1, not 1\.5"):
        mean_of(small, small, 1.5)


def test_the_command_scores_and_tells_of_both(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images = made_up(classes=40).images
    write_set(tmp_path / "omniglot.parquet", images)
    names = list(images.classes)
    split = {"train": names[:20], "val": names[20:30], "test": names[30:]}
    (tmp_path / "splits.json").write_text(json.dumps({"omniglot_by_alphabet": split}))
    paths = [tmp_path / f"{seed}.safetensors" for seed in (1, 2)]
    for seed, path in enumerate(paths):
        told = {"command": f"train {seed}", "classes": {f"set {seed}": ["a"]}}
        save_embedder(path, create_embedder("small", seed), "small", told)
    output = tmp_path / "mean.safetensors"
    options = ["--share", "0.5", "--data", tmp_path, "--cache", tmp_path, "--output", output]
    command = ["train", "embedder-mean", "--of", *paths, *options, "--sets", "omniglot_by_alphabet"]
    assert cli.main([str(each) for each in command]) == 0
    assert "share 0.5: omniglot_by_alphabet " in capsys.readouterr().out
    found, about = open_weights(output)
    assert about["classes"] == {"set 0": ["a"], "set 1": ["a"]}
    assert [each["command"] for each in about["before"]] == ["train 0", "train 1"]
    expected = mean_of(create_embedder("small", 0), create_embedder("small", 1), 0.5)
    assert torch.equal(found.stem.conv.weight, expected.stem.conv.weight)
