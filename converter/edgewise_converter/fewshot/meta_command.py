"""``edgewise-converter train embedder-meta``."""

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
from edgewise_converter.fewshot.embedder_meta import MetaConfig, episodic, meta_train
from edgewise_converter.fewshot.embedder_scores import Scores, written
from edgewise_converter.fewshot.methods import METHODS, Bilevel
from edgewise_converter.fewshot.options import add_bases
from edgewise_converter.fewshot.pretraining_run import (
    classes_of,
    history,
    open_weights,
    save_embedder,
    set_threads,
)
from edgewise_converter.latency.report import versions

_LOG = logging.getLogger(__name__)
_DEFAULT = MetaConfig()


def add_train_parser(subparsers: Any) -> None:
    """Add ``embedder-meta`` to the subcommands of ``train``."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "embedder-meta",
        help="meta-train the product's embedder by episodes, after its pre-training",
        description="Keeps the weights that do best on validation classes, those at first among "
        "them.",
    )
    parser.add_argument(
        "--from",
        dest="start",
        type=Path,
        required=True,
        metavar="FILE",
        help="a trained embedder, a checkpoint, or an embedder bundle",
    )
    add_bases(parser)
    parser.add_argument("--output", type=Path, required=True, metavar="FILE", help="the embedder")
    parser.add_argument("--method", choices=METHODS, default=_DEFAULT.method)
    for name, kind, text in (
        ("episodes", int, "a step of L2G takes two of them"),
        ("queries", int, "of each class"),
        ("rate", float, "learning rate at first; it falls to zero"),
        ("temperature", float, "on squared distances of directions"),
        ("validate-every", int, "episodes between two validations"),
        ("seed", int, "of the draws"),
    ):
        default = getattr(_DEFAULT, name.replace("-", "_"))
        parser.add_argument(f"--{name}", type=kind, default=default, help=f"{text} ({default})")
    settings = _DEFAULT.bilevel
    parser.add_argument("--step", type=float, default=settings.step, help=f"L2G ({settings.step})")
    parser.add_argument(
        "--weight", type=float, default=settings.weight, help=f"of the second ({settings.weight})"
    )
    parser.add_argument("--threads", type=int, default=1, help="of PyTorch (1)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the curve here")
    parser.set_defaults(run=_train)


def _train(arguments: argparse.Namespace) -> int:
    set_threads(arguments.threads)
    config = MetaConfig(
        method=arguments.method,
        episodes=arguments.episodes,
        queries=arguments.queries,
        rate=arguments.rate,
        temperature=arguments.temperature,
        bilevel=Bilevel(arguments.step, arguments.weight),
        validate_every=arguments.validate_every,
        seed=arguments.seed,
    )
    embedder, before = open_weights(arguments.start)
    bases = episodic(open_bases(arguments.data, arguments.cache, arguments.sets), config)
    curve: list[Scores] = []
    about: dict[str, Any] = {}
    for scores in meta_train(embedder, bases, config):
        curve.append(scores)
        _LOG.info(written(scores, "episode"))
        about = _about(arguments, config, curve) | {
            "classes": classes_of(bases, before),
            "before": history(before),
        }
        # The best is kept at once, so that an interrupted training leaves it behind.
        if scores.mean >= max(each.mean for each in curve):
            save_embedder(arguments.output, embedder, before["size"], about)
    if arguments.json:
        write_atomic(arguments.json, (json.dumps(about, indent=1) + "\n").encode())
    print(written(max(curve, key=lambda each: each.mean), "best at episode"))
    return 0


def _about(
    arguments: argparse.Namespace, config: MetaConfig, curve: list[Scores]
) -> dict[str, Any]:
    return {
        "command": shlex.join(arguments.command_line),
        "config": asdict(config),
        # JSON has no NaN: before the first step there is no loss.
        "curve": [asdict(each) | {"loss": each.loss if each.epoch else None} for each in curve],
        "versions": versions(),
    }
