"""The `edgewise` command: calibrate, predict, search, report, classify, retrieve, doctor,
demo.

Only argument parsing and printing live here. Exit codes: 0; 1 with one line on standard error; 2
for wrong usage.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import __version__
from .arguments import bytes_of
from .errors import ArgumentError, EdgewiseError
from .fewshot import command as fewshot_command
from .retrieval import command as retrieval_command

if TYPE_CHECKING:
    from .latency import Device

_log = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command with the arguments `argv` (default: the process's); returns the exit code."""
    options = _parser().parse_args(argv)
    level = logging.DEBUG if options.verbose else logging.WARNING
    logging.basicConfig(format="edgewise: %(message)s", level=level)
    try:
        code: int = options.run(options)
    except EdgewiseError as error:
        return _fail(" ".join(str(error).split()))
    except KeyboardInterrupt:
        return _fail("interrupted")
    except BrokenPipeError:  # the reader, `head` for one, has what it wanted
        sys.stderr.close()
        return 1
    return code


def _fail(message: str) -> int:
    print(f"edgewise: error: {message}", file=sys.stderr)
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="edgewise",
        description="Ten timings and it knows your device; five pictures, and your classes.",
    )
    parser.add_argument("--version", action="version", version=f"edgewise {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    calibrate = _command(commands, "calibrate", _calibrate, "time reference networks here")
    _calibration_options(calibrate)
    calibrate.add_argument("--out", type=Path, metavar="FILE", help="also save the profile here")
    calibrate.add_argument("--dry-run", action="store_true", help="list what would be timed")
    calibrate.add_argument(
        "--anew", action="store_true", help="do not go on from an interrupted calibration"
    )

    predict = _command(
        commands, "predict", _predict, "milliseconds of architectures and model files, untimed"
    )
    predict.add_argument(
        "arch",
        nargs="*",
        help="architectures, or .onnx and .tflite files; without any, one a line of standard input",
    )
    _device_options(predict)

    search = _command(commands, "search", _search, "the most accurate architectures that fit")
    search.add_argument("--max-ms", type=float, required=True, help="limit, milliseconds")
    search.add_argument(
        "--max-memory", type=_bytes, metavar="SIZE", help="limit of activations and weights, 20MB"
    )
    search.add_argument(
        "--accuracy",
        type=Path,
        required=True,
        metavar="FILE",
        help=".csv (architecture, accuracy), .json (an object), or .npz (arch, and --column)",
    )
    search.add_argument("--column", help="which column of a .csv or array of a .npz to use")
    search.add_argument("-k", type=int, default=5, help="how many (default 5)")
    _device_options(search)

    report = _command(
        commands, "report", _report, "one page of what was timed and how well it fits"
    )
    report.add_argument(
        "profile", nargs="?", type=Path, help="a saved device (default: the last calibrated)"
    )
    report.add_argument("-o", "--output", type=Path, metavar="FILE", help="the HTML page")
    report.add_argument("--confidence", type=float, default=0.9, help="of intervals (default 0.9)")

    classify = _command(commands, "classify", _classify, "name pictures by classes just shown")
    fewshot_command.add_options(classify)

    retrieve = _command(
        commands, "retrieve", _retrieve, "the pretrained networks that suit pictures, within limits"
    )
    retrieval_command.add_options(retrieve, size=_bytes)

    _command(commands, "doctor", _doctor, "what works on this machine, and why something does not")

    demo = _command(commands, "demo", _demo, "calibrate, then compare with true timings")
    _calibration_options(demo)
    return parser


def _command(commands: Any, name: str, run: Any, description: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(
        name, help=description, description=description[0].upper() + description[1:] + "."
    )
    parser.add_argument("--json", action="store_true", help="print JSON on standard output")
    parser.add_argument("--verbose", action="store_true", help="log in detail")
    parser.set_defaults(run=run)
    return parser


def _calibration_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--space", default="nasbench201", help="default nasbench201")
    parser.add_argument("--runtime", default="auto", help="auto, litert, tflite or onnxruntime")
    parser.add_argument("--threads", type=int, default=1, help="threads of the runtime (default 1)")
    parser.add_argument("--samples", type=int, default=10, help="networks to time (default 10)")
    parser.add_argument("--predictor", default="edgewise", help="edgewise (default) or help")
    parser.add_argument("--budget", type=float, default=60, help="seconds for timing (default 60)")
    parser.add_argument("--bundle", type=Path, help="a latency bundle other than the shipped one")


def _device_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--profile", type=Path, metavar="FILE", help="a saved device (default: the last calibrated)"
    )
    parser.add_argument("--confidence", type=float, default=0.9, help="of intervals (default 0.9)")


def _bytes(text: str) -> int:
    try:
        return bytes_of(text)
    except ArgumentError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _device(options: argparse.Namespace) -> Device:
    from .latency import Device, current_device

    if options.profile is None:
        return current_device()
    return Device.load(options.profile)


def _calibration_arguments(options: argparse.Namespace) -> dict[str, Any]:
    return {
        "space": options.space,
        "runtime": options.runtime,
        "threads": options.threads,
        "samples": options.samples,
        "predictor": options.predictor,
        "budget_s": options.budget,
        "bundle": options.bundle,
    }


def _calibrate(options: argparse.Namespace) -> int:
    from .latency.calibration import Calibration
    from .latency.current import store_current

    job = Calibration(measure=None, candidates=None, **_calibration_arguments(options))
    if options.dry_run:
        plan = job.plan()
        _print(plan.as_json() if options.json else str(plan), options)
        return 0
    device = job.run(progress=not options.json, resume=not options.anew)
    if options.out is not None:
        device.save(options.out)
    store_current(device)
    if options.json:
        rows = [{"arch": m.name, **_without_name(m)} for m in device.measurements]
        found = {"info": device.info, "warning": device.warning, "measurements": rows}
        _print(found, options)
    else:
        print(_timing_table(device))
    return 0


def _without_name(measurement: Any) -> dict[str, Any]:
    from dataclasses import asdict

    return {key: value for key, value in asdict(measurement).items() if key != "name"}


def _timing_table(device: Device) -> str:
    info = device.info
    where = f"{info['cpu']}, {info['runtime']} {info['runtime_version']}"
    timed = f"timed {len(device.measurements)} networks in {info['seconds']:.1f} s"
    lines = [
        f"{where}, threads {info['threads']}: {timed}, noise {info['noise']:.1%}",
        "      ms      p90  spread  runs  architecture",
    ]
    for m in device.measurements:
        lines.append(f"{m.ms:8.3f} {m.p90:8.3f}  {m.spread:5.1%} {m.runs:5d}  {m.name}")
    return "\n".join(lines)


def _predict(options: argparse.Namespace) -> int:
    import numpy as np

    from .latency import NetworkPrediction

    archs = options.arch or [line.strip() for line in sys.stdin if line.strip()]
    if not archs:
        raise ArgumentError("no architecture was given, neither as argument nor on standard input")
    found = _device(options).predict(archs, options.confidence)
    ms, low, high = (np.asarray(v) for v in found)
    unknown = found.unknown if isinstance(found, NetworkPrediction) else ((),) * len(archs)
    for arch, names in zip(archs, unknown, strict=True):
        if names:
            _log.warning("%s: no cost is known of %s; its interval is wide", arch, ", ".join(names))
    if options.json:
        rows = zip(archs, ms.tolist(), low.tolist(), high.tolist(), unknown, strict=True)
        keys = ("arch", "ms", "low", "high", "unknown")
        _print([dict(zip(keys, row, strict=True)) for row in rows], options)
        return 0
    print(f"      ms  {options.confidence:.0%} interval       architecture")
    for arch, m, lo, hi in zip(archs, ms, low, high, strict=True):
        print(f"{m:8.3f}  {lo:8.3f} {hi:8.3f}  {arch}")
    return 0


def _classify(options: argparse.Namespace) -> int:
    return fewshot_command.run(options)


def _retrieve(options: argparse.Namespace) -> int:
    return retrieval_command.run(options)


def _search(options: argparse.Namespace) -> int:
    from .latency.accuracy import read_accuracy

    table = read_accuracy(options.accuracy, options.column)
    found = _device(options).search(
        options.max_ms,
        table,
        k=options.k,
        confidence=options.confidence,
        max_memory=options.max_memory,
    )
    if options.json:
        _print([hit._asdict() for hit in found], options)
    elif not found:
        print(f"nothing fits in {options.max_ms:g} ms{_memory_limit(options)}")
    else:
        print("accuracy        ms  interval           architecture")
        for hit in found:
            print(f"{hit.accuracy:8.3f}  {hit.ms:8.3f}  {hit.low:8.3f} {hit.high:8.3f}  {hit.arch}")
    return 0


def _memory_limit(options: argparse.Namespace) -> str:
    return "" if options.max_memory is None else f" and {options.max_memory:,} bytes"


def _report(options: argparse.Namespace) -> int:
    if options.output is None and not options.json:
        raise ArgumentError("name the page with -o FILE, or ask for --json")
    found = _device(options).report(options.output, options.confidence)
    if options.json:
        _print(found.as_json(), options)
    else:
        print(f"{options.output}: {len(found.rows)} timings, {found}")
    return 0


def _doctor(options: argparse.Namespace) -> int:
    from .doctor import examine

    examination = examine()
    _print(examination.as_json() if options.json else str(examination), options)
    return 0 if examination.healthy else 1


def _demo(options: argparse.Namespace) -> int:
    from .latency.demo import run_demo

    demo = run_demo(progress=not options.json, **_calibration_arguments(options))
    _print(demo.as_json() if options.json else str(demo), options)
    return 0


def _print(value: Any, options: argparse.Namespace) -> None:
    print(json.dumps(value, indent=2) if options.json else value)


if __name__ == "__main__":
    sys.exit(main())
