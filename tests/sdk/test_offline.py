"""Nothing needs a network, and nothing is left outside of the data folder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import edgewise
from edgewise.runtimes import available_runtimes

from .no_sockets import SUPPORTED

ROOT = Path(__file__).resolve().parents[2]
FIXTURES = max((ROOT / "tests" / "fixtures").glob("*/answers.json")).parent
ELSEWHERE = (
    "HOME",
    "XDG_DATA_HOME",
    "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME",
    "XDG_STATE_HOME",
    "TMPDIR",
)


def run(*command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    package = str(Path(edgewise.__file__).parents[1])
    paths = os.pathsep.join([str(ROOT), package, os.environ.get("PYTHONPATH", "")])
    # A runtime's telemetry is for the package to switch off, not for this process.
    inherited = {name: value for name, value in os.environ.items() if "TELEMETRY" not in name}
    return subprocess.run(
        [sys.executable, *command],
        env={**inherited, "PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1", **environment},
        cwd=environment.get("PWD"),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.fixture(scope="module", autouse=True)
def _forbidding_works() -> None:
    """The kernel ends a process that opens a socket; skipped where it cannot be asked to."""
    if not SUPPORTED:
        pytest.skip("seccomp filters are for Linux on x86-64 and arm64")
    script = "from tests.sdk.no_sockets import forbid_sockets; forbid_sockets(); print('forbidden')"
    done = run("-c", f"{script}; import socket; socket.socket()", PWD=str(ROOT))
    if "seccomp is not to be had here" in done.stderr:
        pytest.skip("the kernel takes no seccomp filter here")
    assert done.returncode == -signal.SIGSYS, done.stderr


@pytest.mark.skipif("onnxruntime" not in available_runtimes(), reason="the small zoo is ONNX")
def test_all_capabilities_without_network_leave_only_the_data_folder(tmp_path: Path) -> None:
    places = {name: tmp_path / name.lower() for name in (*ELSEWHERE, "PWD")}
    for place in places.values():
        place.mkdir()
    data = tmp_path / "data"
    package = Path(edgewise.__file__).parent
    before = sorted(path for path in package.rglob("*") if "__pycache__" not in path.parts)
    done = run(
        *("-m", "tests.sdk.offline_app", str(FIXTURES)),
        EDGEWISE_HOME=str(data),
        **{name: str(place) for name, place in places.items()},
    )
    assert done.returncode == 0, f"{done.returncode}: {done.stderr}"
    assert done.stdout == "all done\n"
    assert {name: list(place.rglob("*")) for name, place in places.items()} == {
        name: [] for name in places
    }
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        ["data", *(place.name for place in places.values())]
    )
    assert {path.name for path in data.iterdir()} >= {"own.profile", "own.classifier"}
    after = sorted(path for path in package.rglob("*") if "__pycache__" not in path.parts)
    assert after == before
