"""``compile fewshot``: from a trained embedder to the bundle that devices load."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgewise.errors import ArgumentError
from edgewise.storage import write_atomic
from edgewise_converter.compile.fewshot_bundle import (
    LICENCE,
    calibrate,
    compile_embedder,
    finish,
    standalone_files,
    write_embedder,
)
from edgewise_converter.compile.learner_bundle import write_learner
from edgewise_converter.compile.stock import stock_onnx, stock_tflite
from edgewise_converter.fewshot.base_classes import open_bases, photographs
from edgewise_converter.fewshot.learner_file import is_learner, load_learner
from edgewise_converter.fewshot.pretraining_run import open_weights, set_threads
from edgewise_converter.images.benchmarks import open_benchmark
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
        "--embedder",
        type=Path,
        required=True,
        metavar="FILE",
        help="a trained embedder, a checkpoint, a bundle, or a learner of `train fewshot`",
    )
    parser.add_argument(
        "--data", type=Path, required=True, metavar="DIR", help="of Parquet files and splits.json"
    )
    parser.add_argument("--cache", type=Path, metavar="DIR", help="of decoded pictures")
    parser.add_argument("--output", type=Path, required=True, metavar="FILE", help="the bundle")
    parser.add_argument(
        "--stock",
        type=Path,
        metavar="DIR",
        help="also write embedder and head in one file for each format and precision there, for "
        "apps without edgewise",
    )
    parser.add_argument("--seed", type=int, default=0, help="of the pictures for int8 ranges (0)")
    parser.add_argument("--threads", type=int, default=1, help="of PyTorch (1)")
    parser.set_defaults(run=_compile)


def _compile(arguments: argparse.Namespace) -> int:
    set_threads(arguments.threads)
    if is_learner(arguments.embedder):
        return _compile_learner(arguments)
    embedder, training = open_weights(arguments.embedder)
    bases = open_bases(arguments.data, arguments.cache, tuple(training["classes"]))
    judged = photographs(bases)
    finished, chosen = finish(embedder, judged)
    compiled = compile_embedder(finished, bases, arguments.seed)
    calibrated = calibrate(compiled.graph, judged)
    about = {
        "size": training["size"],
        "seed": arguments.seed,
        "command": shlex.join(arguments.command_line),
        "training": {
            key: training.get(key) for key in ("command", "config", "lengths", "before", "curve")
        },
        "versions": versions(),
    }
    write_embedder(
        arguments.output,
        compiled,
        bases,
        calibrated=calibrated,
        metrics={"finish": chosen},
        about=about,
    )
    if arguments.stock:
        files = standalone_files(compiled, bases, arguments.seed)
        _write_stock(arguments.stock, files, calibrated.constants["temperature"])
    print(f"{arguments.output}: {arguments.output.stat().st_size:,} bytes")
    print(f"finish: {chosen['chosen']}; {calibrated.constants}")
    for name, found in calibrated.metrics.items():
        print(f"{name}, validation classes: {found}")
    return 0


def _compile_learner(arguments: argparse.Namespace) -> int:
    if arguments.stock:
        raise ArgumentError("--stock is for the product's embedder, not for a learner")
    learner, known = load_learner(arguments.embedder)
    benchmark = open_benchmark(
        known["dataset"], arguments.data, size=learner.size, cache=arguments.cache
    )
    about = {
        "licence": LICENCE,
        "seed": known["config"]["seed"],
        "command": shlex.join(arguments.command_line),
        "training": {"command": known["command"], "config": known["config"]},
        "versions": versions(),
    }
    metrics = write_learner(
        arguments.output, learner, benchmark, trained_on=known["trained_on"], about=about
    )
    print(f"{arguments.output}: {arguments.output.stat().st_size:,} bytes")
    for head, found in metrics.items():
        print(f"{head}, validation classes: {found}")
    return 0


def _write_stock(folder: Path, files: Mapping[str, bytes], temperature: float) -> None:
    for name, file in files.items():
        precision, form = name.split(".")[1:]
        joined = (stock_tflite if form == "tflite" else stock_onnx)(file, temperature=temperature)
        path = folder / f"fewshot.{precision}.{form}"
        write_atomic(path, joined, create_parents=True)
        print(f"{path}: {len(joined):,} bytes")
