"""``edgewise-converter zoo probe``, ``train retrieval`` and ``evaluate retrieval``."""

from __future__ import annotations

import argparse
import json
import shlex
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from edgewise.errors import ArgumentError
from edgewise.fewshot.embedder import open_embedder as open_bundle
from edgewise.shipped import describe
from edgewise.storage import write_atomic
from edgewise_converter.fewshot.embedders import open_embedder
from edgewise_converter.retrieval.changes import PAPER, changed, judge, versions
from edgewise_converter.retrieval.contrastive import ContrastiveConfig, TrainingData, train_space
from edgewise_converter.retrieval.licences import may_ship
from edgewise_converter.retrieval.probe_zoo import Probes, probe_zoo
from edgewise_converter.retrieval.queries import TaskQueries, embed_tasks
from edgewise_converter.retrieval.space_file import read_space, write_space
from edgewise_converter.retrieval.space_scores import cross_modal_ranks, random_ranks
from edgewise_converter.retrieval.transfer import Budget
from edgewise_converter.retrieval.unseen import Peers, evaluate_unseen, nearest_means
from edgewise_converter.retrieval.unseen_table import summarise, table_lines
from edgewise_converter.retrieval.zoo_build import FolderTasks
from edgewise_converter.retrieval.zoo_table import ZooTable, load_table

_CHOSEN = changed("transfer")
"""The best of `versions` on tasks held out (docs/results/retrieval_changes.json)."""
_NEAREST = 100


def add_probe_parser(actions: Any) -> None:
    """Add ``probe`` to the actions of ``zoo``."""
    parser: argparse.ArgumentParser = actions.add_parser(
        "probe", help="try some networks of every task on all tasks; resumable"
    )
    _add_inputs(parser)
    parser.add_argument("--networks", type=int, default=2, help="of each task (2)")
    parser.add_argument("--workers", type=int, default=-1, help="jobs at a time (all cores)")
    parser.set_defaults(run=_probe)


def add_train_parser(subparsers: Any) -> None:
    """Add ``retrieval`` to the subcommands of ``train``."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "retrieval", help="meta-train the space that data sets and networks share"
    )
    _add_inputs(parser)
    _add_embedder(parser)
    parser.add_argument("--output", type=Path, required=True, help="file to write")
    parser.add_argument("--paper", action="store_true", help="the paper's version")
    parser.add_argument(
        "--may-ship",
        action="store_true",
        help="learn only from sets whose source states a permissive licence, or research sets",
    )
    parser.add_argument("--nearest", type=int, default=_NEAREST, help="ranked by accuracy (100)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the ranks here")
    parser.set_defaults(run=_train)


def add_evaluate_parser(subparsers: Any) -> None:
    """Add ``retrieval`` and ``retrieval-changes`` to the subcommands of ``evaluate``."""
    changes: argparse.ArgumentParser = subparsers.add_parser(
        "retrieval-changes", help="what each change to the paper's version gives"
    )
    _add_inputs(changes)
    _add_embedder(changes)
    changes.add_argument("--folds", type=int, default=5, help="of the tasks (5)")
    changes.add_argument("--workers", type=int, default=-1, help="folds at a time (all cores)")
    changes.add_argument("--json", type=Path, metavar="FILE", help="also write the scores here")
    changes.set_defaults(run=_changes)
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "retrieval", help="what is retrieved for unseen data sets, against what else one could take"
    )
    _add_inputs(parser)
    _add_embedder(parser)
    parser.add_argument(
        "--space", required=True, action="append", metavar="NAME=FILE", help="may be repeated"
    )
    parser.add_argument("--runs", type=Path, required=True, help="folder that keeps each result")
    parser.add_argument("--group", action="append", help="of tasks (meta_test and held_out)")
    parser.add_argument("--steps", type=int, default=Budget.steps, help="of fine-tuning (25)")
    parser.add_argument("--random", type=int, default=4, help="networks drawn for a query (4)")
    parser.add_argument("--oracle", type=int, default=30, help="networks that are all tried (30)")
    parser.add_argument("--seeds", type=int, default=3, help="queries of each data set (3)")
    parser.add_argument("--workers", type=int, default=-1, help="jobs at a time (all cores)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the scores here")
    parser.set_defaults(run=_evaluate)


def _add_inputs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, required=True, help="folder of Parquet files")
    parser.add_argument("--zoo", type=Path, required=True, help="what `zoo build` wrote")
    parser.add_argument("--probes", type=Path, required=True, help="folder of `zoo probe`")


def _add_embedder(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--embedder", default="default", help="bundle (the one that ships)")


def _probe(arguments: argparse.Namespace) -> int:
    if arguments.networks < 1:
        raise ArgumentError("--networks must be at least 1")
    table = load_table(arguments.zoo)
    found = _open_probes(arguments, table, arguments.networks, arguments.workers)
    print(
        f"{len(found.rows)} networks on {len(found.tasks)} tasks: "
        f"mean {found.accuracy.mean():.1%}, best of each {found.accuracy.max(0).mean():.1%}"
    )
    return 0


def _open_probes(
    arguments: argparse.Namespace, table: ZooTable, count: int | None = None, workers: int = 1
) -> Probes:
    tasks = FolderTasks(arguments.data, "meta_train", 0)
    return probe_zoo(arguments.probes, table, tasks, count=count, workers=workers)


def _queries(arguments: argparse.Namespace, table: ZooTable) -> list[TaskQueries]:
    tasks = {task.name: task for task in FolderTasks(arguments.data, "meta_train", 0)()}
    missing = [name for name in table.tasks if name not in tasks]
    if missing:
        raise ArgumentError(f"{arguments.zoo}: {missing[0]!r} is no meta-training task of the data")
    embedder = open_embedder(arguments.embedder)
    return embed_tasks([tasks[name] for name in table.tasks], embedder, progress=True)


def _train(arguments: argparse.Namespace) -> int:
    table = load_table(arguments.zoo)
    config = PAPER if arguments.paper else _CHOSEN
    queries = _queries(arguments, table)
    if arguments.may_ship:
        queries = [each for each in queries if may_ship(table.sets([each.task]))]
    names = [each.task for each in queries]
    probes = _open_probes(arguments, table) if config.transfer else None
    space = train_space(
        TrainingData(table, queries, probes), config, ContrastiveConfig(seed=arguments.seed)
    )
    ranks = {
        "found": cross_modal_ranks(table, queries, space),
        "random": random_ranks(table, queries),
    }
    write_space(
        arguments.output,
        space,
        embedder_dim=queries[0].train.embeddings.shape[1],
        nearest=arguments.nearest,
        embedder=describe(open_bundle(arguments.embedder))["fingerprint"],
        trained_on=table.sets(names),
        tasks=names,
        seed=arguments.seed,
        command=shlex.join(arguments.command_line),
    )
    print(f"{'':8}{'R@1 %':>8}{'R@10 %':>8}{'median rank':>13}")
    for name, each in ranks.items():
        print(
            f"{name:8}{100 * each.recall_1:>8.1f}{100 * each.recall_10:>8.1f}"
            f"{each.median_rank:>13.1f}"
        )
    _write_json(
        arguments,
        {"networks": len(table), "tasks": len(names), "space": config.to_json()}
        | {name: asdict(each) for name, each in ranks.items()},
    )
    return 0


def _changes(arguments: argparse.Namespace) -> int:
    table = load_table(arguments.zoo)
    queries, probes = _queries(arguments, table), _open_probes(arguments, table)
    found = []
    columns = ("retrieved", "average", "random", "oracle")
    print(
        f"{'version':58}{'R@1':>6}{'R@10':>6}{'nearest':>9}" + "".join(f"{c:>11}" for c in columns)
    )
    settings = {"folds": arguments.folds, "workers": arguments.workers}
    for each in judge(table, queries, probes, versions(), **settings):
        found.append(each.to_json())
        values = "".join(f"{100 * getattr(each.worth, name):>11.2f}" for name in columns)
        recalls = f"{100 * each.ranks.recall_1:>6.1f}{100 * each.ranks.recall_10:>6.1f}"
        print(f"{each.name:58}{recalls}{each.nearest:>9}{values}", flush=True)
    _write_json(arguments, {"versions": found})
    return 0


def _evaluate(arguments: argparse.Namespace) -> int:
    table = load_table(arguments.zoo)
    queries, probes = _queries(arguments, table), _open_probes(arguments, table)
    opened = {name: read_space(Path(path)) for name, path in _named(arguments.space)}
    nearest = {int(about["nearest"]) for _, about in opened.values()}
    if len(nearest) != 1:
        raise ArgumentError("the spaces differ in how many of the nearest are ranked")
    if max(arguments.oracle, arguments.random) > len(table):
        raise ArgumentError(f"{arguments.zoo}: has {len(table)} networks, too few to draw from")
    best = [np.flatnonzero(table.file == at) for at in range(len(table.files))]
    peers = Peers(
        spaces={name: space for name, (space, _) in opened.items()},
        average=int(probes.rows[np.argmax(probes.accuracy.mean(1))]),
        best=np.array([rows[np.argmax(table.accuracy[rows])] for rows in best]),
        means=nearest_means(queries),
        nearest=nearest.pop(),
        random=arguments.random,
        oracle=np.random.default_rng(13).choice(len(table), arguments.oracle, replace=False),
    )
    found: list[dict[str, Any]] = []
    for group in arguments.group or ("meta_test", "held_out"):
        tasks = FolderTasks(arguments.data, group, 0)
        found += evaluate_unseen(
            arguments.runs,
            tasks,
            table,
            peers,
            Budget(steps=arguments.steps),
            embedder=arguments.embedder,
            seeds=arguments.seeds,
            with_oracle=[task.name for task in tasks()] if group == "meta_test" else (),
            workers=arguments.workers,
        )
    for line in table_lines(found):
        print(line)
    _write_json(arguments, {"summary": summarise(found), "queries": found})
    return 0


def _named(given: Iterable[str]) -> list[tuple[str, str]]:
    found = []
    for each in given:
        name, mark, path = each.partition("=")
        if not mark:
            raise ArgumentError(f"--space is NAME=FILE, not {each!r}")
        found.append((name, path))
    return found


def _write_json(arguments: argparse.Namespace, content: dict[str, Any]) -> None:
    if arguments.json:
        content = {"command": shlex.join(arguments.command_line), **content}
        text = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
        write_atomic(arguments.json, text.encode())
