"""``compile fewshot``: from a trained embedder to the bundle that devices load."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path
from typing import Any

from edgewise_converter.compile.fewshot_bundle import (
    calibrate,
    compile_embedder,
    finish,
    write_embedder,
)
from edgewise_converter.fewshot.base_classes import open_bases
from edgewise_converter.fewshot.pretraining_run import load_embedder, set_threads
from edgewise_converter.latency.report import versions


def add_parser(subparsers: Any) -> None:
    """Add ``fewshot`` to the subcommands of ``compile``."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "fewshot",
        help="assemble an embedder bundle for few-shot classification",
        description="Chooses the finish by validation classes, compiles to TFLite and ONNX, float "
        "and 8-bit, checks each in every runtime, calibrates, and writes one bundle.",
    )
    parser.add_argument(
        "--embedder", type=Path, required=True, metavar="FILE", help="trained, or a checkpoint"
    )
    parser.add_argument(
        "--data", type=Path, required=True, metavar="DIR", help="of Parquet files and splits.json"
    )
    parser.add_argument("--cache", type=Path, metavar="DIR", help="of decoded pictures")
    parser.add_argument("--output", type=Path, required=True, metavar="FILE", help="the bundle")
    parser.add_argument("--seed", type=int, default=0, help="of the pictures for int8 ranges (0)")
    parser.add_argument("--threads", type=int, default=1, help="of PyTorch (1)")
    parser.set_defaults(run=_compile)


def _compile(arguments: argparse.Namespace) -> int:
    set_threads(arguments.threads)
    embedder, training = load_embedder(arguments.embedder)
    bases = open_bases(arguments.data, arguments.cache)
    finished, chosen = finish(embedder, bases)
    compiled = compile_embedder(finished, bases, arguments.seed)
    constants, metrics = calibrate(finished, bases)
    about = {
        "size": training["size"],
        "seed": training["config"]["seed"],
        "command": shlex.join(arguments.command_line),
        "training": {"command": training.get("command", ""), "config": training["config"]},
        "versions": versions(),
    }
    write_embedder(
        arguments.output,
        compiled,
        bases,
        constants=constants,
        metrics={"finish": chosen, "validation": metrics},
        about=about,
    )
    print(f"{arguments.output}: {arguments.output.stat().st_size:,} bytes")
    print(f"finish: {chosen['chosen']}; temperature {constants['temperature']:.2f}")
    for name, found in metrics.items():
        print(f"{name}, validation classes: {found}")
    return 0
