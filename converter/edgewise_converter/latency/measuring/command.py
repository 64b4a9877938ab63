"""``edgewise-converter measure``: a device's timings as a table to train on or to evaluate with."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgewise.arguments import positive_int
from edgewise.errors import ArgumentError
from edgewise.spaces import get_space

if TYPE_CHECKING:
    from edgewise_converter.latency.measuring.growing_table import GrowingTable

_FORMATS = ("tflite", "onnx")
_BY_COMMAND = "command"


def add_parser(subparsers: Any) -> None:
    """Add ``measure`` to the commands."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "measure",
        help="time many architectures on a device and write a table",
        description="Times architectures through a runtime on this machine, or by any command, "
        "and writes a table of timings. Interrupted, the same command goes on.",
    )
    parser.add_argument("--space", required=True, help="of the architectures")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--archs", type=Path, metavar="FILE", help="architectures, one a line")
    which.add_argument("--count", type=int, metavar="N", help="draw so many")
    parser.add_argument("--seed", type=int, default=0, help="of the draw (0)")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="TABLE", help=".npz")
    parser.add_argument("--device-name", required=True, metavar="NAME", help="its row in the table")
    parser.add_argument(
        "--append",
        action="store_true",
        help="add the device to a table that exists; without --archs or --count, its architectures",
    )
    parser.add_argument("--runtime", default="auto", help="auto, litert, tflite or onnxruntime")
    parser.add_argument("--threads", type=int, default=1, help="of the runtime (1)")
    parser.add_argument(
        "--command",
        metavar="TEXT",
        help="a shell command that prints the milliseconds of one network on its last line, "
        "instead of a runtime here; {model} is the path of its file, {arch} the architecture",
    )
    parser.add_argument(
        "--timeout", type=float, default=300, metavar="S", help="seconds for --command (300)"
    )
    parser.add_argument("--format", choices=_FORMATS, default="tflite", help="of {model} (tflite)")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from edgewise.latency.info import machine_info
    from edgewise.latency.timing import progress_bar
    from edgewise.runtimes import get_runtime
    from edgewise_converter.latency.measuring.command_timer import CommandTimer
    from edgewise_converter.latency.measuring.growing_table import GrowingTable
    from edgewise_converter.latency.measuring.session import Measuring

    space, threads = get_space(arguments.space), positive_int("--threads", arguments.threads)
    runtime = timer = None
    if arguments.command is None:
        runtime = get_runtime(arguments.runtime)
        conditions = machine_info(runtime.name, runtime.version(), threads)
    else:
        timer = CommandTimer(arguments.command, arguments.timeout)
        # what this machine is does not matter: another is timed
        ours = {"cpu": None, "governor": None, "command": arguments.command}
        conditions = machine_info(_BY_COMMAND, None, threads) | ours
    table = GrowingTable.open(
        arguments.output,
        space.name,
        arguments.device_name,
        conditions,
        append=arguments.append,
    )
    archs = _architectures(arguments, table)
    wanted = table.want(archs)
    table.save()  # so that a folder that cannot be written to is known before anything is timed
    with progress_bar(not arguments.quiet, "measuring") as advance:
        file_format = arguments.format if runtime is None else runtime.format
        measuring = Measuring(table, _builder(space.name, file_format), advance)
        if runtime is not None:
            measuring.through(runtime, wanted, threads)
        elif timer is not None:
            measuring.by_command(timer, wanted, file_format)
    failed = len(measuring.failed)
    left_out = f"; {failed} failed, the same command tries them again" if failed else ""
    print(
        f"{arguments.output}: {len(archs) - failed} of {len(archs)} architectures timed on "
        f"{arguments.device_name}, {len(wanted) - failed} of them now{left_out}"
    )
    return 1 if failed else 0


def _architectures(arguments: argparse.Namespace, table: GrowingTable) -> list[str]:
    from edgewise_converter.latency.measuring.choice import draw_architectures, read_architectures

    if arguments.archs is not None:
        return read_architectures(arguments.archs, table.space)
    if arguments.count is not None:
        count = positive_int("--count", arguments.count)
        return draw_architectures(table.space, count, arguments.seed)
    if not table.archs:
        raise ArgumentError("name the architectures with --archs FILE, or draw some with --count N")
    return list(table.archs)


def _builder(space: str, file_format: str) -> Callable[[str], bytes]:
    """Makes the model file of an architecture, its weights a constant pattern."""

    def build(arch: str) -> bytes:
        # Needs torch, which takes seconds to import, and is not wanted for {arch} alone.
        from edgewise_converter.compile.reference_models import pattern_models

        return pattern_models(space, arch)[file_format].file

    return build
