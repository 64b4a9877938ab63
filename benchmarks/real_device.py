"""How well edgewise predicts this very machine: time fresh networks, calibrate, compare.

    python benchmarks/real_device.py --n 200 --runtime litert
    python benchmarks/real_device.py --n 200 --runtime onnxruntime
    python benchmarks/real_device.py --n 200 --runtime tflite --python ENVIRONMENT/bin/python
    python benchmarks/real_device.py --n 200 --runtime openvino --python ENVIRONMENT/bin/python
    python benchmarks/real_device.py --space ofa --runtime litert

N architectures are drawn uniformly from the space, the bundle's references left out, and compiled
(under a second each). Then a process of its own calibrates from scratch and times each of the N
twice, ten in turns, one pass over all after another; their rank correlation is the best that a
prediction could show. Predictions are compared with the mean of the two passes.

The first two references are timed again with every ten. *Raw* compares predictions with the times
as they were; *at the calibration's speed* divides each ten by how much slower the two references
had become since the calibration (see `network_timing.py`), which leaves the predictor's own errors.

That process needs edgewise and the runtime alone, so it may run in another environment, by
`--python`: tflite-runtime needs Python 3.11 and numpy 1, and openvino is a runtime that edgewise
does not know, driven through `measure=`. This one needs `edgewise[converter]`.

Results go to `docs/results/real_device_<runtime>.json` (or `real_device_<space>_<runtime>.json`)
and a scatter plot beside it. Its `limits` say how often a network that `search` or `retrieve` would
take under a limit runs within it.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from real_device_score import Device, baselines, plot

from edgewise.bundle import Bundle, write_bundle
from edgewise.latency.predictor import open_bundle
from edgewise.spaces import get_space
from edgewise_converter.compile.reference_models import pattern_models
from edgewise_converter.latency.scoring import Estimate, score, spearman

ROOT = Path(__file__).resolve().parent.parent
_LIMITS = (20, 40, 60, 80)  # percentiles of the networks' times
_ABOVE = 1.05
FORMATS = {"litert": "tflite", "tflite": "tflite", "onnxruntime": "onnx", "openvino": "onnx"}


def main() -> None:
    """Run the benchmark and print, save and plot what it found."""
    arguments = _parse()
    with tempfile.TemporaryDirectory() as folder:
        networks = arguments.networks or Path(folder) / "networks.safetensors"
        prepare(arguments, networks)
        found = _time(arguments, networks, Path(folder))
    device = Device.of(arguments.space, found)
    rows = {"edgewise": _scores(device, Estimate(*map(np.array, found["edgewise"])))}
    if found["help"] is None:
        print(f"help: not run, {found['help_missing']}")
    else:
        rows["help"] = _scores(device, Estimate(*map(np.array, found["help"])))
    for name, estimate in baselines(device, arguments.table, arguments.split).items():
        rows[name] = _scores(device, estimate)
    result = {
        "command": "python benchmarks/real_device.py " + " ".join(_shown(arguments)),
        "test_retest": _retest(found),
        "limits": _limits(found),
        "scores": rows,
        **found,
    }
    _print(result)
    _save(arguments, result, device)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--space", default="nasbench201")
    parser.add_argument("--n", type=int, help="fresh architectures (200 of nasbench201, else 60)")
    parser.add_argument("--runtime", choices=FORMATS, default="litert")
    parser.add_argument("--samples", type=int, default=10, help="timings to calibrate with (10)")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0, help="of the draw of architectures")
    parser.add_argument("--bundle", type=Path, help="latency bundle instead of the shipped one")
    parser.add_argument("--python", default=sys.executable, help="interpreter that has the runtime")
    parser.add_argument("--networks", type=Path, help="keep the compiled networks in this file")
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "results")
    data = ROOT.parent / "shared" / "data" / "latency"
    parser.add_argument("--table", type=Path, help="of timings of the space, for a baseline")
    parser.add_argument("--split", type=Path, default=data / "splits.json")
    arguments = parser.parse_args()
    arguments.n = arguments.n or (200 if get_space(arguments.space).size else 60)
    arguments.table = arguments.table or data / f"{arguments.space}.npz"
    return arguments


def _shown(arguments: argparse.Namespace) -> list[str]:
    names = ("space", "n", "runtime", "samples", "threads", "seed")
    return [f"--{name} {getattr(arguments, name)}" for name in names]


def prepare(arguments: argparse.Namespace, path: Path) -> None:
    """Compile the fresh networks into one file, unless it is there and holds just those."""
    bundle = open_bundle(arguments.space, arguments.bundle)
    archs = fresh(arguments, set(bundle.manifest["references"]))
    file_format = FORMATS[arguments.runtime]
    wanted = {"space": arguments.space, "architectures": archs, "format": file_format}
    if path.exists() and wanted.items() <= Bundle.open(path).manifest.items():
        return
    begun = time.perf_counter()
    models = {}
    for index, arch in enumerate(archs):
        models[f"network.{index:03d}.{file_format}"] = pattern_models(arguments.space, arch)[
            file_format
        ]
    write_bundle(
        path,
        kind="latency",
        name="fresh networks",
        manifest=wanted,
        tensors={key: model.file for key, model in models.items()},
        deflate=models.keys(),
        patterned={key: model.cuts for key, model in models.items()},
    )
    print(f"compiled {len(archs)} networks in {time.perf_counter() - begun:.0f} s")


def fresh(arguments: argparse.Namespace, references: set[str]) -> list[str]:
    space = get_space(arguments.space)
    if space.size:
        everything = [arch for arch in space.architectures() if arch not in references]
        generator = np.random.default_rng(arguments.seed)
        return [
            everything[i] for i in generator.choice(len(everything), arguments.n, replace=False)
        ]
    drawn = space.decode(space.draw(arguments.n + len(references), arguments.seed))
    return [arch for arch in drawn if arch not in references][: arguments.n]


def _time(arguments: argparse.Namespace, networks: Path, folder: Path) -> dict[str, Any]:
    """Run the device's part in its own process and environment."""
    output = folder / "timings.json"
    command = [arguments.python, str(ROOT / "benchmarks" / "real_device_timing.py")]
    command += ["--networks", str(networks), "--runtime", arguments.runtime]
    command += ["--threads", str(arguments.threads), "--samples", str(arguments.samples)]
    command += ["--output", str(output)]
    if arguments.bundle:
        command += ["--bundle", str(arguments.bundle)]
    threads = {name: str(arguments.threads) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
    # A data folder of its own: the user's calibrated device is none of a benchmark's business.
    subprocess.run(
        command, check=True, env={**os.environ, **threads, "EDGEWISE_HOME": str(folder / "home")}
    )
    found: dict[str, Any] = json.loads(output.read_text())
    return found


def _scores(device: Device, estimate: Estimate) -> dict[str, Any]:
    return {
        **_scores_against(device.ms, device, estimate),
        "at_calibration_speed": _scores_against(device.ms_at_calibration_speed, device, estimate),
    }


def _scores_against(
    ms: NDArray[np.float64], device: Device, estimate: Estimate
) -> dict[str, float | None]:
    found = score(estimate, ms, device.connected)
    return {
        "spearman": found.spearman_all,
        "spearman_mid": found.spearman_mid,
        "mape": found.mape,
        "coverage": found.coverage,
        "width": found.width,
    }


def _retest(found: dict[str, Any]) -> dict[str, float]:
    first, second = (np.array(ms) for ms in found["ms"])
    return {
        "spearman": spearman(first, second),
        "median_change": float(np.median(np.abs(second / first - 1))) * 100,
    }


def _limits(found: dict[str, Any]) -> list[dict[str, float | int]]:
    """Of the networks that fit a limit by the upper end of their interval, how many really do.

    Limits are percentiles of the times as they were; within 5 % above counts as fitting.
    """
    ms, upper = np.array(found["ms"]).mean(axis=0), np.array(found["edgewise"][2])
    rows: list[dict[str, float | int]] = []
    for percentile in _LIMITS:
        limit = float(np.percentile(ms, percentile))
        chosen = upper <= limit
        rows.append(
            {
                "percentile": percentile,
                "limit_ms": limit,
                "fit": int((ms <= limit).sum()),
                "chosen": int(chosen.sum()),
                "within": int((ms[chosen] <= limit).sum()),
                "within_5_percent": int((ms[chosen] <= _ABOVE * limit).sum()),
            }
        )
    return rows


def _print(result: dict[str, Any]) -> None:
    info, retest = result["info"], result["test_retest"]
    print(f"\n{info['cpu']}, {info['runtime']} {info['runtime_version'] or ''}")
    print(f"semantics {info['semantics'] or 'unknown'}, noise {info['noise']:.1%}")
    print(f"calibration {result['calibration_seconds']:.1f} s")
    print(
        f"test-retest Spearman {retest['spearman']:.4f}, median change "
        f"{retest['median_change']:.1f} %\n"
    )
    print("raw: against the times as they were")
    _print_rows(result["scores"])
    low, high = np.array(result["drift"]).min(), np.array(result["drift"]).max()
    print(
        "\nat the calibration's speed: against times divided by how much slower two references "
        f"had become, {low:.2f} to {high:.2f} times"
    )
    rows = {name: row["at_calibration_speed"] for name, row in result["scores"].items()}
    _print_rows(rows)
    print("\nchosen by the upper end of the interval: within a limit, and within 5 % above it")
    for row in result["limits"]:
        print(
            f"limit {row['limit_ms']:8.3f} ms, which {row['fit']:3} fit: {row['chosen']:3} chosen, "
            f"{row['within']:3} within, {row['within_5_percent']:3} within 5 %"
        )


def _print_rows(rows: dict[str, Any]) -> None:
    print(f"{'':22}{'Spearman':>10}{'mid':>8}{'MAPE %':>9}{'inside %':>10}{'width %':>9}")
    for name, row in rows.items():
        cells = [f"{row['spearman']:10.4f}{row['spearman_mid']:8.4f}"]
        for key, width in (("mape", 9), ("coverage", 10), ("width", 9)):
            cells.append(" " * width if row[key] is None else f"{row[key]:{width}.1f}")
        print(f"{name:22}{''.join(cells)}")


def _save(arguments: argparse.Namespace, result: dict[str, Any], device: Device) -> None:
    arguments.output.mkdir(parents=True, exist_ok=True)
    of_space = "" if arguments.space == "nasbench201" else f"_{arguments.space}"
    path = arguments.output / f"real_device{of_space}_{arguments.runtime}.json"
    path.write_text(json.dumps(result, indent=1) + "\n")
    title = f"{result['info']['cpu']}, {arguments.runtime}, {arguments.threads} thread(s)"
    plot(device, result, title, path.with_suffix(".png"))
    print(f"\n{path}\n{path.with_suffix('.png')}")


if __name__ == "__main__":
    main()
