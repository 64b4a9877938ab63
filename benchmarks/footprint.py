"""What edgewise costs an app: bytes on the disk, time to import, memory, allocations.

    python benchmarks/footprint.py

Builds the core with link-time optimisation, strips it, and weighs it, the wheel and the bundles.
A program in C (`footprint_probe.c`) then says what a process grows by when it opens a bundle,
calibrates and predicts, and what it allocates on the way; a process of Python says the same of the
package, beside one that has imported numpy. Medians of `--rounds`. Writes
`docs/results/footprint.json`. Needs cmake, ninja, g++ and `edgewise[dev]`.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
BUNDLES = ROOT / "sdk" / "edgewise" / "bundles"
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


def main() -> None:
    """Weigh everything, print a table, write the JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=7, help="processes of each kind (7)")
    parser.add_argument("--output", type=Path, default=ROOT / "docs/results/footprint.json")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        result = {
            "command": "python benchmarks/footprint.py",
            "machine": platform.machine(),
            **_weigh(Path(folder)),
            **_grow_in_c(Path(folder), arguments.rounds),
            **_grow_in_python(arguments.rounds),
        }
    for name, value in result.items():
        print(f"{name:45} {value:.4g}" if isinstance(value, float) else f"{name:45} {value}")
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(json.dumps(result, indent=1) + "\n")


def _run(*command: str | Path) -> str:
    done = subprocess.run(
        [str(word) for word in command], check=True, capture_output=True, text=True
    )
    return done.stdout


def _weigh(folder: Path) -> dict[str, Any]:
    """Sizes in bytes: the core as it is installed, stripped; the wheel; the bundles in it."""
    build = folder / "build"
    _run(
        *("cmake", "-S", ROOT, "-B", build, "-G", "Ninja"),
        f"-DEDGEWISE_DEPS_PREFIX={sysconfig.get_path('purelib')}",
    )
    _run("cmake", "--build", build, "--", "-j1")
    _run("cmake", "--install", build, "--prefix", folder / "installed", "--strip")
    (library,) = (folder / "installed").rglob("libedgewise.so.*.*.*")
    pip = (sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder)
    _run(*pip, ROOT)
    (wheel,) = folder.glob("*.whl")
    return {
        "compiler": _run("c++", "--version").splitlines()[0],
        "core_bytes_stripped": library.stat().st_size,
        "wheel_bytes": wheel.stat().st_size,
        "bundle_bytes": sum(path.stat().st_size for path in BUNDLES.glob("*.safetensors")),
    }


def _grow_in_c(folder: Path, rounds: int) -> dict[str, float]:
    """Growth of a process in C, bytes, and its allocations by predictions and answers when warm."""
    (library,) = (folder / "installed").rglob("libedgewise.so.*.*.*")
    probe = folder / "probe"
    _run(
        *("cc", "-std=gnu99", "-O2", "-Wall", "-Werror", PROBE, "-o", probe),
        *(f"-I{folder / 'installed/include'}", f"-L{library.parent}", "-ledgewise"),
        f"-Wl,-rpath,{library.parent}",
    )
    command = (probe, BUNDLES / "nasbench201.safetensors")
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
