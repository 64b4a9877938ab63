"""``edgewise-converter train fewshot``."""

from __future__ import annotations

import argparse
import json
import logging
import shlex
from dataclasses import asdict
from pathlib import Path
from typing import Any

from edgewise.storage import write_atomic
from edgewise_converter.fewshot.allocation import keep_freed_memory
from edgewise_converter.fewshot.learner import LEARNERS
from edgewise_converter.fewshot.learner_file import load_learner, save_learner
from edgewise_converter.fewshot.methods import METHODS, Bilevel
from edgewise_converter.fewshot.options import whole_numbers
from edgewise_converter.fewshot.relation import RELATION_LOSSES
from edgewise_converter.fewshot.training import TrainingConfig, Validation
from edgewise_converter.fewshot.training_run import Run, train
from edgewise_converter.images.benchmarks import open_benchmark
from edgewise_converter.latency.report import versions

_LOG = logging.getLogger(__name__)
_DEFAULT = TrainingConfig()


def add_train_parser(subparsers: Any) -> None:
    """Add ``fewshot`` to the subcommands of ``train``."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "fewshot",
        help="meta-train a few-shot learner by episodes",
        description="Trains ProtoNet or RelationNet over Conv4, plain or bilevel (L2G).",
    )
    add_data(parser)
    parser.add_argument("--learner", choices=LEARNERS, default=_DEFAULT.learner)
    parser.add_argument("--method", choices=METHODS, default=_DEFAULT.method)
    parser.add_argument("--output", type=Path, required=True, metavar="FILE", help="the learner")
    parser.add_argument(
        "--start", type=Path, metavar="FILE", help="a trained learner to start from"
    )
    number = _adder(parser)
    number("episodes", int, "training episodes; a step of L2G takes two of them")
    number("ways", int, "classes of an episode")
    number("queries", int, "queries of each class")
    number("rate", float, "learning rate at first; it falls to zero")
    number("temperature", float, "protonet: factor on squared distances")
    number("width", int, "filters of every convolution")
    number("validate-every", int, "episodes between two validations")
    number("seed", int, "of initial weights and draws")
    parser.add_argument(
        "--shots",
        type=whole_numbers,
        default=_DEFAULT.shots,
        metavar="K,…",
        help="numbers of labelled images, all trained for at once (1,5)",
    )
    parser.add_argument(
        "--relation-loss",
        choices=RELATION_LOSSES,
        default=_DEFAULT.relation_loss,
        help="relationnet: squared error of its paper, or softmax, which learns faster (squared)",
    )
    settings = _DEFAULT.bilevel
    parser.add_argument(
        "--step", type=float, default=settings.step, help=f"L2G: its step ({settings.step})"
    )
    parser.add_argument(
        "--weight",
        type=float,
        default=settings.weight,
        help=f"of the second episode's loss ({settings.weight})",
    )
    parser.add_argument("--steps", type=int, default=settings.steps, help="L2G: how many steps (1)")
    parser.add_argument(
        "--any-classes",
        action="store_true",
        help="let the second episode have classes of the first",
    )
    parser.add_argument(
        "--bfloat16", action="store_true", help="where no second derivative is taken"
    )
    parser.add_argument("--threads", type=int, default=1, help="of PyTorch (1)")
    parser.add_argument(
        "--checkpoints", type=Path, metavar="DIR", help="keeps its state there, and goes on from it"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the curve here")
    parser.set_defaults(run=_train)


def add_data(parser: argparse.ArgumentParser) -> None:
    """Add the options that name a benchmark."""
    parser.add_argument(
        "--dataset",
        required=True,
        help="cifar_fs, fc100, mini_imagenet, omniglot_by_alphabet or tiered_imagenet",
    )
    parser.add_argument(
        "--data",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder of the Parquet files and splits.json, or of the data set's own layout",
    )
    parser.add_argument(
        "--size", type=int, metavar="PIXELS", help="resize pictures to so many a side"
    )
    parser.add_argument("--cache", type=Path, metavar="DIR", help="of decoded pictures")


def _adder(parser: argparse.ArgumentParser) -> Any:
    def add(name: str, kind: type, text: str) -> None:
        default = getattr(_DEFAULT, name.replace("-", "_"))
        parser.add_argument(f"--{name}", type=kind, default=default, help=f"{text} ({default})")

    return add


def _train(arguments: argparse.Namespace) -> int:
    import torch

    torch.set_num_threads(arguments.threads)
    keep_freed_memory()
    size = (arguments.size, arguments.size) if arguments.size else None
    benchmark = open_benchmark(arguments.dataset, arguments.data, size=size, cache=arguments.cache)
    config = TrainingConfig(
        learner=arguments.learner,
        method=arguments.method,
        episodes=arguments.episodes,
        ways=arguments.ways,
        shots=arguments.shots,
        queries=arguments.queries,
        rate=arguments.rate,
        temperature=arguments.temperature,
        relation_loss=arguments.relation_loss,
        bilevel=Bilevel(arguments.step, arguments.weight, arguments.steps),
        disjoint=not arguments.any_classes,
        width=arguments.width,
        validate_every=arguments.validate_every,
        low=arguments.bfloat16,
        seed=arguments.seed,
    )
    start, before = load_learner(arguments.start) if arguments.start else (None, {})
    run = train(benchmark, config, arguments.checkpoints, _tell, start)
    about = _about(arguments, config, run)
    source = benchmark.images.name
    trained_on = {f"{source}/{name}" for name in benchmark.split.train}
    trained_on.update(before.get("trained_on", []))
    save_learner(arguments.output, run.learner, sorted(trained_on), about)
    if arguments.json:
        write_atomic(arguments.json, (json.dumps(about, indent=1) + "\n").encode())
    print(f"best at episode {run.best.episode}: {_written(run.best)}")
    return 0


def _about(arguments: argparse.Namespace, config: TrainingConfig, run: Run) -> dict[str, Any]:
    return {
        "command": shlex.join(arguments.command_line),
        "dataset": arguments.dataset,
        "config": asdict(config),
        "best": asdict(run.best),
        "seconds": run.curve[-1].seconds,
        "curve": [asdict(each) for each in run.curve],
        "versions": versions(),
    }


def _tell(validation: Validation) -> None:
    _LOG.info(
        "episode %d, %.0f s, loss %.4f: %s",
        validation.episode,
        validation.seconds,
        validation.loss,
        _written(validation),
    )


def _written(validation: Validation) -> str:
    return ", ".join(f"{shots}-shot {value:.2f} %" for shots, value in validation.accuracy.items())
