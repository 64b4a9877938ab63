"""The command ``evaluate latency`` on a made-up world, from files to the JSON it writes."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edgewise.bundle import write_bundle
from edgewise_converter.cli import main
from edgewise_converter.latency import command
from edgewise_converter.latency.meta_training import episodes_of
from edgewise_converter.latency.question import hold_out
from edgewise_converter.latency.tables import DeviceInfo, LatencyTable

QUICK = "edgewise,flops,nearest,ridge,ridge-doptimal,ceiling"


def evaluate(data: Path, *options: str, train: str = "meta_train,meta_valid") -> int:
    arguments = ["evaluate", "latency", "--table", str(data), "--train", train]
    return main([*arguments, "--test", "meta_test", *options])


def test_methods_are_printed_beside_each_other(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "out" / "scores.json"
    options = ("--predictors", QUICK, "--seeds", "2", "--json", str(path))
    assert evaluate(data, *options) == 0
    printed = capsys.readouterr().out
    for title in ("board ", "chip ", "mean of 2 devices"):
        block = printed.split(title)[1].split("\n\n")[0]
        for name in QUICK.split(","):
            assert f"\n{name} " in block
    written = json.loads(path.read_text())
    assert written["command"].startswith("edgewise-converter evaluate latency --table ")
    assert written["command"].endswith(f" --json {path.name}")  # and not where it lies here
    assert written["test"] == ["board", "chip"]
    assert written["train"] == ["gpu_1", "gpu_2", "cpu_a", "cpu_b", "phone_a", "phone_b"]
    assert written["valid"] == ["phone_a", "phone_b"]
    assert written["seeds"] == [0, 1]
    assert set(written["versions"]) >= {"python", "edgewise", "torch", "numpy"}
    methods = written["methods"]
    assert list(methods) == QUICK.split(",")
    assert {name for name in methods if methods[name]["apart"]} == {"ridge-doptimal", "ceiling"}
    assert methods["ridge"]["timings"] == 10
    assert methods["ceiling"]["timings"] == 400 - 80
    assert len(methods["edgewise"]["repetitions"]["chip"]["coverage"]) == 2
    assert len(methods["ceiling"]["repetitions"]["chip"]["mape"]) == 1
    assert methods["edgewise"]["mean"]["spearman_all"]["mean"] > 0.97
    assert methods["ceiling"]["mean"]["spearman_all"]["mean"] > 0.99
    assert "coverage" in methods["edgewise"]["mean"]
    assert "coverage" not in methods["ridge"]["mean"]
    assert written["published_spearman_mid"]["HELP, Table 3"]["mean"] == 0.932


def test_a_mean_is_the_mean_of_what_is_written(data: Path, tmp_path: Path) -> None:
    path = tmp_path / "scores.json"
    evaluate(data, "--predictors", "ridge", "--seeds", "3", "--json", str(path))
    method = json.loads(path.read_text())["methods"]["ridge"]
    each = np.array([method["repetitions"][device]["spearman_mid"] for device in ("board", "chip")])
    found = method["mean"]["spearman_mid"]
    assert found["mean"] == pytest.approx(each.mean(), abs=1e-5)
    assert found["sd"] == pytest.approx(each.mean(0).std(ddof=1), abs=1e-5)


def test_the_same_command_gives_the_same_scores(data: Path, tmp_path: Path) -> None:
    texts = []
    for _ in range(2):
        path = tmp_path / "scores.json"
        evaluate(data, "--predictors", "edgewise,ceiling", "--json", str(path))
        texts.append(path.read_text())
    assert texts[0] == texts[1]


def test_meta_learners_run_in_both_protocols(data: Path, tmp_path: Path) -> None:
    for protocol in ("paper", "strict"):
        path = tmp_path / f"{protocol}.json"
        names = "help,maml,meta-sgd"
        options = ["--predictors", names, "--protocol", protocol, "--json", str(path)]
        checkpoints = tmp_path / "checkpoints"
        options += ["--episodes", "2", "--checkpoints", str(checkpoints)]
        assert evaluate(data, *options) == 0
        methods = json.loads(path.read_text())["methods"]
        assert list(methods) == names.split(",")
        # Ten references, which are the support too, or ten more.
        most = 10 if protocol == "strict" else 20
        assert all(10 <= method["timings"] <= most for method in methods.values())
    assert len(list(checkpoints.iterdir())) == 6


def test_a_table_without_split_scores_everything_else(
    data: Path, table: LatencyTable, write_table: Callable[..., Path], tmp_path: Path
) -> None:
    """A prior from one table, tested in another of the same space."""
    far = dataclasses.replace(
        table,
        archs=table.archs[100:300],
        devices=("far_a", "far_b"),
        latency_ms=table.latency_ms[:2, 100:300] * 1.5,
    )
    other = write_table(far, "far.npz", reference=None)
    path = tmp_path / "scores.json"
    arguments = ["evaluate", "latency", "--table", str(data), "--table", str(other)]
    arguments += ["--train", "meta_train,meta_valid", "--test", "far_a,far_b,chip"]
    arguments += ["--predictors", "edgewise,ceiling", "--json", str(path)]
    assert main(arguments) == 0
    written = json.loads(path.read_text())
    assert written["tables"] == ["table.npz", "far.npz"]
    edgewise = written["methods"]["edgewise"]
    assert set(edgewise["devices"]) == {"far_a", "far_b", "chip"}
    assert edgewise["devices"]["far_a"]["spearman_all"]["mean"] > 0.97


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ["--predictors", "oracle"],
            "unknown predictor 'oracle' for space 'nasbench201'; known are help",
        ),
        (["--train", "meta_train,chip"], "'chip' was trained on, so it cannot be tested"),
        (["--train", "toaster"], "unknown device or group 'toaster'"),
        (["--valid", "chip"], "--valid names 'chip', which --train does not"),
        (["--samples", "1"], "--samples must be at least 2"),
        (["--samples", "100"], "100 references asked for, but 60 candidates"),
        (["--bundle", "absent.safetensors"], "absent.safetensors"),
        (["--splits", "absent.json"], "absent.json: no such file"),
    ],
)
def test_a_wrong_question_is_one_line(
    data: Path, capsys: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    assert evaluate(data, "--predictors", "edgewise,ridge", *options) == 1
    error = capsys.readouterr().err
    assert error.startswith("edgewise-converter: ")
    assert message in error
    assert error.count("\n") == 1


def test_a_bundle_is_not_scored_on_what_it_was_trained_on(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    part = tmp_path / "prior.safetensors"
    train = ["train", "latency", "--table", str(data), "--train", "meta_train,phone_a"]
    assert main([*train, "--predictor", "edgewise", "--output", str(part)]) == 0
    arguments = ["evaluate", "latency", "--table", str(data), "--bundle", str(part)]
    arguments += ["--predictors", "edgewise"]
    assert main([*arguments, "--test", "phone_a"]) == 1
    assert "'phone_a' was trained on" in capsys.readouterr().err
    path = tmp_path / "scores.json"
    assert main([*arguments, "--test", "meta_test", "--json", str(path)]) == 0
    method = json.loads(path.read_text())["methods"]["edgewise"]
    assert method["mean"]["spearman_all"]["mean"] > 0.97
    assert main([*arguments, "--test", "meta_test", "--samples", "30"]) == 1
    assert "24 references, 30 asked for" in capsys.readouterr().err


def test_a_bundle_without_the_predictor_is_refused(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "empty.safetensors"
    manifest = {"space": "nasbench201", "references": [], "trained_on": []}
    write_bundle(path, kind="latency", name="empty", manifest=manifest, tensors={"x": b"y"})
    assert evaluate(data, "--predictors", "help", "--bundle", str(path)) == 1
    assert "holds no HELP predictor" in capsys.readouterr().err


def test_settings_of_one_hardware_are_warned_of(
    data: Path, caplog: pytest.LogCaptureFixture
) -> None:
    devices = data.parent / "devices.json"
    info = json.loads(devices.read_text())
    info["chip"]["hardware"] = "gpu_1"
    devices.write_text(json.dumps(info))
    assert evaluate(data, "--predictors", "flops") == 0
    assert "chip and gpu_1, trained on, are settings of one hardware" in caplog.text


def test_whole_hardware_is_held_out() -> None:
    info = {f"d{i}": DeviceInfo(f"hardware{i // 2}", "family") for i in range(8)}
    valid = hold_out(list(info), info)
    assert len(valid) == 2
    assert len({info[device].hardware for device in valid}) == 1
    assert hold_out(["d0", "d1"], info) == ()
    assert hold_out([], info) == ()


def test_meta_training_needs_devices_to_choose_by(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluate(data, "--predictors", "flops", train="gpu_1") == 0
    assert evaluate(data, "--predictors", "help", train="gpu_1") == 1
    assert "needs devices of at least two hardwares" in capsys.readouterr().err


def test_without_training_devices_only_some_methods_run(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["evaluate", "latency", "--table", str(data), "--test", "chip"]
    assert main([*arguments, "--predictors", "nearest"]) == 1
    assert "nearest learns from other devices: give them with --train" in capsys.readouterr().err
    assert main([*arguments, "--predictors", "ridge"]) == 1
    assert "references are designed from other devices" in capsys.readouterr().err
    assert main([*arguments, "--predictors", "ridge,ceiling", "--protocol", "paper"]) == 0


def test_a_device_draws_the_same_whatever_is_tested_beside_it(data: Path, tmp_path: Path) -> None:
    found = []
    for test in ("chip", "board,chip"):
        path = tmp_path / "scores.json"
        arguments = ["evaluate", "latency", "--table", str(data), "--train", "meta_train"]
        arguments += ["--test", test, "--protocol", "paper", "--predictors", "ridge"]
        assert main([*arguments, "--json", str(path)]) == 0
        found.append(json.loads(path.read_text())["methods"]["ridge"]["devices"]["chip"])
    assert found[0] == found[1]


def test_validation_devices_are_the_splits_or_held_out(data: Path) -> None:
    def valid(train: str, *options: str) -> tuple[str, ...]:
        import argparse

        parser = argparse.ArgumentParser()
        command.add_evaluate_parser(parser.add_subparsers())
        arguments = ["latency", "--table", str(data), "--train", train, "--test", "chip"]
        return command.Data(parser.parse_args([*arguments, *options])).valid

    assert valid("meta_train,phone_b") == ("phone_b",)
    assert valid("meta_train,phone_b", "--valid", "cpu_a") == ("cpu_a",)
    assert valid("meta_train") == ("cpu_a",)
    assert valid("meta_valid") == ("phone_a",)


def test_meta_trainings_are_as_long_as_the_papers(data: Path, tmp_path: Path) -> None:
    path = tmp_path / "scores.json"
    assert evaluate(data, "--predictors", "flops", "--json", str(path)) == 0
    assert json.loads(path.read_text())["episodes"] == 2000
    assert evaluate(data, "--predictors", "flops", "--episodes", "7", "--json", str(path)) == 0
    assert json.loads(path.read_text())["episodes"] == 7
    assert episodes_of("fbnet") == episodes_of("ofa") == 4000


def test_usage_errors_exit_with_two(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in ([], ["evaluate"], ["evaluate", "latency"], ["train", "latency"], ["fly"]):
        with pytest.raises(SystemExit) as caught:
            main(arguments)
        assert caught.value.code == 2
    assert "usage: edgewise-converter" in capsys.readouterr().err
