"""Leaving families or hardware out: nothing of what is tested is ever trained on."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from edgewise_converter.cli import main


def leave_out(data: Path, by: str, *options: str) -> int:
    arguments = ["evaluate", "latency", "--table", str(data), "--leave-out", by]
    return main([*arguments, "--train", "meta_train,meta_valid", *options])


def test_every_family_is_left_out_once(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "folds.json"
    options = ("--predictors", "edgewise,nearest,ridge,ridge-doptimal", "--seeds", "2")
    assert leave_out(data, "families", *options, "--json", str(path)) == 0
    written = json.loads(path.read_text())
    folds = written["folds"]
    assert list(folds) == ["gpu", "cpu", "phone"]
    for name, fold in folds.items():
        assert {device.split("_")[0] for device in fold["test"]} == {name}
        assert name not in {device.split("_")[0] for device in fold["train"]}
        assert set(fold["valid"]) < set(fold["train"])
        assert len(fold["train"]) == 4
    # Where the split names devices to choose by, those that are trained on do.
    assert folds["gpu"]["valid"] == ["phone_a", "phone_b"]
    assert written["left_out"] == "families"
    each = [fold["methods"]["ridge"]["mean"]["mape"]["mean"] for fold in folds.values()]
    assert written["mean"]["ridge"]["mape"]["mean"] == pytest.approx(np.mean(each), abs=1e-4)
    printed = capsys.readouterr().out.splitlines()
    row = next(line for line in printed if line.startswith("phone"))
    first = folds["phone"]["methods"]["edgewise"]["mean"]["spearman_mid"]["mean"]
    assert row.split()[1:3] == ["2", f"{first:.3f}"]
    header = next(line for line in printed if "devices" in line)
    assert header.split()[-4:] == ["edgewise", "nearest", "ridge", "ridge-doptimal"]


def test_a_hardware_is_never_on_both_sides(data: Path, tmp_path: Path) -> None:
    """Two settings of one hardware, of two families: leaving either out leaves out both."""
    devices = data.parent / "devices.json"
    info = json.loads(devices.read_text())
    info["phone_a"]["hardware"] = info["cpu_a"]["hardware"] = "soc"
    devices.write_text(json.dumps(info))
    path = tmp_path / "folds.json"
    assert leave_out(data, "families", "--predictors", "flops", "--json", str(path)) == 0
    folds = json.loads(path.read_text())["folds"]
    assert folds["cpu"]["train"] == ["gpu_1", "gpu_2", "phone_b"]
    assert folds["phone"]["train"] == ["gpu_1", "gpu_2", "cpu_b"]
    assert leave_out(data, "hardware", "--predictors", "flops", "--json", str(path)) == 0
    folds = json.loads(path.read_text())["folds"]
    assert list(folds) == ["gpu_1", "gpu_2", "soc", "cpu_b", "phone_b"]
    assert folds["soc"]["test"] == ["cpu_a", "phone_a"]


def test_meta_learners_train_anew_for_each(data: Path, tmp_path: Path) -> None:
    checkpoints = tmp_path / "checkpoints"
    options = ("--predictors", "help", "--episodes", "2", "--checkpoints", str(checkpoints))
    assert leave_out(data, "families", *options) == 0
    assert len(list(checkpoints.iterdir())) == 3


def test_something_must_be_left_to_train_on(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["evaluate", "latency", "--table", str(data), "--train", "gpu_1,gpu_2"]
    assert main([*arguments, "--leave-out", "families", "--predictors", "flops"]) == 1
    assert "without gpu there is no device left to train on" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main([*arguments, "--leave-out", "families", "--test", "chip"])
