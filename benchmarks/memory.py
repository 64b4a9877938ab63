"""Predicted memory of networks, beside what a process really grows by when it runs them.

    python benchmarks/memory.py

Ten networks of `ofa` and `fbnet`, drawn at random, are each run in a process of its own that has
run a small network before, so that whatever a runtime loads once is there. Predicted are the weight
bytes plus the peak bytes of activations, as `search(max_memory=)` limits them. A process that gives
a runtime the model as bytes holds the weights twice, in the file and packed for the kernels; so the
growth is set beside that sum as well. XNNPACK, in LiteRT, has depthwise kernels for 9 and 25 taps;
those of 7x7 it runs as grouped convolutions, whose packed weights fill tiles of 16 output channels
with one each, which counts them 16 times (a layer alone, 4,096 channels: 0.8 MB of weights, 16.4 MB
more in the process). Results go to `docs/results/memory.json`.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from edgewise.runtimes import get_runtime
from edgewise.spaces import get_space
from edgewise_converter.compile.reference_models import model_file, pattern_network
from edgewise_converter.spaces.registry import input_shape

ROOT = Path(__file__).resolve().parent.parent
SPACES = ("ofa", "fbnet")
RUNTIMES = ("litert", "onnxruntime")
TILE, MOST_TAPS = 16, 25

_PROCESS = """
import ctypes, gc, sys, threading
import numpy as np
from edgewise.runtimes import get_runtime
trim = ctypes.CDLL(None).malloc_trim
def resident():
    gc.collect(); trim(0)
    return int(open("/proc/self/statm").read().split()[1]) * 4096
runtime = get_runtime(sys.argv[1])
def run(path):
    with open(path, "rb") as file:
        session = runtime.load(file.read())
    session.run(*(np.ones(i.shape, i.dtype) for i in session.inputs))
    return session
small = run(sys.argv[2])
before = resident()
session = run(sys.argv[3])
print(resident() - before)
"""


def main() -> None:
    """Run the benchmark, print and save what it found."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--n", type=int, default=5, help="networks a space (5)")
    parser.add_argument("--seed", type=int, default=0, help="of the draw")
    parser.add_argument("--output", type=Path, default=ROOT / "docs/results/memory.json")
    arguments = parser.parse_args()
    rows = [
        _measure(name, arch)
        for name in SPACES
        for arch in get_space(name).decode(get_space(name).draw(arguments.n, arguments.seed))
    ]
    _print(rows)
    command = f"python benchmarks/memory.py --n {arguments.n} --seed {arguments.seed}"
    text = json.dumps({"command": command, "networks": rows}, indent=1)
    arguments.output.write_text(text + "\n")


def _measure(space: str, arch: str) -> dict[str, Any]:
    activations, weights = (int(value[0]) for value in get_space(space).memory([arch]))
    row = {"space": space, "arch": arch, "activations": activations, "weights": weights}
    held = activations + 2 * weights
    row["expected"] = {"litert": held + _tiles(space, arch), "onnxruntime": held}
    network, image = pattern_network(space, arch), input_shape(space, arch)
    small = get_space("nasbench201").architectures()[1]
    tiny = pattern_network("nasbench201", small), input_shape("nasbench201", small)
    for runtime in RUNTIMES:
        file_format = get_runtime(runtime).format
        with tempfile.TemporaryDirectory() as folder:
            paths = [Path(folder) / name for name in ("small", "network")]
            paths[0].write_bytes(model_file(*_order(tiny, file_format)))
            paths[1].write_bytes(model_file(*_order((network, image), file_format)))
            command = [sys.executable, "-c", _PROCESS, runtime, *map(str, paths)]
            found = subprocess.run(command, check=True, capture_output=True, text=True)
            row[runtime] = int(found.stdout.split()[-1])
    return row


def _tiles(space: str, arch: str) -> int:
    """Bytes that LiteRT holds beyond the weights themselves of large depthwise kernels."""
    return sum(
        int((TILE - 1) * kernel.weight_bytes)
        for kernel in get_space(space).lower(arch)
        if kernel.op == "conv"
        and kernel.groups == kernel.in_channels > 1
        and kernel.kernel_height * kernel.kernel_width > MOST_TAPS
    )


def _order(network: tuple[Any, Any], file_format: str) -> tuple[Any, str, Any]:
    return network[0], file_format, network[1]


def _print(rows: list[dict[str, Any]]) -> None:
    print(f"{'MB':8}{'activations':>12}{'weights':>9}{'both':>8}", end="")
    print("".join(f"{name + ' grew':>18}{'ratio':>7}{'w/ file':>8}" for name in RUNTIMES))
    for row in rows:
        both = row["activations"] + row["weights"]
        cells = "".join(
            f"{row[n] / 1e6:18.2f}{row[n] / both:7.2f}{_of_all(row, n):8.2f}" for n in RUNTIMES
        )
        print(
            f"{row['space']:8}{row['activations'] / 1e6:12.2f}{row['weights'] / 1e6:9.2f}"
            f"{both / 1e6:8.2f}{cells}"
        )
    for name in RUNTIMES:
        ratio = np.array([_of_all(row, name) for row in rows])
        near = int(np.sum(np.abs(ratio - 1) <= 0.2))
        print(
            f"{name}: with file and tiles, grew by {np.median(ratio):.2f} times what is predicted "
            f"(median), within 20 % on {near} of {len(rows)}"
        )


def _of_all(row: dict[str, Any], runtime: str) -> float:
    """Growth over activations and weights, those of the file and of tiles counted too."""
    return float(row[runtime] / row["expected"][runtime])


if __name__ == "__main__":
    main()
