"""The doctor: what is well, what is not, and that it says so."""

from __future__ import annotations

import json
from importlib import metadata
from pathlib import Path

import pytest

from edgewise import cli, machine, shipped
from edgewise.bundle import Bundle
from edgewise.doctor import examine
from edgewise.runtimes import RUNTIMES, diagnose


def test_a_working_installation(own_data_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = examine()
    assert found.healthy
    assert [d.name for d in found.runtimes] == list(RUNTIMES)
    by_name = {finding.what: finding for finding in found.findings}
    assert by_name["bundle nasbench201.safetensors"].ok
    assert by_name["data folder"].detail == str(own_data_folder)
    assert by_name["picture files"].ok
    for what in ("cpu", "clock governor", "heat", "load", "steadiness"):
        assert by_name[what].detail
    text = str(found)
    for name in RUNTIMES:
        assert f"runtime {name}" in text
    assert cli.main(["doctor", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["healthy"] is True


def test_what_does_not_work_has_its_cure() -> None:
    text = str(examine())
    for name in RUNTIMES:
        found = diagnose(name)
        if not found.works:
            assert f"[!!] runtime {name}" in text
            assert found.reason in text
            assert f"cure: {found.cure}" in text


@pytest.mark.parametrize("damage", ["flipped", "truncated", "absent"])
def test_a_damaged_installation(
    bundle: Bundle,
    tmp_path: Path,
    damage: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    content = bytearray(Path(bundle.path).read_bytes())
    if damage == "flipped":
        content[-100] ^= 1
    elif damage == "truncated":
        del content[-100:]
    if damage != "absent":
        (tmp_path / "nasbench201.safetensors").write_bytes(content)
    monkeypatch.setattr(shipped, "BUNDLES", tmp_path)
    assert cli.main(["doctor"]) == 1
    out = capsys.readouterr().out
    assert "[!!] bundle" in out
    assert str(tmp_path) in out
    assert "cure: reinstall edgewise" in out


def test_a_data_folder_that_takes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("EDGEWISE_HOME", str(tmp_path / "file" / "home"))
    finding = next(f for f in examine().findings if f.what == "data folder")
    assert not finding.ok
    assert "device.save" in finding.cure


def test_without_pillow_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    real = metadata.version

    def version(name: str) -> str:
        if name == "pillow":
            raise metadata.PackageNotFoundError(name)
        return real(name)

    monkeypatch.setattr(metadata, "version", version)
    examination = examine()
    finding = next(f for f in examination.findings if f.what == "picture files")
    assert not finding.ok
    assert finding.cure == "pip install 'edgewise[image]'"
    assert examination.healthy  # arrays need nothing


def test_the_machine_is_read_without_root() -> None:
    assert machine.cpu_model()
    assert machine.cores() >= 1
    for value in (machine.load_average(), machine.throttle_events(), machine.temperature_c()):
        assert value is None or value >= 0
    clock = machine.clock_mhz()
    assert clock is None or clock[0] > 0
    assert machine.governor() is None or machine.governor()


def test_stolen_time_is_a_share() -> None:
    before, after = machine.Ticks(10, 500, 1000), machine.Ticks(15, 575, 1100)
    assert machine.stolen_share(before, after) == 0.05
    assert machine.busy_share(before, after) == 0.75
    for share in (machine.stolen_share, machine.busy_share):
        assert share(before, before) == 0.0
        assert share(None, after) == 0.0


@pytest.mark.parametrize(
    ("groups", "folder", "stat"),
    [
        ("0::/pod/app", "pod", "nr_throttled 3\nthrottled_usec 1500000\n"),
        ("4:memory:/\n1:cpu,cpuacct:/pod", "cpu,cpuacct/pod", "throttled_time 1500000000\n"),
    ],
)
def test_what_a_quota_withheld_is_read_of_both_versions(
    groups: str, folder: str, stat: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the groups above too: a container's own group has often no quota, but the pod's has."""
    (tmp_path / folder).mkdir(parents=True)
    (tmp_path / folder / "cpu.stat").write_text(stat)
    (tmp_path / "cgroup").write_text(groups)
    read = machine._read
    monkeypatch.setattr(machine, "_CONTROL_GROUPS", tmp_path)
    monkeypatch.setattr(
        machine,
        "_read",
        lambda path: read(tmp_path / "cgroup" if path == Path("/proc/self/cgroup") else path),
    )
    assert machine.throttled_s() == 1.5


def test_without_control_groups_no_quota_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "_CONTROL_GROUPS", tmp_path)
    assert machine.throttled_s() is None
