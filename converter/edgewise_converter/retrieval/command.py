"""``edgewise-converter train supernet`` and ``zoo build|list``."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgewise.bundle import Bundle
from edgewise.errors import ArgumentError

if TYPE_CHECKING:
    from collections.abc import Sequence

_BASE = ("cifar_fs", "mini_imagenet")


def add_train_parser(subparsers: Any) -> None:
    """Add ``supernet`` to the subcommands of ``train``."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "supernet", help="pre-train the supernet that a zoo's networks are cut from"
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of Parquet files")
    parser.add_argument("--output", type=Path, required=True, help="file to write")
    parser.add_argument(
        "--checkpoint", type=Path, help="file that keeps the state; it is gone on from"
    )
    parser.add_argument("--steps", type=int, default=12_000, help="of the sandwich rule (12000)")
    parser.add_argument("--seed", type=int, default=0)
    parser.set_defaults(run=_train)


def add_zoo_parser(commands: Any, given: Sequence[str]) -> None:
    """Add ``zoo`` to the commands, and to it what the ``given`` command line needs."""
    zoo: argparse.ArgumentParser = commands.add_parser(
        "zoo", help="build and list zoos of pretrained networks", description="Zoos."
    )
    actions = zoo.add_subparsers(title="actions", metavar="ACTION", required=True)
    build: argparse.ArgumentParser = actions.add_parser(
        "build", help="fine-tune on every task, cut networks and score them; resumable"
    )
    build.add_argument("--data", type=Path, required=True, help="folder of Parquet files")
    build.add_argument("--supernet", type=Path, required=True, help="what `train supernet` wrote")
    build.add_argument("--output", type=Path, required=True, help="folder, one file a task")
    build.add_argument("--group", default="meta_train", help="of tasks (meta_train)")
    build.add_argument("--steps", type=int, default=100, help="of fine-tuning (100)")
    build.add_argument("--networks", type=int, default=10, help="cut from each task (10)")
    build.add_argument("--seed", type=int, default=0)
    build.add_argument("--workers", type=int, default=-1, help="jobs at a time (all cores)")
    build.add_argument("--backend", default="loky", help="loky (default), dask or ray")
    build.add_argument("--address", help="of a running cluster of dask or ray")
    build.set_defaults(run=_build)
    if "probe" in given:
        # Needs torch, which takes seconds to import.
        from edgewise_converter.retrieval.space_command import add_probe_parser

        add_probe_parser(actions)
    if "add" in given:
        from edgewise_converter.compile.zoo_add_command import add_parser

        add_parser(actions)
    if "translate" in given:
        from edgewise_converter.compile.zoo_translate_command import add_parser as add_translate

        add_translate(actions)
    listing: argparse.ArgumentParser = actions.add_parser("list", help="what a zoo holds")
    listing.add_argument("folder", type=Path)
    listing.set_defaults(run=_list)


def _train(arguments: argparse.Namespace) -> int:
    import torch
    from tqdm import tqdm

    from edgewise_converter.images.benchmarks import open_benchmark
    from edgewise_converter.retrieval.pretraining import PretrainingConfig, base_pictures, pretrain
    from edgewise_converter.retrieval.tasks import SIDE
    from edgewise_converter.retrieval.zoo_files import write_supernet

    torch.set_num_threads(1)
    config = PretrainingConfig(steps=arguments.steps, seed=arguments.seed)
    sets = [open_benchmark(name, arguments.data, size=(SIDE, SIDE)) for name in _BASE]
    with tqdm(total=config.steps, unit="step", disable=None) as bar:

        def advance(step: int, loss: float) -> None:
            bar.update(step - bar.n)
            bar.set_postfix(loss=f"{loss:.3f}")

        trained = pretrain(base_pictures(sets), config, arguments.checkpoint, advance)
    write_supernet(
        arguments.output,
        trained.supernet,
        lengths=trained.lengths,
        trained_on=[f"{each.images.name} (training classes of {each.name})" for each in sets],
        seed=arguments.seed,
        command=shlex.join(arguments.command_line),
    )
    print(f"{arguments.output}: {arguments.output.stat().st_size:,} bytes")
    return 0


def _build(arguments: argparse.Namespace) -> int:
    from edgewise_converter.retrieval.entries import FineTuning
    from edgewise_converter.retrieval.zoo_build import FolderTasks, build_zoo

    if min(arguments.steps, arguments.networks) < 1:
        raise ArgumentError("--steps and --networks must be at least 1")
    files = build_zoo(
        arguments.output,
        arguments.supernet,
        FolderTasks(arguments.data, arguments.group, arguments.seed),
        FineTuning(steps=arguments.steps, networks=arguments.networks, seed=arguments.seed),
        workers=arguments.workers,
        backend=arguments.backend,
        address=arguments.address,
    )
    print(f"{arguments.output}: {len(files)} tasks")
    return 0


def _list(arguments: argparse.Namespace) -> int:
    files = sorted(arguments.folder.glob("*.safetensors"))
    if not files:
        raise ArgumentError(
            f"{arguments.folder}: holds no zoo; build one (edgewise-converter zoo build)"
        )
    print(f"{'task':40}{'classes':>8}{'networks':>9}{'best %':>8}{'least %':>8}")
    for path in files:
        about = Bundle.open(path, kind="zoo").manifest
        found = [entry["test_accuracy"] for entry in about.get("entries", [])]
        if found:
            print(
                f"{about['task']:40}{about['classes']:>8}{len(found):>9}"
                f"{100 * max(found):>8.1f}{100 * min(found):>8.1f}"
            )
    return 0
