"""What edgewise costs an app: bytes on the disk, time to import, memory, allocations.

    python benchmarks/footprint.py
    python benchmarks/footprint.py --machine aarch64

Builds the core with link-time optimisation, strips it, and weighs it, the wheel and the bundles.
A program in C (`footprint_probe.c`) then says what a process grows by when it opens a bundle,
calibrates and predicts, and what it allocates on the way; a process of Python says the same of the
package, beside one that has imported numpy. Medians of `--rounds`. Writes
`docs/results/footprint.json`, or `footprint_MACHINE.json` for any machine but x86_64. Needs cmake,
ninja, g++ and `edgewise[dev]`.

For aarch64 on another machine, it compiles with Debian's cross-compiler and runs the program in C
under qemu (`apt-get install g++-aarch64-linux-gnu qemu-user-static`). The wheel is then the one
that `make wheels` built last, and of Python nothing is said: its times would be the emulator's.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
BUNDLES = ROOT / "sdk" / "edgewise" / "bundles"
BUNDLE = BUNDLES / "nasbench201.safetensors"
PROBE = Path(__file__).resolve().parent / "footprint_probe.c"

_PYTHON = """
import time, numpy
resident = lambda: int(open("/proc/self/statm").read().split()[1]) * 4096
before, start = resident(), time.perf_counter()
import edgewise
imported, rest = time.perf_counter() - start, resident() - before
from edgewise.latency.predictor import load_predictor, open_bundle
predictor = load_predictor("edgewise", open_bundle("nasbench201"), "auto")
device = predictor.adapt(predictor.references[:10], numpy.arange(1.0, 11.0))
device.predict(predictor.references)
print(1e3 * imported, rest, resident() - before)
"""


_NOTE = (
    "compiled on another machine and run under an emulator. Sizes and allocations are those of the "
    "machine itself. Resident memory is that of the program's pages, of 4 KiB, as the emulator "
    "lays them out, without the emulator's own. Times, and all of Python, are left out: they would "
    "be the emulator's"
)


@dataclass(frozen=True)
class Machine:
    """A kind of machine to compile for, and how its programs run here.

    Attributes:
        c: its compiler of C.
        cpp: its compiler of C++.
        emulator: what stands before a program of it; nothing where that runs as it is.
    """

    c: str = "cc"
    cpp: str = "c++"
    emulator: tuple[str, ...] = ()


CROSS = {
    "aarch64": Machine(
        "aarch64-linux-gnu-gcc",
        "aarch64-linux-gnu-g++",
        ("qemu-aarch64-static", "-L", "/usr/aarch64-linux-gnu"),
    ),
}
"""Machines that can be compiled for elsewhere, by what `uname -m` says there."""


def main() -> None:
    """Weigh everything, print a table, write the JSON."""
    here = platform.machine()
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--machine", choices=sorted({here, *CROSS}), default=here, help="(this)")
    parser.add_argument("--rounds", type=int, default=7, help="processes of each kind (7)")
    parser.add_argument("--build", type=Path, default=ROOT / "build/footprint", help="is kept")
    parser.add_argument("--output", type=Path, help="a JSON file (in docs/results)")
    arguments = parser.parse_args()
    name = arguments.machine
    build = arguments.build.resolve() / name
    with tempfile.TemporaryDirectory() as folder:
        if name == here:
            result = _of_this_machine(build, Path(folder), arguments.rounds)
        else:
            result = _of_another(name, build, Path(folder), arguments.rounds)
    suffix = "" if name == "x86_64" else f"_{name}"
    result = {
        "command": "python benchmarks/footprint.py" + (f" --machine {name}" if suffix else ""),
        "machine": name,
        **result,
    }
    for key, value in result.items():
        print(f"{key:45} {value:.4g}" if isinstance(value, float) else f"{key:45} {value}")
    output = arguments.output or ROOT / f"docs/results/footprint{suffix}.json"
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps(result, indent=1) + "\n")


def _of_this_machine(build: Path, folder: Path, rounds: int) -> dict[str, Any]:
    """Everything; the wheel and the C library come out of one build."""
    _run(
        *(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"),
        *("--wheel-dir", folder, f"-Cbuild-dir={build}", "-Cbuild.tool-args=-j1"),
        *("-Ccmake.define.EDGEWISE_BUILD_C=ON", ROOT),
    )
    (wheel,) = folder.glob("*.whl")
    machine = Machine()
    return {
        **_weigh(machine, build, folder),
        "wheel_bytes": wheel.stat().st_size,
        **_grow_in_c(machine, folder, rounds),
        **_grow_in_python(rounds),
    }


def _of_another(name: str, build: Path, folder: Path, rounds: int) -> dict[str, Any]:
    """What can be said of a machine that is not here."""
    machine = CROSS[name]
    _run(
        *("cmake", "-S", ROOT, "-B", build, "-G", "Ninja"),
        f"-DEDGEWISE_DEPS_PREFIX={sysconfig.get_path('purelib')}",
        *("-DCMAKE_SYSTEM_NAME=Linux", f"-DCMAKE_SYSTEM_PROCESSOR={name}"),
        f"-DCMAKE_CXX_COMPILER={machine.cpp}",
        f"-DCMAKE_STRIP={shutil.which(machine.c.removesuffix('gcc') + 'strip')}",
    )
    _run("cmake", "--build", build, "--", "-j1")
    return {
        "note": _NOTE,
        "emulator": _run(machine.emulator[0], "--version").splitlines()[0],
        **_weigh(machine, build, folder),
        **_last_wheel(name),
        **_grow_in_c(machine, folder, rounds),
    }


def _last_wheel(name: str) -> dict[str, Any]:
    """The wheel for that machine as `make wheels` recorded it.

    Nothing if it did not, or if that wheel is too light to hold the bundles that ship now.
    """
    record = ROOT / "docs/results/wheels.json"
    wheels = json.loads(record.read_text())["wheels"] if record.exists() else []
    least = sum(len(zlib.compress(path.read_bytes(), 9)) for path in _bundles())
    for wheel in wheels:
        if wheel["name"].endswith(f"_{name}.whl") and wheel["bytes"] > least:
            return {"wheel": wheel["name"], "wheel_bytes": wheel["bytes"]}
    return {}


def _run(*command: str | Path) -> str:
    done = subprocess.run(
        [str(word) for word in command], check=True, capture_output=True, text=True
    )
    return done.stdout


def _weigh(machine: Machine, build: Path, folder: Path) -> dict[str, Any]:
    """Install what was built, stripped; bytes of the core, and of the bundles that ship."""
    _run("cmake", "--install", build, "--prefix", folder / "installed", "--strip")
    return {
        "compiler": _run(machine.cpp, "--version").splitlines()[0],
        "core_bytes_stripped": _library(folder).stat().st_size,
        "bundle_bytes": sum(path.stat().st_size for path in _bundles()),
    }


def _bundles() -> list[Path]:
    return sorted(BUNDLES.glob("*.safetensors"))


def _library(folder: Path) -> Path:
    (library,) = (folder / "installed").rglob("libedgewise.so.*.*.*")
    return library


def _grow_in_c(machine: Machine, folder: Path, rounds: int) -> dict[str, float]:
    """Growth of a process in C, bytes, and its allocations by predictions and answers when warm."""
    libraries = _library(folder).parent
    probe = folder / "probe"
    _run(
        *(machine.c, "-std=gnu99", "-O2", "-Wall", "-Werror", PROBE, "-o", probe),
        *(f"-I{folder / 'installed/include'}", f"-L{libraries}", "-ledgewise"),
        f"-Wl,-rpath,{libraries}",
    )
    command: tuple[str | Path, ...] = (*machine.emulator, probe, BUNDLE)
    rows = [[float(word) for word in _run(*command).split()] for _ in range(rounds)]
    names = (
        "c_resident_bytes_at_rest",
        "c_resident_bytes_in_use",
        "c_allocations_to_calibrate",
        "c_allocations_of_1000_predictions",
        "c_allocations_of_1000_classifications",
    )
    return dict(zip(names, _medians(rows), strict=True))


def _grow_in_python(rounds: int) -> dict[str, float]:
    """Milliseconds to import, and growth of the process in bytes, above those of numpy."""
    command = (sys.executable, "-c", _PYTHON)
    rows = [[float(word) for word in _run(*command).split()] for _ in range(rounds)]
    names = (
        "python_import_ms_above_numpy",
        "python_resident_bytes_at_rest_above_numpy",
        "python_resident_bytes_in_use_above_numpy",
    )
    return dict(zip(names, _medians(rows), strict=True))


def _medians(rows: Sequence[Sequence[float]]) -> list[float]:
    return [statistics.median(column) for column in zip(*rows, strict=True)]


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
