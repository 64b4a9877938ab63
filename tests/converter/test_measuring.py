"""Measuring tables of timings: real runs, real commands, and what is left when it is cut short."""

from __future__ import annotations

import json
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edgewise.errors import ArchitectureError, ArgumentError, MeasurementError
from edgewise.measure import MeasuringInterrupted
from edgewise.runtimes import available_runtimes
from edgewise.spaces import get_space
from edgewise_converter import cli
from edgewise_converter.latency.measuring.choice import draw_architectures, read_architectures
from edgewise_converter.latency.measuring.command_timer import CommandTimer
from edgewise_converter.latency.measuring.group_timer import GroupTimer
from edgewise_converter.latency.measuring.growing_table import GrowingTable
from edgewise_converter.latency.measuring.session import Measuring
from edgewise_converter.latency.tables import LatencyTable, load_table

SPACE = get_space("nasbench201")
ARCHS = draw_architectures(SPACE, 6, seed=3)

# A remote device in small: adds a number to every file it is sent, from its size and name alone.
DEVICE = """
import pathlib, sys
log = pathlib.Path(sys.argv[1])
log.write_text((log.read_text() if log.exists() else "") + sys.argv[2] + "\\n")
print("warming up")
print(1.0 + len(sys.argv[2]) / 100, "ms")
"""


@pytest.fixture
def remote(tmp_path: Path) -> Callable[[str], str]:
    """A command that is a device of its own, given `{arch}` or `{model}`; it logs what it does."""
    script = tmp_path / "device.py"
    script.write_text(DEVICE)
    log = tmp_path / "log.txt"
    return lambda asked: shlex.join([sys.executable, str(script), str(log)]) + f" {asked}"


def measure(output: Path, *options: str) -> int:
    return cli.main(["measure", "--space", "nasbench201", "-o", str(output), "--quiet", *options])


def archs_file(path: Path, archs: list[str]) -> Path:
    path.write_text("# those of the test\n\n" + "\n".join(archs) + "\n")
    return path


@pytest.mark.parametrize("runtime", available_runtimes()[:1])
def test_a_runtime_here(runtime: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output, options = tmp_path / "t.npz", ["--device-name", "here", "--runtime", runtime]
    few = archs_file(tmp_path / "archs.txt", ARCHS[:2])
    assert measure(output, "--archs", str(few), *options) == 0
    table = load_table(output)
    assert (table.space, table.archs, table.devices) == ("nasbench201", tuple(ARCHS[:2]), ("here",))
    assert np.isfinite(table.latency_ms).all()
    with np.load(output) as columns:
        (conditions,) = map(json.loads, columns["conditions"].tolist())
    assert conditions["runtime"] == runtime
    assert conditions["threads"] == 1
    capsys.readouterr()
    # Again: nothing is timed twice, and one more is added.
    more = archs_file(tmp_path / "archs.txt", ARCHS[:3])
    assert measure(output, "--archs", str(more), *options) == 0
    assert "3 of 3 architectures timed on here, 1 of them now" in capsys.readouterr().out
    again = load_table(output)
    assert again.archs == tuple(ARCHS[:3])
    assert again.latency_ms[0, :2].tolist() == table.latency_ms[0].tolist()


def test_a_command(
    remote: Callable[[str], str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output, log = tmp_path / "t.npz", tmp_path / "log.txt"
    options = ["--count", "6", "--seed", "3", "--command", remote("{arch}")]
    assert measure(output, "--device-name", "board", *options) == 0
    table = load_table(output)
    assert table.archs == tuple(ARCHS)
    assert table.row("board").tolist() == [1.0 + len(arch) / 100 for arch in ARCHS]
    assert log.read_text().splitlines() == ARCHS
    assert measure(output, "--device-name", "board", *options) == 0
    assert log.read_text().splitlines() == ARCHS  # nothing was asked twice
    assert "6 of 6 architectures timed on board, 0 of them now" in capsys.readouterr().out


def test_a_command_gets_a_model_that_runs(tmp_path: Path) -> None:
    check = "import sys,onnx; onnx.checker.check_model(sys.argv[1]); print(2.5)"
    command = f"{shlex.join([sys.executable, '-c', check])} {{model}}"
    options = ["--count", "1", "--format", "onnx", "--command", command, "--device-name", "d"]
    assert measure(tmp_path / "t.npz", *options) == 0
    assert load_table(tmp_path / "t.npz").latency_ms.tolist() == [[2.5]]


def test_append(
    remote: Callable[[str], str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "t.npz"
    command = ["--command", remote("{arch}")]
    assert measure(output, "--device-name", "a", "--count", "3", "--seed", "3", *command) == 0
    assert measure(output, "--device-name", "b", "--count", "3", *command) == 1
    assert "--append adds device 'b'" in capsys.readouterr().err
    assert measure(output, "--device-name", "b", "--append", *command) == 0
    more = archs_file(tmp_path / "archs.txt", ARCHS[2:5])
    assert measure(output, "--device-name", "c", "--append", "--archs", str(more), *command) == 0
    table = load_table(output)
    assert table.devices == ("a", "b", "c")
    assert table.archs == tuple(ARCHS[:5])
    assert np.isnan(table.latency_ms).tolist() == [
        [False, False, False, True, True],
        [False, False, False, True, True],
        [True, True, False, False, False],
    ]


def test_append_to_a_table_measured_elsewhere(
    remote: Callable[[str], str],
    tmp_path: Path,
    table: LatencyTable,
    write_table: Callable[..., Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = write_table(table)
    few = archs_file(tmp_path / "archs.txt", [table.archs[7], ARCHS[0]])
    options = ["--append", "--archs", str(few), "--command", remote("{arch}")]
    assert measure(path, "--device-name", table.devices[0], *options) == 1
    assert "was measured with runtime None, not 'command'" in capsys.readouterr().err
    assert measure(path, "--device-name", "new", *options) == 0
    grown = load_table(path)
    assert grown.devices == (*table.devices, "new")
    size = len(table.archs)
    assert grown.archs[:size] == table.archs
    np.testing.assert_array_equal(grown.latency_ms[:-1, :size], table.latency_ms)
    assert np.flatnonzero(~np.isnan(grown.row("new"))).tolist() == sorted(
        grown.archs.index(arch) for arch in (table.archs[7], ARCHS[0])
    )
    assert grown.reference.tolist() == table.reference.tolist()
    path = write_table(table, name="other.npz", notes="mine")
    assert measure(path, "--device-name", "new", *options) == 1
    assert "would lose its columns notes" in capsys.readouterr().err


def test_what_fails_is_left_out_and_tried_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    bad = tmp_path / "bad.txt"
    bad.write_text(ARCHS[1])
    script = (
        "import sys,pathlib; sys.exit(f'too large') if sys.argv[1] in pathlib.Path(sys.argv[2])"
    )
    script += ".read_text() else print(3)"
    command = f"{shlex.join([sys.executable, '-c', script])} {{arch}} {shlex.quote(str(bad))}"
    file = archs_file(tmp_path / "archs.txt", ARCHS[:3])
    options = ["--archs", str(file), "--command", command, "--device-name", "d"]
    assert measure(tmp_path / "t.npz", *options) == 1
    assert f"{ARCHS[1]} is left out" in caplog.text
    assert "ended with code 1: too large" in caplog.text
    assert "2 of 3 architectures timed on d, 2 of them now; 1 failed" in capsys.readouterr().out
    assert np.isnan(load_table(tmp_path / "t.npz").latency_ms).tolist() == [[False, True, False]]
    bad.write_text("")
    assert measure(tmp_path / "t.npz", *options) == 0
    assert not np.isnan(load_table(tmp_path / "t.npz").latency_ms).any()


def test_three_failures_in_a_row_end_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--count", "9", "--command", "echo {arch}; false", "--device-name", "d"]
    assert measure(tmp_path / "t.npz", *options) == 1
    err = capsys.readouterr().err
    assert "3 networks in a row could not be timed; the last: " in err
    assert "ended with code 1" in err


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("echo {arch}", "must be milliseconds"),
        ("echo -3 {arch} >/dev/null; echo -3", "must be milliseconds, .* not '-3'"),
        ("echo 1.2.3; : {arch}", "not '1.2.3'"),
        ("echo 0; : {arch}", "not '0'"),
        ("echo 1e999; : {arch}", "not '1e999'"),
        (": {arch}", "not ''"),
        ("echo broken >&2; exit 3; : {arch}", "ended with code 3: broken"),
        ("sleep 30; : {arch}", "longer than 0.3 s; a larger --timeout"),
    ],
)
def test_commands_that_give_no_time(command: str, message: str) -> None:
    with pytest.raises(MeasurementError, match=message):
        CommandTimer(command, 0.3)(ARCHS[0], None)


@pytest.mark.parametrize("printed", ["12.5", " 12.5 ms ", "1.25e1", "avg below\\n12.5ms\\n\\n"])
def test_commands_that_give_a_time(printed: str) -> None:
    assert CommandTimer(f"printf '{printed}'; : {{arch}}", 10)(ARCHS[0], None) == 12.5


def test_a_command_that_takes_too_long_leaves_nothing_running(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    with pytest.raises(MeasurementError):
        CommandTimer(f"(sleep 1; touch {mark}) & sleep 20; : {{arch}}", 0.2)("x", None)
    time.sleep(1.3)
    assert not mark.exists()


def test_ctrl_c_keeps_what_was_timed_and_the_same_command_goes_on(
    remote: Callable[[str], str], tmp_path: Path
) -> None:
    output, log = tmp_path / "t.npz", tmp_path / "log.txt"
    command = [sys.executable, "-m", "edgewise_converter.cli", "measure", "--space", "nasbench201"]
    command += ["--count", "6", "--seed", "3", "-o", str(output), "--device-name", "d", "--quiet"]
    command += ["--command", f"{remote('{arch}')}; sleep 0.1; echo 5"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    while not log.exists() or len(log.read_text().splitlines()) < 3:
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err == "edgewise-converter: interrupted\n"
    timed = int((~np.isnan(load_table(output).latency_ms)).sum())
    assert 2 <= timed < 6
    assert cli.main(command[3:]) == 0
    assert not np.isnan(load_table(output).latency_ms).any()
    assert len(log.read_text().splitlines()) == 6 + (3 - timed)


def test_ctrl_c_in_the_middle_of_a_group_keeps_networks_with_runs_enough(tmp_path: Path) -> None:
    runs = 0

    def run() -> None:
        nonlocal runs
        runs += 1
        time.sleep(0.002)
        if runs == 60:
            raise KeyboardInterrupt

    table = GrowingTable(tmp_path / "t.npz", "nasbench201", "d", {})
    table.want(ARCHS[:1])
    measuring = Measuring(table, lambda arch: arch.encode())
    with pytest.raises(MeasuringInterrupted):
        measuring._time_group(GroupTimer(threads=1), {ARCHS[0]: run})
    assert 2.0 < load_table(tmp_path / "t.npz").latency_ms[0, 0] < 20.0


def test_a_machine_that_changes_between_groups_is_noticed() -> None:
    pause = 0.002

    def fast() -> None:
        time.sleep(pause)

    def slow() -> None:
        time.sleep(3 * pause)

    timer = GroupTimer(threads=1)
    first, _ = timer.time({"slow": slow, "fast": fast})
    assert first["fast"] < first["slow"]
    pause = 0.02
    second, notes = timer.time({"other": fast})
    assert set(second) == {"other"}
    assert re.search(r"the machine is \d+% slower than when the first were timed", "".join(notes))


def test_lists_of_architectures(tmp_path: Path) -> None:
    path = archs_file(tmp_path / "a.txt", [ARCHS[0], ARCHS[1], ARCHS[0]])
    assert read_architectures(path, SPACE) == ARCHS[:2]
    path.write_text(f"{ARCHS[0]}\n|none~0|\n")
    with pytest.raises(ArchitectureError, match=r"a\.txt, line 2: nasbench201: at character"):
        read_architectures(path, SPACE)
    path.write_text("# nothing\n")
    with pytest.raises(ArgumentError, match="names no architecture"):
        read_architectures(path, SPACE)
    with pytest.raises(ArgumentError, match="no such file"):
        read_architectures(tmp_path / "absent", SPACE)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ArgumentError, match="not a text file"):
        read_architectures(path, SPACE)


@pytest.mark.parametrize("name", ["fbnet", "ofa", "transformer", "supernet"])
def test_every_space_has_its_columns(
    name: str, remote: Callable[[str], str], tmp_path: Path
) -> None:
    """What is written is loaded again as what the space calls it, and gone on with."""
    output, log = tmp_path / "t.npz", tmp_path / "log.txt"
    options = ["measure", "--space", name, "-o", str(output), "--quiet", "--device-name", "d"]
    options += ["--count", "4", "--command", remote("{arch}")]
    assert cli.main(options) == 0
    space, table = get_space(name), load_table(output)
    assert table.space == name
    assert [space.parse(arch) for arch in table.archs] == draw_architectures(space, 4, seed=0)
    assert log.read_text().splitlines() == draw_architectures(space, 4, seed=0)
    assert cli.main(options) == 0
    assert len(log.read_text().splitlines()) == 4


def test_draws_are_distinct_connected_and_repeatable() -> None:
    drawn = draw_architectures(SPACE, 500, seed=1)
    assert len(set(drawn)) == 500
    assert all(SPACE.connected(arch) for arch in drawn)
    assert drawn == draw_architectures(SPACE, 500, seed=1) != draw_architectures(SPACE, 500, seed=2)
    with pytest.raises(ArgumentError, match=f"architectures, not {SPACE.size}"):
        draw_architectures(SPACE, SPACE.size, seed=1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--count", "0"], "--count must be a positive"),
        ([], "--archs FILE"),
        (["--count", "2", "--threads", "0"], "--threads"),
        (["--count", "2", "--command", "echo 3"], "must contain {model}"),
        (["--count", "2", "--command", "{arch}", "--timeout", "0"], "timeout"),
        (["--count", "2", "--runtime", "tensorrt"], "unknown runtime"),
        (["--count", "2", "--append"], "no table to append to"),
    ],
)
def test_impossible_options(
    options: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert measure(tmp_path / "t.npz", "--device-name", "d", *options) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "t.npz").exists()
