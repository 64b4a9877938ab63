"""Installs the cp311 wheels on their platforms, natively and in Debian under qemu, and runs them.

    make wheels-test

Each runs `wheel_smoke.py` with a runtime of its platform: LiteRT on x86_64 and aarch64,
tflite-runtime on armv7l, for which there is no LiteRT. aarch64 and armv7l are Debian root file
systems (mmdebstrap; `python3` and `python3-numpy` of Debian), entered by chroot with the static
qemu inside: the Python there is emulated, its milliseconds are qemu's. Writes what each said to
`docs/results/wheels_MACHINE.json`. Needs root, mmdebstrap and qemu-user-static for the emulated
ones; a machine without them is told so.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import venv
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from debian import mirror
from wheel_targets import DEBIAN_SUITES, PLATFORMS, Platform

ROOT = Path(__file__).resolve().parent.parent
SMOKE = Path(__file__).resolve().parent / "wheel_smoke.py"
PYTHON = "3.11"


class Runner(NamedTuple):
    """How a wheel is run on a platform."""

    runtime: str
    """As edgewise names it."""
    requirements: tuple[str, ...]
    """What is installed beside the wheel, of the package index."""
    tags: tuple[str, ...]
    """Platform tags of those."""
    qemu: str = ""
    """The emulator."""


#: Pure Python that both runtimes want is installed by name; numpy is Debian's.
RUNNERS = {
    "x86_64": Runner("litert", ("ai-edge-litert>=2",), ()),
    "aarch64": Runner(
        "litert",
        ("ai-edge-litert==2.*", "backports.strenum", "flatbuffers", "typing-extensions"),
        ("manylinux_2_27_aarch64", "manylinux_2_28_aarch64", "manylinux2014_aarch64"),
        "qemu-aarch64-static",
    ),
    "armv7l": Runner(
        "tflite", ("tflite-runtime==2.14.0",), ("manylinux_2_34_armv7l",), "qemu-arm-static"
    ),
}
PURE = ("platformdirs>=3", "tqdm>=4.60")


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--wheels", type=Path, default=ROOT / "dist")
    parser.add_argument("--build", type=Path, default=ROOT / "build/wheels")
    parser.add_argument("--output", type=Path, default=ROOT / "docs/results")
    parser.add_argument("--machine", action="append", choices=PLATFORMS, help="(all)")
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    for machine in arguments.machine or PLATFORMS:
        wheel = _wheel(arguments.wheels, PLATFORMS[machine])
        result = arguments.output / f"wheels_{machine}.json"
        if machine == platform.machine():
            _run_here(wheel, RUNNERS[machine], result)
        else:
            _run_emulated(wheel, PLATFORMS[machine], arguments.build / "roots", result)
        print(f"{wheel.name} works on {machine}: {result}", flush=True)


def _wheel(folder: Path, target: Platform) -> Path:
    found = sorted(folder.glob(f"edgewise-*-cp311-cp311-{target.tag}.whl"))
    if len(found) != 1:
        raise SystemExit(f"{folder} has {len(found)} cp311 wheels for {target.tag}: make wheels")
    return found[0]


def _run_here(wheel: Path, runner: Runner, result: Path) -> None:
    """In a fresh virtual environment."""
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        python = Path(folder) / "bin/python"
        _run(python, "-m", "pip", "install", "--quiet", wheel, *runner.requirements)
        _run(python, SMOKE, runner.runtime, result.resolve(), "60", cwd=Path(folder))


def _run_emulated(wheel: Path, target: Platform, roots: Path, result: Path) -> None:
    """In a root file system of Debian, under qemu."""
    runner = RUNNERS[target.machine]
    qemu = shutil.which(runner.qemu)
    if qemu is None or shutil.which("mmdebstrap") is None or os.geteuid() != 0:
        raise SystemExit(
            f"{target.machine} needs root, mmdebstrap and {runner.qemu}: "
            "apt-get install mmdebstrap qemu-user-static"
        )
    root = _root(roots / target.debian, target)
    shutil.copy(qemu, root / "qemu")
    packages = root / "opt/edgewise"
    shutil.rmtree(packages, ignore_errors=True)
    _install(packages, wheel, runner)
    shutil.copy(SMOKE, root / "opt/wheel_smoke.py")
    # What Debian's alternatives would link, had its scripts been run.
    libraries = f"/usr/lib/{target.triplet}/blas:/usr/lib/{target.triplet}/lapack"
    environment = {
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": "/tmp",
        "LD_LIBRARY_PATH": libraries,
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": "/opt/edgewise",
    }
    command = ("/usr/bin/python3", "/opt/wheel_smoke.py", runner.runtime, "/opt/result.json", "300")
    _run("chroot", root, "/qemu", *command, env=environment)
    shutil.copy(root / "opt/result.json", result)


def _root(folder: Path, target: Platform) -> Path:
    """Debian, extracted and not set up: nothing of it runs but Python, which needs no more."""
    if not (folder / "usr/bin/python3").exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        options = (f"--architectures={target.debian}", "--include=python3,python3-numpy,libstdc++6")
        _run("mmdebstrap", "--variant=extract", *options, DEBIAN_SUITES[PYTHON], folder, mirror())
    return folder


def _install(folder: Path, wheel: Path, runner: Runner) -> None:
    """By this machine's pip, for the platform's."""
    pip = (sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", folder)
    chosen = [f"--platform={tag}" for tag in (*runner.tags, *_tags_of(wheel))]
    only = ("--only-binary=:all:", f"--python-version={PYTHON}", "--implementation=cp")
    _run(*pip, *only, *chosen, wheel, *runner.requirements, *PURE)


def _tags_of(wheel: Path) -> Sequence[str]:
    return wheel.stem.split("-")[-1].split(".")


def _run(*command: str | Path, cwd: Path | None = None, env: dict[str, str] | None = None) -> None:
    words = [str(word) for word in command]
    if subprocess.run(words, cwd=cwd, env=env, check=False).returncode != 0:
        raise SystemExit(f"{' '.join(words)} failed")


if __name__ == "__main__":
    main()
