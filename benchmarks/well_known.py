"""How well ten timings of once-for-all networks predict networks that no one here designed.

    python benchmarks/well_known_networks.py            # exports the 25, once
    python benchmarks/well_known.py --runtime litert --save-timings build/timings/well_known.json
    python benchmarks/well_known.py --runtime litert --timings build/timings/well_known.json

Calibrates on the first references of `ofa`, times the 25 networks of `well_known_networks.py`, ten
in turns, and predicts each from its file. Then three of them, the same in every run, are told to
the device with their times, and the other 22 are predicted again.

*Raw* compares predictions with the times as they were; *at the calibration's speed* divides each
ten by how much slower two references had become since the calibration (see `network_timing.py`).
Timings that were saved are predicted again without timing anything. Results go to
`docs/results/well_known_<runtime>.json`.

`--networks validation` does the same with the random networks of `validation_networks.py`, the only
ones by which anything may be chosen.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from network_timing import (
    ANCHORS,
    FloatArray,
    Group,
    at_calibration_speed,
    drift,
    load_groups,
    loader,
    milliseconds,
    save_groups,
    time_in_groups,
)
from validation_networks import COUNT
from validation_networks import model_path as validation_path
from well_known_networks import NETWORKS, ROOT, UPDATES, model_path

import edgewise
from edgewise.latency.predictor import open_bundle
from edgewise.runtimes import get_runtime
from edgewise_converter.latency.scoring import spearman

SPACE = "ofa"


@dataclass(frozen=True)
class Networks:
    """What is timed and predicted: names, those told to the device, and where a file lies."""

    names: tuple[str, ...]
    told: tuple[str, ...]
    path: Callable[[str, str], Path]


_VALIDATION = tuple(f"{number:02d}" for number in range(COUNT))
SETS = {
    "well_known": Networks(NETWORKS, UPDATES, model_path),
    "validation": Networks(
        _VALIDATION, _VALIDATION[4:21:8], lambda name, kind: validation_path(int(name), kind)
    ),
}


@dataclass(frozen=True)
class Timed:
    """What was timed on this machine, in one session.

    Attributes:
        about: the machine and its runtime.
        calibration: milliseconds of the references that were timed first, by architecture.
        groups: the well-known networks.
    """

    about: dict[str, Any]
    calibration: dict[str, float]
    groups: list[Group]

    @property
    def anchor_ms(self) -> list[float]:
        """What the anchors took in the calibration."""
        return list(self.calibration.values())[:ANCHORS]


def main() -> None:
    """Run the benchmark, print and save what it found."""
    arguments = _parse()
    with tempfile.TemporaryDirectory() as home:
        # The user's calibrated device is none of a benchmark's business.
        os.environ["EDGEWISE_HOME"] = home
        timed = _load(arguments.timings) if arguments.timings else _time(arguments)
        if arguments.save_timings:
            save_groups(
                arguments.save_timings,
                timed.groups,
                about=timed.about,
                calibration=timed.calibration,
            )
        result = _predict(timed, arguments)
    _print(result)
    arguments.output.mkdir(parents=True, exist_ok=True)
    path = arguments.output / f"{arguments.networks}_{arguments.runtime}.json"
    path.write_text(json.dumps(result, indent=1) + "\n")
    print(f"\n{path}")


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runtime", choices=("litert", "onnxruntime"), default="litert")
    parser.add_argument("--networks", choices=tuple(SETS), default="well_known")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--samples", type=int, default=10, help="timings to calibrate with (10)")
    parser.add_argument("--bundle", type=Path, help="latency bundle instead of the shipped one")
    parser.add_argument("--timings", type=Path, help="predict these, time nothing")
    parser.add_argument("--save-timings", type=Path, help="keep the timings in this file")
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "results")
    return parser.parse_args()


def _time(arguments: argparse.Namespace) -> Timed:
    bundle, threads = open_bundle(SPACE, arguments.bundle), arguments.threads
    device = edgewise.calibrate(
        SPACE,
        runtime=arguments.runtime,
        threads=threads,
        samples=arguments.samples,
        progress=False,
        bundle=bundle,
    )
    file_format, load = loader(arguments.runtime, threads)
    references = bundle.manifest["references"]
    anchors = {
        m.name: load(bundle.blob(f"reference.{references.index(m.name):02d}.{file_format}"))
        for m in device.measurements[:ANCHORS]
    }
    networks = SETS[arguments.networks]
    groups = time_in_groups(
        lambda name: load(networks.path(name, file_format).read_bytes()),
        networks.names,
        anchors,
        threads=threads,
    )
    return Timed(dict(device.info), {m.name: m.ms for m in device.measurements}, groups)


def _load(path: Path) -> Timed:
    groups, kept = load_groups(path)
    return Timed(kept["about"], kept["calibration"], groups)


def _predict(timed: Timed, arguments: argparse.Namespace) -> dict[str, Any]:
    """Before and after the three are told."""
    recorded = timed.calibration
    device = edgewise.calibrate(
        SPACE,
        samples=len(recorded),
        measure=recorded.__getitem__,
        candidates=list(recorded),
        progress=False,
        bundle=arguments.bundle,
    )
    networks, file_format = SETS[arguments.networks], get_runtime(arguments.runtime).format
    ms = dict(zip(networks.names, milliseconds(timed.groups).tolist(), strict=True))
    first = _predictions(device, networks, networks.names, file_format)
    for name in networks.told:
        device.update(str(networks.path(name, file_format)), ms[name])
    others = [name for name in networks.names if name not in networks.told]
    second = _predictions(device, networks, others, file_format)
    return {
        "command": f"python benchmarks/well_known.py --runtime {arguments.runtime} "
        f"--networks {arguments.networks} --threads {arguments.threads} --samples {len(recorded)}",
        "info": timed.about,
        "calibration": recorded,
        "drift": drift(timed.groups, timed.anchor_ms),
        "ms": ms,
        "spread": [spread for group in timed.groups for spread in group.spread],
        "told": list(networks.told),
        "ten timings": _scored(timed, networks.names, networks.names, first),
        "three more": _scored(timed, networks.names, others, second),
    }


def _predictions(
    device: edgewise.Device, networks: Networks, names: Sequence[str], file_format: str
) -> FloatArray:
    """(3, N): ms, low, high of each network's file."""
    found = [device.predict(str(networks.path(name, file_format))) for name in names]
    return np.array([[p.ms, p.low, p.high] for p in found]).T


def _scored(
    timed: Timed, every: Sequence[str], names: Sequence[str], predicted: FloatArray
) -> dict[str, Any]:
    wanted = np.array([every.index(name) for name in names])
    raw = milliseconds(timed.groups)[wanted]
    steady = at_calibration_speed(timed.groups, timed.anchor_ms)[wanted]
    return {
        "raw": _score(predicted, raw),
        "at the calibration's speed": _score(predicted, steady),
        "predicted": dict(zip(names, predicted.T.tolist(), strict=True)),
    }


def _score(predicted: FloatArray, ms: FloatArray) -> dict[str, float]:
    middle, low, high = predicted
    return {
        "spearman": spearman(middle, ms),
        "median_error": float(np.median(np.abs(middle / ms - 1))) * 100,
        "coverage": float(np.mean((low <= ms) & (ms <= high))) * 100,
        "width": float(np.median((high - low) / middle)) * 100,
    }


def _print(result: dict[str, Any]) -> None:
    info, (least, most) = result["info"], result["drift"]
    print(f"\n{info['cpu']}, {info['runtime']} {info['runtime_version'] or ''}")
    print(f"two references took {least:.2f} to {most:.2f} times as long as in the calibration\n")
    first, second = (result[key]["predicted"] for key in ("ten timings", "three more"))
    print(f"{'ms':24}{'measured':>10}{'predicted':>11}{'from':>9}{'to':>9}{'three more':>12}")
    for name, ms in result["ms"].items():
        middle, low, high = first[name]
        again = f"{second[name][0]:12.2f}" if name in second else f"{'told':>12}"
        print(f"{name:24}{ms:10.2f}{middle:11.2f}{low:9.2f}{high:9.2f}{again}")
    print(f"\n{'':40}{'Spearman':>10}{'median off %':>14}{'inside %':>10}{'width %':>9}")
    for stage in ("ten timings", "three more"):
        for against in ("raw", "at the calibration's speed"):
            row = result[stage][against]
            cells = f"{row['spearman']:10.4f}{row['median_error']:14.1f}{row['coverage']:10.1f}"
            print(f"{stage + ', ' + against:40}{cells}{row['width']:9.1f}")


if __name__ == "__main__":
    main()
