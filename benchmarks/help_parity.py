"""HELP's compiled graphs beside torch: the same devices, the same draws of z, adaptation included.

    python benchmarks/help_parity.py
    python benchmarks/help_parity.py --python ENVIRONMENT/bin/python   # e.g. with tflite-runtime

torch answers for 100 random devices, in float32; then every runtime of the
environment of `--python` (this one by default) adapts and predicts through the bundle's graphs.
`docs/results/help_parity.json` keeps one entry a runtime:

* `milliseconds`: largest relative difference of a prediction (256 networks and 10 draws of z on
  each device) from torch; relative to the fastest reference where the prediction is below it;
* `kinks`: draws left out of that, which differ by more than 1e-5, and `on_kinks`, by how much. A
  unit whose input is zero but for rounding was active there in one and not in the other, and so was
  its gradient. torch differs as much from itself when an input changes by a rounding error, as the
  check at compilation (`compile/help_check.py`) confirms draw by draw.
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
KEYS = ("milliseconds", "kinks", "draws", "on_kinks")
OFF = 1e-5


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
    from edgewise_converter.compile.help_check import random_devices, torch_scaled
    from edgewise_converter.compile.help_graph import HelpFunctions
    from edgewise_converter.compile.latency_bundle import help_network

    opened = Bundle.open(bundle, kind="latency")
    space = get_space(opened.manifest["space"])
    functions = HelpFunctions.create(space.name, help_network(opened))
    learner, noise = (
        torch.from_numpy(np.array(opened.tensor(f"help.{name}"))) for name in ("learner", "noise")
    )
    references = opened.manifest["help"]["references"]
    codes = space.encode(references)
    arrays: dict[str, Any] = {"devices": devices}
    for i, case in enumerate(random_devices(space, codes, devices, seed)):
        arrays |= {f"{i}.{name}": value for name, value in vars(case).items()}
        arrays[f"{i}.torch"] = torch_scaled(functions, learner, noise, case)
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
            embedding, support, queries, low, reach, true = (
                cases[f"{i}.{key}"]
                for key in ("embedding", "support", "queries", "low", "reach", "torch")
            )
            support, queries = (
                choices.reshape(session.inputs[2].shape)
                for session, choices in ((adapt, support), (predict, queries))
            )
            (adapted,) = adapt.run(learner, embedding, support, embedding, noise)
            (scaled,) = predict.run(adapted, embedding, queries)
            difference = reach * np.abs(scaled.astype(np.float64) - true)
            ms = np.maximum(np.abs(low + reach * true), low)
            errors.append((difference / ms).max(axis=1))
        draws = np.concatenate(errors)
        kinks = draws > OFF
        found[name] = {
            "version": runtime.version(),
            "milliseconds": float(draws[~kinks].max()),
            "draws": len(draws),
            "kinks": int(kinks.sum()),
            "on_kinks": float(draws[kinks].max(initial=0.0)),
        }
    return found


if __name__ == "__main__":
    main()
