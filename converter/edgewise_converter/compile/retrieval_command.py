"""``compile retrieval``: from task files and a space to the bundle that devices load."""

from __future__ import annotations

import argparse
import dataclasses
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from edgewise.arguments import positive_int
from edgewise.errors import ArgumentError
from edgewise.fewshot.embedder import open_embedder
from edgewise_converter.compile.zoo_bundle import Chosen, compile_zoo, named_entries, write_zoo
from edgewise_converter.compile.zoo_space import RetrievalSpace, retrieval_space
from edgewise_converter.fewshot.embedders import open_embedder as open_for_queries
from edgewise_converter.latency.report import versions
from edgewise_converter.retrieval.head_calibration import calibrate_heads
from edgewise_converter.retrieval.licences import may_ship
from edgewise_converter.retrieval.queries import embed_tasks
from edgewise_converter.retrieval.selection import select_rows
from edgewise_converter.retrieval.space_file import read_space
from edgewise_converter.retrieval.tasks import Task
from edgewise_converter.retrieval.zoo_build import FolderTasks
from edgewise_converter.retrieval.zoo_table import ZooTable, load_table


def add_parser(subparsers: Any) -> None:
    """Add ``retrieval`` to the subcommands of ``compile``."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "retrieval",
        help="assemble a zoo's bundle of pretrained networks",
        description="Compiles networks of a zoo with 8-bit weights, checks each in every runtime, "
        "and writes them with the space that finds them.",
    )
    parser.add_argument("--zoo", type=Path, required=True, help="folder that `zoo build` wrote")
    parser.add_argument("--space", type=Path, required=True, help="what `train retrieval` wrote")
    parser.add_argument("--embedder", default="default", help="bundle (the one that ships)")
    parser.add_argument(
        "--entries",
        required=True,
        help="how many, those that together serve best (with --data), or a file of names",
    )
    parser.add_argument("--output", type=Path, required=True, help="the bundle")
    parser.add_argument("--name", default="zoo", help="of the zoo (zoo)")
    parser.add_argument(
        "--data", type=Path, help="folder of Parquet files: also measure what 8-bit weights cost"
    )
    parser.add_argument("--group", default="meta_train", help="of the tasks in --data")
    parser.add_argument("--seed", type=int, default=0, help="of the tasks in --data")
    parser.add_argument(
        "--temperature",
        type=float,
        help="of classifiers on the networks (set on validation classes of --data; else 10)",
    )
    parser.add_argument(
        "--threshold",
        type=float,
        help="cosine below which a class is unknown (set on the same; else -1: none is)",
    )
    parser.add_argument(
        "--any-licence", action="store_true", help="take networks that may not ship, too"
    )
    parser.set_defaults(run=_compile)


def _compile(arguments: argparse.Namespace) -> int:
    torch.set_num_threads(1)
    table = load_table(arguments.zoo)
    space = retrieval_space(
        arguments.space,
        table,
        open_embedder(arguments.embedder),
    )
    if not arguments.any_licence and not may_ship(space.about.get("trained_on", ())):
        raise ArgumentError(
            f"{arguments.space}: learnt from sets whose source states no permissive licence; train "
            "it with --may-ship, or pass --any-licence for a zoo of your own"
        )
    tasks = None if arguments.data is None else _tasks(arguments)
    chosen = _choose(arguments, table, space, tasks)
    space = _with_head(arguments, table, space, chosen)
    with tqdm(total=len(chosen), unit="network", disable=None) as bar:
        entries = compile_zoo(
            arguments.zoo,
            chosen,
            any_licence=arguments.any_licence,
            tasks=tasks,
            progress=lambda: bar.update(),
        )
    metrics = write_zoo(
        arguments.output,
        arguments.name,
        entries,
        space,
        chosen,
        seed=arguments.seed,
        command=shlex.join(arguments.command_line),
        versions=versions(),
    )
    print(f"{arguments.output}: {len(entries)} networks, {arguments.output.stat().st_size:,} bytes")
    if "int8" in metrics:
        print(f"lost by 8-bit weights: {metrics['int8']}")
    return 0


def _with_head(
    arguments: argparse.Namespace, table: ZooTable, space: RetrievalSpace, chosen: Chosen
) -> RetrievalSpace:
    """The constants of classifiers on the networks: those given, else set by pictures."""
    given = {
        key: value
        for key in ("temperature", "threshold")
        if (value := getattr(arguments, key)) is not None
    }
    if arguments.data is None or len(given) == 2:
        return dataclasses.replace(space, **given)
    place = {entry: row for row, entry in enumerate(space.entries)}
    found = calibrate_heads(
        table,
        [place[entry] for entry in chosen],
        read_space(arguments.space)[0],
        FolderTasks(arguments.data, "validation", arguments.seed)(),
        open_for_queries(arguments.embedder),
    )
    print(
        f"classifiers: temperature {found.temperature:.1f}, threshold {found.threshold:.2f} (on "
        f"validation classes: calibration error {found.calibration_error:.3f}, "
        f"AUROC {found.auroc:.3f})"
    )
    metrics = {**space.about.get("metrics", {}), "classifier": dataclasses.asdict(found)}
    constants = {"temperature": found.temperature, "threshold": found.threshold} | given
    return dataclasses.replace(space, about={**space.about, "metrics": metrics}, **constants)


def _tasks(arguments: argparse.Namespace) -> dict[str, Task]:
    load = FolderTasks(arguments.data, arguments.group, arguments.seed)
    return {task.name: task for task in load()}


def _choose(
    arguments: argparse.Namespace,
    table: ZooTable,
    space: RetrievalSpace,
    tasks: dict[str, Task] | None,
) -> Chosen:
    if not arguments.entries.isdigit():
        return named_entries(space, Path(arguments.entries))
    count = positive_int("--entries", int(arguments.entries))
    if tasks is None:
        raise ArgumentError("choosing so many networks takes pictures of their tasks: give --data")
    if not arguments.any_licence:
        table = _shippable(table)
    missing = [name for name in table.tasks if name not in tasks]
    if missing:
        raise ArgumentError(f"{arguments.data}: has no task {missing[0]!r} in {arguments.group}")
    wanted = [tasks[table.tasks[file]] for file in np.unique(table.file)]
    queries = embed_tasks(wanted, open_for_queries(arguments.embedder), progress=True)
    rows = select_rows(table, queries, read_space(arguments.space)[0], count)
    return [(table.tasks[table.file[row]], int(table.number[row])) for row in rows]


def _shippable(table: ZooTable) -> ZooTable:
    """The networks that may ship with the package."""
    kept = [number for number, trained_on in enumerate(table.trained_on) if may_ship(trained_on)]
    rows = np.flatnonzero(np.isin(table.file, kept))
    if not len(rows):
        raise ArgumentError("no network of the zoo may ship; see --any-licence")
    return dataclasses.replace(
        table,
        file=table.file[rows],
        number=table.number[rows],
        choices=tuple(table.choices[row] for row in rows),
        functional=table.functional[rows],
        accuracy=table.accuracy[rows],
        parameters=table.parameters[rows],
    )
