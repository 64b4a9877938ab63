"""What some networks of every task of a zoo are worth on all tasks; resumable, a file a task."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import joblib
import numpy as np
import torch
from numpy.typing import NDArray

from edgewise.bundle import Bundle, write_bundle
from edgewise.errors import ArgumentError, BundleError
from edgewise_converter.retrieval.probes import probe, probe_set
from edgewise_converter.retrieval.zoo_build import Tasks, task_file
from edgewise_converter.retrieval.zoo_files import read_network
from edgewise_converter.retrieval.zoo_table import ZooTable

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Probes:
    """What networks are worth on tasks.

    Attributes:
        rows: (P,) networks of the zoo's table.
        tasks: (T,) names.
        accuracy: (P, T) between 0 and 1.
    """

    rows: NDArray[np.int64]
    tasks: tuple[str, ...]
    accuracy: NDArray[np.float64]

    def of(self, tasks: Sequence[str]) -> NDArray[np.float64]:
        """(P, len(tasks)) columns of these tasks.

        Raises:
            ArgumentError: one was not probed.
        """
        missing = [name for name in tasks if name not in self.tasks]
        if missing:
            raise ArgumentError(f"task {missing[0]!r} was not probed; probe the zoo again")
        return self.accuracy[:, [self.tasks.index(name) for name in tasks]]


def chosen_networks(table: ZooTable, file: int, count: int) -> NDArray[np.int64]:
    """Networks of a task to probe: the best one on it, then those that follow in the file."""
    own = np.flatnonzero(table.file == file)
    best = own[np.argmax(table.accuracy[own])]
    others = own[own != best]
    return np.concatenate([[best], others])[:count]


def probe_zoo(
    folder: Path, table: ZooTable, tasks: Tasks, *, count: int | None = 2, workers: int = -1
) -> Probes:
    """Probe some networks of every task on all tasks.

    Args:
        folder: of the files that keep what was found; a task whose file is there is not done again.
        table: of the zoo.
        tasks: to probe on.
        count: networks of each file; None: probe nothing, read what is there.
        workers: jobs at a time; -1: as many as there are cores.

    Raises:
        ArgumentError: nothing is to be probed, and a file is missing.
        BundleError: a file is damaged, or is of other tasks or networks.
    """
    folder.mkdir(parents=True, exist_ok=True)
    names = tuple(task.name for task in tasks())
    missing = [at for at, name in enumerate(table.tasks) if not task_file(folder, name).exists()]
    _LOG.info("%d of %d tasks are to be probed", len(missing), len(table.tasks))
    if count is not None:
        jobs = (joblib.delayed(_probe_file)(folder, table, at, tasks, count) for at in missing)
        joblib.Parallel(n_jobs=workers)(jobs)
    elif missing:
        raise ArgumentError(
            f"{folder}: {table.tasks[missing[0]]!r} is not probed (edgewise-converter zoo probe)"
        )
    rows, found = [], []
    for at, name in enumerate(table.tasks):
        path = task_file(folder, name)
        bundle = Bundle.open(path, kind="zoo")
        own = np.flatnonzero(table.file == at)[np.array(bundle.tensor("network"))]
        if tuple(bundle.manifest.get("probed", ())) != names or len(own) != (count or len(own)):
            raise BundleError(f"{path}: is of other tasks or networks; delete it and probe again")
        rows.append(own)
        found.append(np.array(bundle.tensor("accuracy")))
    return Probes(np.concatenate(rows), names, np.concatenate(found))


def _probe_file(folder: Path, table: ZooTable, file: int, tasks: Tasks, count: int) -> None:
    torch.set_num_threads(1)
    sets = [probe_set(task) for task in tasks()]
    names = [task.name for task in tasks()]
    numbers = table.number[chosen_networks(table, file, count)]
    bundle = Bundle.open(table.files[file], kind="zoo")
    found = [probe(read_network(bundle, int(number)), sets) for number in numbers]
    write_bundle(
        task_file(folder, table.tasks[file]),
        kind="zoo",
        name=f"probes of {table.tasks[file]}",
        manifest={"probed": names},
        tensors={"network": numbers, "accuracy": np.array(found)},
    )
    _LOG.info("%s: probed", table.tasks[file])
