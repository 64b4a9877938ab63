"""``zoo translate``: a zoo for devices that have another embedder than the one it was made with."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path
from typing import Any

from edgewise.errors import ArgumentError
from edgewise.fewshot.embedder import open_embedder
from edgewise.retrieval.zoo_file import open_zoo
from edgewise_converter.compile.zoo_translate import translate_zoo
from edgewise_converter.retrieval.licences import may_ship
from edgewise_converter.retrieval.zoo_build import FolderTasks


def add_parser(actions: Any) -> None:
    """Add ``translate`` to the actions of ``zoo``."""
    parser: argparse.ArgumentParser = actions.add_parser(
        "translate",
        help="a zoo's bundle for devices with another embedder",
        description="Lets a zoo's query encoder read another embedder, by a linear map between "
        "what the two say of pictures of meta-training tasks. Nothing of the zoo is trained.",
    )
    parser.add_argument("zoo", type=Path, help="the bundle")
    parser.add_argument("--from", dest="before", required=True, help="embedder it was made with")
    parser.add_argument("--embedder", default="default", help="the other one (that which ships)")
    parser.add_argument("--data", type=Path, required=True, help="folder of Parquet files")
    parser.add_argument("--seed", type=int, default=0, help="of the tasks")
    parser.add_argument(
        "--any-licence", action="store_true", help="use pictures of all meta-training tasks"
    )
    parser.add_argument("--output", type=Path, required=True, help="the bundle to write")
    parser.set_defaults(run=_translate)


def _translate(arguments: argparse.Namespace) -> int:
    tasks = FolderTasks(arguments.data, "meta_train", arguments.seed)()
    if not arguments.any_licence:
        tasks = [task for task in tasks if may_ship([task.images.name])]
    if not tasks:
        raise ArgumentError(f"{arguments.data}: has no task that may be used; see --any-licence")
    about = translate_zoo(
        open_zoo(arguments.zoo),
        tasks,
        before=open_embedder(arguments.before),
        after=open_embedder(arguments.embedder),
        command=shlex.join(arguments.command_line),
        output=arguments.output,
    )
    print(
        f"{arguments.output}: held-out queries of {about['tasks']} tasks have a cosine of "
        f"{about['mean_cosine']:.3f} with what they were (at least {about['least_cosine']:.3f}); "
        f"{about['same_first']:.1%} find the same network first; what is found is expected to be "
        f"right {about['expected_lost']:.2%} less often"
    )
    return 0
