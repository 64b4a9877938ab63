"""How well a device is known that was calibrated under disturbance.

    python benchmarks/robust_measuring.py --runtime litert
    python benchmarks/robust_measuring.py --runtime onnxruntime

In one process: N fresh networks are timed in groups of ten, twice; between the groups the device is
calibrated, quietly and under one disturbance after another (`disturbances.py`), ten timings each.
Every calibration predicts the N networks; the truth is the mean of their two timings, both quiet,
and where runs jitter, as much longer as the median of the jitter makes them. A
*plain loop* calibrates beside ours where others compete: the median wall time of thirty runs in a
row, handed over by `measure=`.

At the end `Device.check` is asked of the first quiet calibration: in quiet, while a quota leaves
two thirds of a core, so that networks take one and a half times as long, and in quiet again.

The machine must be quiet but for what is started here. Results go to
`docs/results/robust_measuring_<runtime>.json`. The networks are compiled first and kept by
`--networks FILE`, which a second run takes.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from disturbances import Jitter, JitteringRuntime, quota, rivals
from network_timing import GROUP, Run, loader
from numpy.typing import NDArray
from real_device import prepare

from edgewise.bundle import Bundle
from edgewise.latency.calibration import Calibration
from edgewise.latency.device import Check, Device
from edgewise.latency.predictor import open_bundle
from edgewise.latency.references import model_of
from edgewise.measure import measure
from edgewise.runtimes import Runtime, get_runtime
from edgewise.spaces import get_space
from edgewise_converter.latency.encodings.registry import encoding_of
from edgewise_converter.latency.scoring import Estimate, score

ROOT = Path(__file__).resolve().parent.parent
_LOOP_RUNS = 30

Ask = Callable[[str], Any]
Quiet = AbstractContextManager[Any]


@dataclass(frozen=True)
class Case:
    """One calibration."""

    name: str
    disturbance: Callable[[], Quiet]
    measure: Ask | None = None
    """Instead of the runtime."""
    jitter: Jitter | None = None
    """Of the runtime."""
    slower: float = 1.0
    """How much longer the median run takes for good."""


@dataclass(frozen=True)
class Calibrated:
    """What it gave."""

    case: Case
    name: str
    device: Device
    seconds: float


def main() -> None:
    """Time, calibrate, check; print and save what was found."""
    arguments = _parse()
    logging.getLogger("edgewise").setLevel(logging.ERROR)  # warnings are in the table
    with tempfile.TemporaryDirectory() as folder:
        os.environ["EDGEWISE_HOME"] = folder
        path = arguments.networks or Path(folder) / "networks.safetensors"
        prepare(arguments, path)
        networks = Bundle.open(path, kind="latency")
        begun = time.perf_counter()
        found, truth = _calibrate_all(arguments, networks)
        checks = _check_all(found[0].device)
    archs = networks.manifest["architectures"]
    result = {
        "command": f"python benchmarks/robust_measuring.py --space {arguments.space} "
        f"--n {arguments.n} --runtime {arguments.runtime} --seed {arguments.seed}",
        "cpu": found[0].device.info["cpu"],
        "cores": os.cpu_count(),
        "seconds": round(time.perf_counter() - begun, 1),
        "retest_median_change": float(np.median(np.abs(truth[1] / truth[0] - 1))),
        "cases": [
            _row(calibrated, archs, truth.mean(axis=0) * calibrated.case.slower)
            for calibrated in found
        ],
        "checks": checks,
    }
    _print(result)
    arguments.output.mkdir(parents=True, exist_ok=True)
    of_space = "" if arguments.space == "nasbench201" else f"_{arguments.space}"
    saved = arguments.output / f"robust_measuring{of_space}_{arguments.runtime}.json"
    saved.write_text(json.dumps(result, indent=1) + "\n")
    print(f"\n{saved}")


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--space", default="nasbench201")
    parser.add_argument("--n", type=int, default=60, help="fresh architectures (60)")
    parser.add_argument("--runtime", choices=("litert", "onnxruntime"), default="litert")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--networks", type=Path, help="keep the compiled networks in this file")
    parser.add_argument("--bundle", type=Path, help="latency bundle instead of the shipped one")
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "results")
    return parser.parse_args()


def _cases(runtime: Runtime, models: Callable[[str], bytes], seed: int) -> list[Case]:
    _, load = loader(runtime.name, 1)

    def loop(arch: str) -> float:
        return statistics.median(_wall_times(load(models(arch)), _LOOP_RUNS))

    def jittering(runs: int) -> Ask:
        jitter = Jitter(scale=0.1, tail=1.5, seed=seed)

        def ask(arch: str) -> list[float]:
            run = load(models(arch))
            _wall_times(run, 5)
            return _wall_times(lambda: jitter.run(run), runs)

        return ask

    def same_core() -> Quiet:
        return rivals(1, core=min(os.sched_getaffinity(0)))

    def changing() -> Quiet:
        return quota(0.3, 0.9, 0.5)

    longer = Jitter(scale=0.1, tail=1.5, seed=seed)
    return [
        Case("quiet", nullcontext),
        Case("a program on the same core", same_core),
        Case("  plain loop", same_core, measure=loop),
        Case("a program on any core", rivals),
        Case("a program on every core", lambda: rivals(os.cpu_count() or 1)),
        Case("quota of half a core", lambda: quota(0.5)),
        Case("  plain loop", lambda: quota(0.5), measure=loop),
        Case("quota of 30, 90, 50 %, by seconds", changing),
        Case("  plain loop", changing, measure=loop),
        Case("a runtime that jitters", nullcontext, jitter=longer, slower=longer.median),
        Case("measure= that jitters, 1 run", nullcontext, jittering(1), slower=longer.median),
        Case("measure= that jitters, 15 runs", nullcontext, jittering(15), slower=longer.median),
        Case("quiet again", nullcontext),
    ]


def _wall_times(run: Run, count: int) -> list[float]:
    """Milliseconds of that many runs, one after another."""
    times = []
    for _ in range(count):
        begun = time.perf_counter()
        run()
        times.append(1e3 * (time.perf_counter() - begun))
    return times


def _calibrate_all(
    arguments: argparse.Namespace, networks: Bundle
) -> tuple[list[Calibrated], NDArray[np.float64]]:
    """Every case, and the true milliseconds (2, N)."""
    runtime, bundle = get_runtime(arguments.runtime), open_bundle(arguments.space, arguments.bundle)
    cases = _cases(runtime, lambda arch: model_of(bundle, arch, runtime.format), arguments.seed)
    truth: list[float] = []
    groups = _time_networks(networks, runtime, truth)
    share = 2 * (arguments.n // GROUP) / len(cases)  # groups after each case, in the mean
    calibrated: list[Calibrated] = []
    last, done = "", 0
    for index, case in enumerate(cases):
        name = f"{case.name} under {last}" if case.name.startswith(" ") else case.name
        last = last if case.name.startswith(" ") else case.name
        job = Calibration(
            arguments.space, runtime.name, 1, 10, case.measure, None, "edgewise", 60.0, bundle
        )
        if case.jitter is not None:
            job.runtime = JitteringRuntime(runtime, case.jitter)
        begun = time.perf_counter()
        with case.disturbance():
            device = job.run(progress=False, resume=False)
        calibrated.append(Calibrated(case, name, device, time.perf_counter() - begun))
        print(f"{name}: {calibrated[-1].seconds:.1f} s, {device.warning}", flush=True)
        while done < (index + 1) * share:
            next(groups, None)
            done += 1
    for _ in groups:
        pass
    return calibrated, np.array(truth).reshape(2, -1)


def _time_networks(networks: Bundle, runtime: Runtime, found: list[float]) -> Iterator[None]:
    """Adds the milliseconds of ten networks after another to `found`, all of them twice."""
    file_format, load = loader(runtime.name, 1)
    count = len(networks.manifest["architectures"])
    for _ in range(2):
        for start in range(0, count, GROUP):
            numbers = range(start, min(start + GROUP, count))
            runs = [load(networks.blob(f"network.{i:03d}.{file_format}")) for i in numbers]
            timings = measure(runs, names=[str(i) for i in numbers], max_seconds=0.5)
            found += [m.ms for m in timings.measurements]
            yield


def _check_all(device: Device) -> list[dict[str, Any]]:
    checks: list[tuple[str, Check]] = []
    for name, disturbance in (
        ("quiet", nullcontext),
        ("quota of two thirds of a core", lambda: quota(2 / 3)),
        ("quiet again", nullcontext),
    ):
        with disturbance():
            checks.append((name, device.check()))
    return [{"case": name, **asdict(check)} for name, check in checks]


def _row(calibrated: Calibrated, archs: list[str], truth: NDArray[np.float64]) -> dict[str, Any]:
    device = calibrated.device
    ms, low, high = (np.asarray(values) for values in device.predict(archs))
    connected = encoding_of(device.space).connected(get_space(device.space).encode(archs))
    found = score(Estimate(ms, low, high), truth, connected)
    info = device.info
    return {
        "case": calibrated.name,
        "spearman": found.spearman_all,
        "mape": found.mape,
        "coverage": found.coverage,
        "width": found.width,
        "seconds": round(calibrated.seconds, 1),
        "noise": info["noise"],
        "unsteady": info["unsteady"],
        "warning": device.warning,
        "notes": info["notes"],
        "timings": [asdict(measurement) for measurement in device.measurements],
    }


def _print(result: dict[str, Any]) -> None:
    print(f"\n{result['cpu']}, {result['command']}")
    print(f"true times changed by {result['retest_median_change']:.1%} (median) when timed twice\n")
    print(
        f"{'calibrated under':52}{'Spearman':>9}{'MAPE %':>8}{'in 90 %':>9}{'width':>7}"
        f"{'s':>6}  says"
    )
    for row in result["cases"]:
        print(
            f"{row['case']:52}{row['spearman']:9.4f}{row['mape']:8.1f}{row['coverage']:9.1f}"
            f"{row['width']:7.1f}{row['seconds']:6.1f}  {row['warning'] or '-'}"
        )
    print("\nchecks of the first device")
    for check in result["checks"]:
        says = "drifted" if check["drifted"] else "as it was"
        print(
            f"{check['case']:52}{check['drift']:+9.1%} {says}"
            f", {check['lost']:.0%} of the time lost; {'; '.join(check['notes']) or '-'}"
        )


if __name__ == "__main__":
    main()
