"""HELP's compiled graphs beside torch: the same devices, the same draws of z, adaptation included.

    python benchmarks/help_parity.py
    python benchmarks/help_parity.py --python ENVIRONMENT/bin/python   # e.g. with tflite-runtime

torch answers for 100 random devices, in float32 and in float64; then every runtime of the
environment of `--python` (this one by default) adapts and predicts through the bundle's graphs.
`docs/results/help_parity.json` keeps one entry a runtime:

* `milliseconds`: largest relative difference of any prediction (256 networks and 10 draws of z on
  each device) from torch;
* `scaled`: the same for the network's own output, relative to the device's largest;
* `float64`: of the milliseconds, from torch in float64, which says how much of it is rounding.
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

from edgewise.bundle import Bundle
from edgewise.runtimes import available_runtimes, get_runtime

ROOT = Path(__file__).resolve().parent.parent
SHIPPED = ROOT / "sdk" / "edgewise" / "bundles" / "nasbench201.safetensors"
KEYS = ("milliseconds", "scaled", "float64")


def main() -> None:
    """Prepare the cases with torch, or run the graphs on prepared ones (`--cases`)."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bundle", type=Path, default=SHIPPED)
    parser.add_argument("--devices", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--python", default=sys.executable, help="interpreter with the runtimes")
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "results")
    parser.add_argument("--cases", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.cases is not None:
        print(json.dumps(run_graphs(arguments.bundle, arguments.cases)))
        return
    with tempfile.TemporaryDirectory() as folder:
        cases = Path(folder) / "cases.npz"
        prepare(arguments.bundle, cases, arguments.devices, arguments.seed)
        command = [arguments.python, __file__, "--bundle", str(arguments.bundle)]
        done = subprocess.run(
            [*command, "--cases", str(cases)], check=True, stdout=subprocess.PIPE, text=True
        )
    found = json.loads(done.stdout)
    path = arguments.output / "help_parity.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    runtimes = json.loads(path.read_text())["runtimes"] if path.exists() else {}
    result = {
        "command": "python benchmarks/help_parity.py (--python for tflite)",
        "devices": arguments.devices,
        "seed": arguments.seed,
        "runtimes": {**runtimes, **found},
    }
    path.write_text(json.dumps(result, indent=1) + "\n")
    for name, entry in found.items():
        errors = ", ".join(f"{key} {entry[key]:.2g}" for key in KEYS)
        print(f"{name} {entry['version']}: largest relative difference from torch: {errors}")


def prepare(bundle: Path, path: Path, devices: int, seed: int) -> None:
    """Write random devices and torch's predictions of them to `path`."""
    import torch

    from edgewise.spaces import get_space
    from edgewise_converter.compile.help_check import random_devices, torch_answer
    from edgewise_converter.compile.help_graph import HelpFunctions
    from edgewise_converter.compile.latency_bundle import help_network

    opened = Bundle.open(bundle, kind="latency")
    functions = HelpFunctions.create(help_network(opened))
    learner, noise = (
        torch.from_numpy(np.array(opened.tensor(f"help.{name}"))) for name in ("learner", "noise")
    )
    references = opened.manifest["help"]["references"]
    codes = get_space(opened.manifest["space"]).encode(references)
    arrays: dict[str, Any] = {"devices": devices}
    for i, case in enumerate(random_devices(codes, devices, seed)):
        arrays |= {f"{i}.{name}": value for name, value in vars(case).items()}
        arrays[f"{i}.single"] = torch_answer(functions, learner, noise, case)
        arrays[f"{i}.double"] = torch_answer(functions, learner.double(), noise.double(), case)
    np.savez(path, **arrays)


def run_graphs(bundle: Path, path: Path) -> dict[str, Any]:
    """The errors of every runtime that works here; needs numpy and edgewise alone."""
    opened, cases = Bundle.open(bundle, kind="latency"), np.load(path)
    learner, noise = opened.tensor("help.learner"), opened.tensor("help.noise")
    found: dict[str, Any] = {}
    for name in available_runtimes():
        runtime = get_runtime(name)
        adapt, predict = (
            runtime.load(opened.blob(f"help.{part}.{runtime.format}"))
            for part in ("adapt", "predict")
        )
        errors = []
        for i in range(int(cases["devices"])):
            embedding, support, queries, low, reach, single, double = (
                cases[f"{i}.{key}"]
                for key in ("embedding", "support", "queries", "low", "reach", "single", "double")
            )
            (adapted,) = adapt.run(learner, embedding, support, embedding, noise)
            (scaled,) = predict.run(adapted, embedding, queries)
            ms = (low + reach * scaled).astype(np.float32)
            true = (single - low) / reach
            errors.append(
                (
                    float(np.abs(ms / single - 1).max()),
                    float(np.abs(scaled - true).max() / np.abs(true).max()),
                    float(np.abs(ms / double - 1).max()),
                )
            )
        worst = np.max(errors, axis=0)
        found[name] = {
            "version": runtime.version(),
            **dict(zip(KEYS, worst.tolist(), strict=True)),
        }
    return found


if __name__ == "__main__":
    main()
