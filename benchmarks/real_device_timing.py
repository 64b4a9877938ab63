"""The part of `real_device.py` that runs on the device: calibrate, time, predict.

It needs edgewise and the runtime, and nothing of the host, so `real_device.py` runs it in whatever
environment has the runtime. `openvino` is a runtime that edgewise does not know: there, `calibrate`
is given a callable that times an architecture with OpenVINO's own API.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from network_timing import (
    ANCHORS,
    Load,
    Run,
    at_calibration_speed,
    drift,
    loader,
    milliseconds,
    time_in_groups,
    time_in_turns,
)

import edgewise
from edgewise.bundle import Bundle
from edgewise.errors import EdgewiseError
from edgewise.latency.predictor import load_predictor, open_bundle


def main() -> None:
    """Time everything and write what was found as JSON."""
    arguments = _parse()
    networks = Bundle.open(arguments.networks, kind="latency")
    space, archs = networks.manifest["space"], networks.manifest["architectures"]
    bundle = open_bundle(space, arguments.bundle)
    file_format, load = loader(arguments.runtime, arguments.threads)
    index = {arch: number for number, arch in enumerate(archs)}

    begun = time.perf_counter()
    device = _calibrate(space, bundle, load, arguments)
    seconds = time.perf_counter() - begun
    print(f"calibrated with {arguments.samples} timings in {seconds:.1f} s: {device.info['notes']}")

    def network(arch: str) -> Run:
        return load(networks.blob(f"network.{index[arch]:03d}.{file_format}"))

    known = device.measurements[:ANCHORS]
    references = bundle.manifest["references"]
    anchors = {
        m.name: load(bundle.blob(f"reference.{references.index(m.name):02d}.{file_format}"))
        for m in known
    }
    then = [m.ms for m in known]
    passes = [time_in_groups(network, archs, anchors, threads=arguments.threads) for _ in range(2)]
    prediction = device.predict(archs)
    found = {
        "info": device.info,
        "calibration_seconds": seconds,
        "measurements": [asdict(measurement) for measurement in device.measurements],
        "architectures": archs,
        "ms": [milliseconds(groups).tolist() for groups in passes],
        "ms_at_calibration_speed": [
            at_calibration_speed(groups, then).tolist() for groups in passes
        ],
        "drift": [drift(groups, then) for groups in passes],
        "groups": [[asdict(group) for group in groups] for groups in passes],
        "edgewise": [np.asarray(values).tolist() for values in prediction],
        **_predict_with_help(device, bundle, archs, arguments),
    }
    arguments.output.write_text(json.dumps(found))


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", type=Path, required=True, help="made by real_device.py")
    parser.add_argument("--runtime", required=True)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--samples", type=int, default=10)
    parser.add_argument("--bundle", type=Path, help="latency bundle instead of the shipped one")
    parser.add_argument("--output", type=Path, required=True)
    return parser.parse_args()


def _calibrate(
    space: str, bundle: Bundle, load: Load, arguments: argparse.Namespace
) -> edgewise.Device:
    if arguments.runtime != "openvino":
        return edgewise.calibrate(
            space,
            runtime=arguments.runtime,
            threads=arguments.threads,
            samples=arguments.samples,
            progress=False,
            bundle=bundle,
        )
    references = bundle.manifest["references"]

    def milliseconds(arch: str) -> float:
        model = bundle.blob(f"reference.{references.index(arch):02d}.onnx")
        return time_in_turns([load(model)], [arch], arguments.threads).measurements[0].ms

    return edgewise.calibrate(
        space,
        samples=arguments.samples,
        measure=milliseconds,
        progress=False,
        bundle=bundle,
    )


def _predict_with_help(
    device: edgewise.Device, bundle: Bundle, archs: Sequence[str], arguments: argparse.Namespace
) -> dict[str, Any]:
    """HELP through its compiled graphs, on the same timings; why not, where it could not."""
    runtime = "auto" if arguments.runtime == "openvino" else arguments.runtime
    timings = {measurement.name: measurement.ms for measurement in device.measurements}
    try:
        predictor = load_predictor("help", bundle, runtime)
        ms = [timings[arch] for arch in predictor.references]
        prediction = predictor.adapt(predictor.references, ms).predict(archs)
    except EdgewiseError as error:
        # Results are published; where this machine keeps its bundles is nobody's business.
        reason = str(error).replace(bundle.path, Path(bundle.path).name)
        return {"help": None, "help_missing": reason}
    except KeyError as error:
        return {"help": None, "help_missing": f"its reference {error} was not timed"}
    return {"help": [np.asarray(values).tolist() for values in prediction]}


if __name__ == "__main__":
    main()
