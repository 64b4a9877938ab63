"""``edgewise-converter train embedder``."""

from __future__ import annotations

import argparse
import json
import logging
import shlex
from dataclasses import asdict
from pathlib import Path
from typing import Any

from edgewise.storage import write_atomic
from edgewise_converter.fewshot.base_classes import open_bases
from edgewise_converter.fewshot.embedder import SIZES
from edgewise_converter.fewshot.embedder_scores import Scores, written
from edgewise_converter.fewshot.options import add_bases, whole_numbers
from edgewise_converter.fewshot.pretraining import PretrainingConfig
from edgewise_converter.fewshot.pretraining_run import (
    open_weights,
    pretrain,
    save_embedder,
    set_threads,
)
from edgewise_converter.latency.report import versions

_LOG = logging.getLogger(__name__)
_DEFAULT = PretrainingConfig()


def add_train_parser(subparsers: Any) -> None:
    """Add ``embedder`` to the subcommands of ``train``."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "embedder",
        help="pre-train the product's embedder",
        description="Pre-trains on base classes of photographs and of drawn characters together.",
    )
    add_bases(parser)
    parser.add_argument("--size", choices=SIZES, default=_DEFAULT.size)
    parser.add_argument(
        "--from",
        dest="start",
        type=Path,
        metavar="FILE",
        help="begin with the weights of a trained embedder, a checkpoint or an embedder bundle",
    )
    parser.add_argument("--output", type=Path, required=True, metavar="FILE", help="the embedder")
    _number(parser, "epochs", int, "passes over the set that is through first")
    _number(parser, "batch", int, "pictures of a step")
    parser.add_argument(
        "--shares",
        type=whole_numbers,
        default=_DEFAULT.shares,
        metavar="N,…",
        help="of each set in a batch (alike)",
    )
    _number(parser, "rate", float, "highest learning rate")
    _number(parser, "decay", float, "weight decay")
    _number(parser, "smoothing", float, "of labels")
    _number(parser, "side", int, "height and width of the pictures; 0: they grow on the way")
    _number(parser, "validate-every", int, "epochs between two validations")
    _number(parser, "seed", int, "of initial weights and draws")
    parser.add_argument("--threads", type=int, default=1, help="of PyTorch (1)")
    parser.add_argument(
        "--checkpoint", type=Path, metavar="FILE", help="keeps its state there, and goes on from it"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the curve here")
    parser.set_defaults(run=_train)


def _number(parser: argparse.ArgumentParser, name: str, kind: type, text: str) -> None:
    default = getattr(_DEFAULT, name.replace("-", "_"))
    parser.add_argument(f"--{name}", type=kind, default=default, help=f"{text} ({default})")


def _train(arguments: argparse.Namespace) -> int:
    set_threads(arguments.threads)
    config = PretrainingConfig(
        size=arguments.size,
        epochs=arguments.epochs,
        batch=arguments.batch,
        shares=arguments.shares,
        rate=arguments.rate,
        decay=arguments.decay,
        smoothing=arguments.smoothing,
        side=arguments.side,
        validate_every=arguments.validate_every,
        seed=arguments.seed,
    )
    bases = open_bases(arguments.data, arguments.cache, arguments.sets)
    start = open_weights(arguments.start) if arguments.start else None
    found = pretrain(bases, config, arguments.checkpoint, _tell, start=start)
    about = {
        "command": shlex.join(arguments.command_line),
        "config": asdict(config),
        **found.begun,
        "lengths": found.lengths,
        "seconds": found.curve[-1].seconds,
        "curve": [asdict(each) for each in found.curve],
        "versions": versions(),
    }
    save_embedder(arguments.output, found.embedder, arguments.size, about)
    if arguments.json:
        write_atomic(arguments.json, (json.dumps(about, indent=1) + "\n").encode())
    print(written(found.curve[-1]))
    return 0


def _tell(scores: Scores) -> None:
    _LOG.info(written(scores))
