"""Building a zoo: one job a task, on all cores of this machine or on a cluster; resumable."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import joblib
import torch

from edgewise.bundle import Bundle
from edgewise.errors import ArgumentError, BundleError
from edgewise_converter.retrieval.entries import FineTuning, cut_entries, fine_tune
from edgewise_converter.retrieval.tasks import Task, load_tasks
from edgewise_converter.retrieval.zoo_files import read_supernet, write_task

_LOG = logging.getLogger(__name__)

BACKENDS = ("loky", "dask", "ray")

_PACKAGES = {"dask": "'dask[distributed]'", "ray": "ray"}
_CLUSTER_ANSWERS_S = 20

Tasks = Callable[[], Sequence[Task]]
"""Gives the tasks; called by each job anew, since pictures are mapped and not sent around."""


def task_file(folder: Path, task: str) -> Path:
    """Where the file of a task lies."""
    return folder / f"{task.replace('/', '--')}.safetensors"


def build_zoo(
    folder: Path,
    supernet: Path,
    tasks: Tasks,
    settings: FineTuning,
    *,
    workers: int = -1,
    backend: str = "loky",
    address: str | None = None,
) -> list[Path]:
    """Fine-tune, cut and score for every task whose file is not there yet.

    Args:
        folder: of the tasks' files.
        supernet: file of the pre-trained supernet; jobs read it themselves.
        tasks: of the zoo.
        settings: of every task.
        workers: jobs at a time; -1: as many as there are cores.
        backend: `loky`, processes of this machine; `dask` or `ray`, a cluster.
        address: of the cluster; without it, one is started on this machine.

    Returns:
        The files of all tasks.

    Raises:
        ArgumentError: an unknown backend, or one whose package is missing; a file there that was
            made with other settings.
        BundleError: the supernet's file, or that of a task, is damaged.
    """
    read_supernet(supernet)  # says what is wrong with it before anything is begun
    folder.mkdir(parents=True, exist_ok=True)
    names = [task.name for task in tasks()]
    missing = [name for name in names if not _is_there(task_file(folder, name), settings)]
    _LOG.info("%d of %d tasks are to be done", len(missing), len(names))
    with _backend(backend, address, workers):
        jobs = (
            joblib.delayed(build_task)(folder, supernet, tasks, name, settings) for name in missing
        )
        joblib.Parallel(n_jobs=workers, verbose=0)(jobs)
    return [task_file(folder, name) for name in names]


def build_task(folder: Path, supernet: Path, tasks: Tasks, name: str, settings: FineTuning) -> None:
    """One job: fine-tune, cut, score, write."""
    torch.set_num_threads(1)
    (task,) = (task for task in tasks() if task.name == name)
    pretrained = Bundle.open(supernet, kind="zoo")
    tuned = fine_tune(read_supernet(pretrained), task, settings)
    entries = list(cut_entries(tuned, task, settings))
    write_task(
        task_file(folder, name),
        task,
        tuned,
        entries,
        settings,
        pretrained_on=pretrained.manifest.get("trained_on", []),
    )
    best = max(entry.accuracy[0] for entry in entries)
    _LOG.info("%s: %d networks, the best %.1f %%", name, len(entries), 100 * best)


class FolderTasks:
    """The tasks of a group of a folder; can be sent to another process."""

    def __init__(self, folder: Path, group: str, seed: int, cache: Path | None = None) -> None:
        """See ``load_tasks``."""
        self._arguments: dict[str, Any] = {"seed": seed, "cache": cache}
        self._folder, self._group = folder, group
        self._loaded: list[Task] | None = None

    def __call__(self) -> list[Task]:
        """Load them, once a process."""
        if self._loaded is None:
            self._loaded = load_tasks(self._folder, self._group, **self._arguments)
        return self._loaded

    def __getstate__(self) -> dict[str, Any]:
        """Without the pictures."""
        return self.__dict__ | {"_loaded": None}


def _is_there(path: Path, settings: FineTuning) -> bool:
    if not path.exists():
        return False
    try:
        made = Bundle.open(path, kind="zoo").manifest.get("settings")
    except BundleError as error:
        raise BundleError(f"{error}; delete it and build again") from error
    if made != asdict(settings):
        raise ArgumentError(f"{path}: was made with other settings; name another folder")
    return True


@contextmanager
def _backend(name: str, address: str | None, workers: int) -> Iterator[None]:
    """Joblib's backend while the jobs run; a cluster that was started here is stopped after."""
    if name not in BACKENDS:
        raise ArgumentError(f"unknown backend {name!r}; known are {', '.join(BACKENDS)}")
    if name == "loky":
        yield
        return
    try:
        opened = _dask(address, workers) if name == "dask" else _ray(address)
    except ImportError as error:
        raise ArgumentError(
            f"backend {name!r} needs a package: pip install {_PACKAGES[name]}"
        ) from error
    except OSError as error:
        raise ArgumentError(f"no {name} cluster answers at {address} ({error})") from error
    try:
        with joblib.parallel_config(backend=name):
            yield
    finally:
        opened()


def _dask(address: str | None, workers: int) -> Any:
    """Connect to a Dask cluster, or start one of processes here; gives what ends that."""
    import distributed

    open_client: Callable[..., Any] = distributed.Client
    if address is not None:
        return open_client(address, timeout=_CLUSTER_ANSWERS_S).close
    count = workers if workers > 0 else joblib.cpu_count()
    client = open_client(n_workers=count, threads_per_worker=1, dashboard_address=None)
    return client.shutdown


def _ray(address: str | None) -> Any:
    import ray
    from ray.util.joblib import register_ray

    ray.init(address=address)
    register_ray()
    return ray.shutdown
