"""How far timings in one space carry to another, on devices that were measured in both.

    python benchmarks/cross_space.py --data ../shared/data/latency

Each device is calibrated on ten references of one space, from its table, and asked for networks of
the other, which it predicts by their kernels; then three of those are told to it. Beside that
stand multiply-accumulates alone. Prices of kernels are learnt from no device. Results go to
`docs/results/cross_space.json`.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import edgewise
from edgewise.spaces import get_space
from edgewise_converter.latency.scoring import spearman
from edgewise_converter.latency.tables import LatencyTable, load_table

ROOT = Path(__file__).resolve().parent.parent
PAIRS = (("nasbench201", "fbnet"), ("fbnet", "nasbench201"))
ASKED, TOLD = 500, 3


def main() -> None:
    """Run the benchmark, print and save what it found."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared/data/latency")
    parser.add_argument("--seed", type=int, default=0, help="of the networks asked for (0)")
    parser.add_argument("--output", type=Path, default=ROOT / "docs/results/cross_space.json")
    arguments = parser.parse_args()
    tables = {name: load_table(arguments.data / f"{name}.npz") for name in dict(PAIRS)}
    with tempfile.TemporaryDirectory() as home:
        os.environ["EDGEWISE_HOME"] = home
        rows = [
            _carry(tables[known], tables[asked], device, arguments.seed)
            for known, asked in PAIRS
            for device in tables[known].devices
            if device in tables[asked].devices
        ]
    _print(rows)
    command = f"python benchmarks/cross_space.py --seed {arguments.seed}"
    arguments.output.write_text(json.dumps({"command": command, "rows": rows}, indent=1) + "\n")


def _carry(known: LatencyTable, asked: LatencyTable, name: str, seed: int) -> dict[str, Any]:
    calibrated = dict(zip(known.archs, known.row(name).tolist(), strict=True))
    device = edgewise.calibrate(known.space, measure=calibrated.__getitem__, progress=False)
    at = np.random.default_rng(seed).choice(asked.measured([name]), ASKED + TOLD, replace=False)
    archs, ms = [asked.archs[i] for i in at], asked.row(name)[at]
    before = np.array(device.predict(archs).ms)
    for arch, milliseconds in zip(archs[:TOLD], ms[:TOLD], strict=True):
        device.update(arch, float(milliseconds))
    after = np.array(device.predict(archs).ms)
    flops = np.array([get_space(asked.space).flops(arch) for arch in archs])
    return {
        "device": name,
        "calibrated": known.space,
        "asked": asked.space,
        "ten timings there": _score(before, ms),
        "three here too": _score(after, ms),
        "flops": _score(flops, ms),
    }


def _score(predicted: NDArray[np.float64], ms: NDArray[np.float64]) -> dict[str, float]:
    """Of the networks that were not told."""
    predicted, ms = predicted[TOLD:], ms[TOLD:]
    error = float(np.median(np.abs(predicted / ms - 1)))
    return {"spearman": spearman(predicted, ms), "median_error": 100 * error}


def _print(rows: list[dict[str, Any]]) -> None:
    print(f"{'device':16}{'calibrated':>13}{'asked':>13}", end="")
    print(f"{'Spearman':>10}{'off %':>9}{'+3':>9}{'off %':>8}{'FLOPs':>8}")
    for row in rows:
        before, after, flops = (row[k] for k in ("ten timings there", "three here too", "flops"))
        print(
            f"{row['device']:16}{row['calibrated']:>13}{row['asked']:>13}"
            f"{before['spearman']:10.3f}{before['median_error']:9.1f}"
            f"{after['spearman']:9.3f}{after['median_error']:8.1f}{flops['spearman']:8.3f}"
        )


if __name__ == "__main__":
    main()
