"""``edgewise-converter train embedder-mean``."""

from __future__ import annotations

import argparse
import json
import shlex
from pathlib import Path
from typing import Any

from edgewise.storage import write_atomic
from edgewise_converter.fewshot.base_classes import open_bases, validating
from edgewise_converter.fewshot.embedder_mean import mean_of
from edgewise_converter.fewshot.embedder_scores import in_words, validate
from edgewise_converter.fewshot.options import add_bases
from edgewise_converter.fewshot.pretraining_run import (
    classes_of,
    history,
    open_weights,
    save_embedder,
    set_threads,
)
from edgewise_converter.latency.report import versions


def add_train_parser(subparsers: Any) -> None:
    """Add ``embedder-mean`` to the subcommands of ``train``."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "embedder-mean",
        help="average the weights of two embedders that began as one",
        description="Averages the weights of two embedders that were trained on from the same "
        "one, which is often better than either, and scores the mean on validation classes.",
    )
    parser.add_argument("--of", type=Path, nargs=2, required=True, metavar="FILE", help="the two")
    parser.add_argument(
        "--share",
        type=float,
        default=0.5,
        help="of the second; choose it by the validation scores (0.5)",
    )
    add_bases(parser)
    parser.add_argument("--output", type=Path, required=True, metavar="FILE", help="the embedder")
    parser.add_argument("--threads", type=int, default=1, help="of PyTorch (1)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the scores here")
    parser.set_defaults(run=_average)


def _average(arguments: argparse.Namespace) -> int:
    set_threads(arguments.threads)
    (first, before), (second, beside) = (open_weights(path) for path in arguments.of)
    embedder = mean_of(first, second, arguments.share)
    benchmarks = validating(open_bases(arguments.data, arguments.cache, arguments.sets))
    accuracy = validate(embedder, benchmarks, low=True)
    about = {
        "command": shlex.join(arguments.command_line),
        "config": {"share": arguments.share},
        "classes": classes_of([], before, beside),
        "before": [history(before), history(beside)],
        "curve": [{"accuracy": accuracy}],
        "versions": versions(),
    }
    save_embedder(arguments.output, embedder, before["size"], about)
    if arguments.json:
        write_atomic(arguments.json, (json.dumps(about, indent=1) + "\n").encode())
    print(f"share {arguments.share:g}: {in_words(accuracy)}")
    return 0
