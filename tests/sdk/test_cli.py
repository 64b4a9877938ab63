"""The command line: what it prints, what it returns, and that Ctrl-C loses nothing."""

from __future__ import annotations

import io
import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from subprocess import PIPE
from typing import Any

import numpy as np
import pytest

import edgewise as sdk
from edgewise import cli
from edgewise.arguments import bytes_of
from edgewise.bundle import Bundle
from edgewise.errors import ArgumentError
from edgewise.spaces import Space

QUICK = ["--samples", "3", "--budget", "1"]


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = cli.main(list(arguments))
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def run_json(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    code, out, _ = run(capsys, *arguments, "--json")
    assert code == 0
    return json.loads(out)


def test_calibrate_then_predict(
    runtime: str, space: Space, bundle: Bundle, capsys: pytest.CaptureFixture[str]
) -> None:
    found = run_json(capsys, "calibrate", "--runtime", runtime, *QUICK)
    assert [row["arch"] for row in found["measurements"]] == bundle.manifest["references"][:3]
    assert found["info"]["runtime"] == runtime
    archs = space.architectures()[70:72]
    rows = run_json(capsys, "predict", *archs)
    assert [row["arch"] for row in rows] == archs
    for row in rows:
        assert tuple(row[k] for k in ("ms", "low", "high")) == sdk.predict(row["arch"])
    code, out, _ = run(capsys, "predict", archs[0])
    assert code == 0
    assert archs[0] in out
    assert f"{rows[0]['ms']:.3f}" in out


def test_calibrate_prints_what_it_timed(
    runtime: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], bundle: Bundle
) -> None:
    path = tmp_path / "mine.safetensors"
    code, out, _ = run(capsys, "calibrate", "--runtime", runtime, "--out", str(path), *QUICK)
    assert code == 0
    assert all(arch in out for arch in bundle.manifest["references"][:3])
    assert len(sdk.Device.load(path).measurements) == 3


def test_dry_run(
    runtime: str, capsys: pytest.CaptureFixture[str], bundle: Bundle, own_data_folder: Path
) -> None:
    plan = run_json(capsys, "calibrate", "--runtime", runtime, "--dry-run")
    assert plan["architectures"] == bundle.manifest["references"][:10]
    code, out, _ = run(capsys, "calibrate", "--runtime", runtime, "--dry-run")
    assert code == 0
    assert out.count("|+|") >= 10
    assert not own_data_folder.exists()


def test_predict_reads_standard_input(
    device: sdk.Device,
    space: Space,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    archs = space.architectures()[5:8]
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n".join(archs) + "\n\n"))
    rows = run_json(capsys, "predict")
    assert [row["ms"] for row in rows] == np.asarray(device.predict(archs).ms).tolist()


def test_predict_with_a_profile(
    device: sdk.Device, space: Space, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, arch = tmp_path / "device.safetensors", space.architectures()[1]
    device.save(path)
    (row,) = run_json(capsys, "predict", arch, "--profile", str(path), "--confidence", "0.5")
    assert (row["ms"], row["low"], row["high"]) == device.predict(arch, 0.5)


@pytest.mark.parametrize("suffix", ["csv", "json", "npz"])
def test_search(
    device: sdk.Device,
    space: Space,
    tmp_path: Path,
    suffix: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    archs = space.architectures()[::50]
    table = {arch: float(i % 17) for i, arch in enumerate(archs)}
    path = tmp_path / f"accuracy.{suffix}"
    if suffix == "csv":
        path.write_text("arch,top1\n" + "".join(f"{a},{v}\n" for a, v in table.items()))
    elif suffix == "json":
        path.write_text(json.dumps(table))
    else:
        np.savez(path, arch=list(table), top1=list(table.values()))
    rows = run_json(capsys, "search", "--max-ms", "3", "--accuracy", str(path), "-k", "4")
    expected = device.search(3.0, table, k=4)
    assert [row["arch"] for row in rows] == [hit.arch for hit in expected]
    code, out, _ = run(capsys, "search", "--max-ms", "3", "--accuracy", str(path))
    assert code == 0
    assert expected[0].arch in out
    code, out, _ = run(capsys, "search", "--max-ms", "1e-6", "--accuracy", str(path))
    assert (code, out) == (0, "nothing fits in 1e-06 ms\n")


def test_search_under_a_limit_of_memory(
    device: sdk.Device, space: Space, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = {arch: float(i % 17) for i, arch in enumerate(space.architectures()[::50])}
    path = tmp_path / "accuracy.json"
    path.write_text(json.dumps(table))
    options = ["search", "--max-ms", "4", "--accuracy", str(path)]
    rows = run_json(capsys, *options, "--max-memory", "1.5MB")
    expected = device.search(4.0, table, max_memory=1_500_000)
    assert [row["arch"] for row in rows] == [hit.arch for hit in expected] != []
    options[2] = "0.1"
    code, out, _ = run(capsys, *options, "--max-memory", "1.5MB")
    assert (code, out) == (0, "nothing fits in 0.1 ms and 1,500,000 bytes\n")
    with pytest.raises(SystemExit) as caught:
        cli.main([*options, "--max-memory", "20 apples"])
    assert caught.value.code == 2
    assert "'20 apples' is no amount of memory" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "size"),
    [("4096", 4096), ("20MB", 20_000_000), (" 1.5 GiB", 3 << 29), ("2kb", 2000), ("3KiB", 3072)],
)
def test_amounts_of_memory(text: str, size: int) -> None:
    assert bytes_of(text) == size


@pytest.mark.parametrize("text", ["", "MB", "-1MB", "0", "1e6", "1.MB", "1TB", "nan"])
def test_what_is_no_amount_of_memory(text: str) -> None:
    with pytest.raises(ArgumentError, match="no amount of memory"):
        bytes_of(text)


def test_the_published_tables_can_be_searched(
    device: sdk.Device, shared_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, column in (
        ("nasbench201_accuracy.npz", ["--column", "cifar100"]),
        ("nasbench201_candidates.csv", []),
    ):
        path = str(shared_data / "latency" / name)
        rows = run_json(capsys, "search", "--max-ms", "4", "--accuracy", path, *column)
        assert len(rows) == 5
        assert all(row["high"] <= 4 for row in rows)
    assert device is not None


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", "", "is a .csv, .json or .npz"),
        ("a.csv", "", "needs a header"),
        ("a.csv", "arch,acc\nx,high\n", "not a table"),
        ("a.json", "[1, 2]", "not a table"),
        ("a.json", "{", "not a table"),
        ("a.npz", "no zip", "not a table"),
        ("absent.json", None, "no such file"),
    ],
)
def test_bad_tables_are_one_line(
    device: sdk.Device,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    name: str,
    content: str | None,
    message: str,
) -> None:
    if content is not None:
        (tmp_path / name).write_text(content)
    code, out, err = run(capsys, "search", "--max-ms", "3", "--accuracy", str(tmp_path / name))
    assert (code, out) == (1, "")
    assert message in err
    assert err.count("\n") == 1
    assert device is not None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["predict", "|none~0|"], "not been calibrated|no device has been calibrated"),
        (["calibrate", "--runtime", "tensorrt"], "unknown runtime 'tensorrt'"),
        (["calibrate", "--space", "darts"], "darts"),
        (["calibrate", "--samples", "1"], "too few"),
        (["calibrate", "--bundle", "/nowhere"], "/nowhere"),
        (["predict", "x", "--profile", "/nowhere"], "/nowhere"),
    ],
)
def test_errors_are_one_line_and_exit_1(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run(capsys, *arguments)
    assert (code, out) == (1, "")
    assert err.startswith("edgewise: error: ")
    assert err.count("\n") == 1
    assert re.search(message, err)


@pytest.mark.parametrize(
    "arguments",
    [[], ["calibrat"], ["search"], ["calibrate", "--samples", "ten"], ["predict", "-x"]],
)
def test_wrong_usage_exits_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(arguments)
    assert caught.value.code == 2
    assert "usage: edgewise" in capsys.readouterr().err


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"edgewise {sdk.__version__}\n"


def test_a_profile_that_cannot_be_stored_is_an_error(
    runtime: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("EDGEWISE_HOME", str(tmp_path / "file"))
    out = tmp_path / "out.safetensors"
    code, _, err = run(capsys, "calibrate", "--runtime", runtime, "--out", str(out), *QUICK)
    assert code == 1
    assert "cannot write" in err
    assert len(sdk.Device.load(out).measurements) == 3  # it was saved where it could be


def test_demo(runtime: str, bundle: Bundle, capsys: pytest.CaptureFixture[str]) -> None:
    found = run_json(capsys, "demo", "--runtime", runtime, "--samples", "10", "--budget", "3")
    assert [row["arch"] for row in found["networks"]] == bundle.manifest["references"][10:]
    assert found["timed"] == 10
    assert -1 <= found["spearman"] <= 1
    assert 0 <= found["coverage"] <= 1
    assert found["mape"] >= 0


def test_demo_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "demo", "--samples", "20", "--budget", "2")
    assert code == 0
    for word in ("predicted", "true ms", "Spearman", "mean error", "inside their interval"):
        assert word in out
    code, _, err = run(capsys, "demo", "--samples", "24", "--budget", "2")
    assert code == 1
    assert "fewer samples" in err


@pytest.mark.skipif(sys.platform == "win32", reason="sends SIGINT")
def test_ctrl_c_keeps_what_was_timed_and_the_next_goes_on(
    bundle: Bundle, own_data_folder: Path
) -> None:
    command = [sys.executable, "-m", "edgewise.cli", "calibrate", "--bundle", bundle.path]
    command += ["--samples", "24", "--verbose"]
    for delay in (2.0, 5.0, 10.0):  # a slow machine is still warming up after two seconds
        process = subprocess.Popen(command, stdout=PIPE, stderr=PIPE, text=True)
        assert process.stderr is not None
        lines = iter(process.stderr.readline, "")
        assert any("timing 24 architectures" in line for line in lines)
        time.sleep(delay)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
        assert process.returncode == 1
        assert out == ""
        assert err.splitlines()[-1] == "edgewise: error: interrupted"
        assert "Traceback" not in err
        if "are kept in" in err:
            break
    assert len(list(own_data_folder.glob("partial/*"))) == 1
    done = subprocess.run([*command, "--budget", "3"], capture_output=True, text=True, check=True)
    assert "going on with the timings of" in done.stderr
    assert list(own_data_folder.glob("partial/*")) == []
