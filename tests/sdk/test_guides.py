"""The guides in docs/: their Python runs, with programs of this machine for the devices' own."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest

import edgewise as sdk
from edgewise import cli
from edgewise.bundle import Bundle
from edgewise.errors import ArchitectureError, ArgumentError
from edgewise.latency import calibrate

DOCS = Path(__file__).resolve().parents[2] / "docs"
_NAMES = ("add-your-device", "measuring", "search", "fewshot", "retrieval")
GUIDES = [DOCS / f"{name}.md" for name in _NAMES]

# Devices a file is copied to; there its time is told, 1 ms and 1 ms for every 100 kB.
PROGRAMS = {
    "adb": """
import os, shutil, sys
folder = os.environ["STAND_IN_FOLDER"]
def here(path): return os.path.join(folder, os.path.basename(path))
if sys.argv[1] == "push":
    shutil.copy(sys.argv[2], here(sys.argv[3]))
elif sys.argv[1] == "shell":
    size = os.path.getsize(here(sys.argv[3].split("=")[1]))
    average = 1000 + size / 100
    print(f"INFO: Inference timings in us: Init: 12, Inference (avg): {average}", file=sys.stderr)
""",
    "scp": """
import os, shutil, sys
folder = os.environ["STAND_IN_FOLDER"]
shutil.copy(sys.argv[2], os.path.join(folder, os.path.basename(sys.argv[3])))
""",
    "ssh": """
import os, sys
folder = os.environ["STAND_IN_FOLDER"]
print(1 + os.path.getsize(os.path.join(folder, os.path.basename(sys.argv[3]))) / 100_000)
""",
}


def blocks(guide: Path, language: str) -> list[str]:
    found = re.findall(r"^```(\w*)\n(.*?)^```$", guide.read_text(), re.DOTALL | re.MULTILINE)
    return [text for named, text in found if named == language]


def commands(guide: Path) -> list[str]:
    lines = "".join(blocks(guide, "")).replace("\\\n", " ").splitlines()
    return [line.split("#")[0].strip() for line in lines]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, with adb, scp and ssh on the path."""
    programs, device = tmp_path / "bin", tmp_path / "device"
    for folder in (programs, device):
        folder.mkdir()
    for name, source in PROGRAMS.items():
        (programs / name).write_text(f"#!{sys.executable}\n{source}")
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(programs), prepend=os.pathsep)
    monkeypatch.setenv("STAND_IN_FOLDER", str(device))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(block: str) -> dict[str, object]:
    names: dict[str, object] = {"__name__": "guide"}
    exec(compile(block, "guide", "exec"), names)
    return names


@pytest.mark.skipif(sys.platform == "win32", reason="stand-ins are scripts with a first line")
@pytest.mark.parametrize(
    ("at", "file_format", "profile"), [(0, "tflite", "phone"), (1, "onnx", "board")]
)
def test_devices_from_afar(at: int, file_format: str, profile: str, here: Path) -> None:
    run(blocks(DOCS / "add-your-device.md", "python")[at])
    device = sdk.Device.load(here / f"{profile}.profile")
    assert len(device.measurements) == 10
    for m in device.measurements:
        size = len(sdk.reference_model(m.name, file_format))
        assert m.ms == pytest.approx(1 + size / 100_000)


def test_a_recorded_table(here: Path) -> None:
    archs = list(calibrate(dry_run=True, samples=20, measure=float).architectures)
    rows = "".join(f"{arch},{1 + len(arch) / 50}\n" for arch in archs)
    (here / "recorded.csv").write_text(f"arch,ms\n{rows}")
    run(blocks(DOCS / "add-your-device.md", "python")[2])
    device = sdk.Device.load(here / "recorded.profile")
    assert {m.name for m in device.measurements} <= set(archs)


def test_the_guide_to_searching(device: sdk.Device, capsys: pytest.CaptureFixture[str]) -> None:
    (block,) = blocks(DOCS / "search.md", "python")
    names = run(block)
    assert names["device"] is device
    assert len(capsys.readouterr().out.splitlines()) == 3


def test_the_guide_to_measuring(device: sdk.Device, capsys: pytest.CaptureFixture[str]) -> None:
    calibrated, checked = blocks(DOCS / "measuring.md", "python")
    known = "import edgewise as sdk\ndevice = sdk.current_device()\n"
    run(calibrated.replace("sdk.calibrate()", "sdk.current_device()"))
    assert device.warning is None
    assert capsys.readouterr().out == ""
    run(known + checked)
    assert capsys.readouterr().out.startswith("+0%; 0% of the time")


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.stem)
def test_the_commands_of_the_device_exist(guide: Path) -> None:
    found = [line for line in commands(guide) if line.startswith("edgewise ")]
    assert found
    for line in found:
        cli._parser().parse_args(line.split()[1:])


def test_all_blocks_are_looked_at() -> None:
    for guide in GUIDES:
        known = sum(len(blocks(guide, language)) for language in ("", "python", "json"))
        assert guide.read_text().count("```") == 2 * known


def test_reference_models_are_those_of_the_bundle(bundle: Bundle) -> None:
    references = bundle.manifest["references"]
    assert sdk.reference_model(references[3], "onnx") == bundle.blob("reference.03.onnx")
    assert sdk.reference_model(references[0], bundle=bundle) == bundle.blob("reference.00.tflite")
    with pytest.raises(ArgumentError, match="format must be one of tflite, onnx, not 'trt'"):
        sdk.reference_model(references[0], "trt")
    with pytest.raises(ArgumentError, match="no reference model of"):
        sdk.reference_model("|none~0|+|none~0|none~1|+|none~0|none~1|none~2|")
    with pytest.raises(ArchitectureError):
        sdk.reference_model("resnet")
