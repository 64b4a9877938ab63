"""The part of `real_device.py` that runs on the device: calibrate, time, predict.

It needs edgewise and the runtime, and nothing of the host, so `real_device.py` runs it in whatever
environment has the runtime. `openvino` is a runtime that edgewise does not know: there, `calibrate`
is given a callable that times an architecture with OpenVINO's own API.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

import edgewise
from edgewise.bundle import Bundle
from edgewise.errors import EdgewiseError
from edgewise.latency.predictor import load_predictor, open_bundle
from edgewise.measure import Timings, measure
from edgewise.runtimes import get_runtime

_GROUP = 10  # networks that are timed in turns

Run = Callable[[], object]
Load = Callable[[bytes], Run]
"""Model file to a function that runs it once."""


def main() -> None:
    """Time everything and write what was found as JSON."""
    arguments = _parse()
    networks = Bundle.open(arguments.networks, kind="latency")
    space, archs = networks.manifest["space"], networks.manifest["architectures"]
    bundle = open_bundle(space, arguments.bundle)
    file_format, load = _loader(arguments.runtime, arguments.threads)

    begun = time.perf_counter()
    device = _calibrate(space, bundle, load, arguments)
    seconds = time.perf_counter() - begun
    print(f"calibrated with {arguments.samples} timings in {seconds:.1f} s: {device.info['notes']}")

    def network(i: int) -> Run:
        return load(networks.blob(f"network.{i:03d}.{file_format}"))

    passes = [_time_in_groups(network, archs, arguments.threads) for _ in range(2)]
    prediction = device.predict(archs)
    found = {
        "info": device.info,
        "calibration_seconds": seconds,
        "measurements": [asdict(measurement) for measurement in device.measurements],
        "architectures": archs,
        "ms": [[m.ms for t in timings for m in t.measurements] for timings in passes],
        "spread": [[m.spread for t in timings for m in t.measurements] for timings in passes],
        "reports": [[asdict(t.report) for t in timings] for timings in passes],
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


def _loader(name: str, threads: int) -> tuple[str, Load]:
    """Model format of a runtime, and how it loads a model."""
    if name == "openvino":
        return "onnx", lambda model: _load_in_openvino(model, threads)
    runtime = get_runtime(name)

    def load(model: bytes) -> Run:
        session = runtime.load(model, threads=threads)
        session.run(*(_input(info.shape).astype(info.dtype) for info in session.inputs))
        return session.invoke

    return runtime.format, load


def _load_in_openvino(model: bytes, threads: int) -> Run:
    import openvino

    core = openvino.Core()
    options = {
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": 1,
        "INFERENCE_PRECISION_HINT": "f32",
    }
    compiled = core.compile_model(core.read_model(model, b""), "CPU", options)
    request = compiled.create_infer_request()
    # A network without a path from input to output is a constant, and reads nothing.
    request.infer([_input(tuple(port.shape)) for port in compiled.inputs])
    return lambda: request.infer(share_outputs=True)


def _input(shape: Sequence[int]) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Values in [-1, 1], the same every time."""
    return np.sin(np.arange(np.prod(shape))).reshape(shape).astype(np.float32)


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
        return _time([load(model)], [arch], arguments.threads).measurements[0].ms

    return edgewise.calibrate(
        space,
        samples=arguments.samples,
        measure=milliseconds,
        progress=False,
        bundle=bundle,
    )


def _time_in_groups(
    network: Callable[[int], Run], archs: Sequence[str], threads: int
) -> list[Timings]:
    """Time networks ten at a time, in turns, as a calibration does.

    All in turns would be another measurement: two hundred networks push each other out of the
    caches, and ran 6 to 10 % slower here than ten at a time or one alone.
    """
    return [
        _time(
            [network(i) for i in range(start, min(start + _GROUP, len(archs)))],
            archs[start : start + _GROUP],
            threads,
        )
        for start in range(0, len(archs), _GROUP)
    ]


def _time(runs: Sequence[Run], names: Sequence[str], threads: int) -> Timings:
    timings = measure(runs, names=names, threads=threads)
    for note in timings.report.notes:
        print(f"note: {note}")
    return timings


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
        return {"help": None, "help_missing": str(error)}
    except KeyError as error:
        return {"help": None, "help_missing": f"its reference {error} was not timed"}
    return {"help": [np.asarray(values).tolist() for values in prediction]}


if __name__ == "__main__":
    main()
