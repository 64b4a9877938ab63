"""A small but real zoo: two tasks told apart by colour, a supernet fine-tuned on each for a moment.

Its space is by hand: a network lies where its task's own pictures do, and the nearer a query is the
more accuracy is expected.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from edgewise.fewshot.embedder import Embedder, open_embedder
from edgewise.fewshot.pictures import resized
from edgewise.retrieval.dense import Dense, to_unit
from edgewise.retrieval.statistics import query_statistics
from edgewise.shipped import fingerprint
from edgewise_converter.compile.zoo_space import RetrievalSpace
from edgewise_converter.images.image_set import ImageSet
from edgewise_converter.retrieval.entries import FineTuning, cut_entries, fine_tune
from edgewise_converter.retrieval.supernet import Supernet
from edgewise_converter.retrieval.tasks import Task, make_task
from edgewise_converter.retrieval.zoo_build import task_file
from edgewise_converter.retrieval.zoo_files import write_task

SETTINGS = FineTuning(steps=12, batch=32, rate=0.05, networks=3)
DIM, STATISTICS = 16, ("mean", "classes")
WARM = {"tomato": (210, 40, 30), "orange": (230, 140, 20), "lemon": (235, 225, 60)}
COLD = {"sea": (20, 60, 200), "sky": (120, 180, 240), "grass": (40, 150, 50)}


@dataclass(frozen=True)
class SmallZoo:
    """Where it lies, and its tasks by name."""

    folder: Path
    space: RetrievalSpace
    tasks: dict[str, Task]

    def pictures(self, name: str, each: int = 8) -> tuple[NDArray[np.uint8], list[str]]:
        """Test pictures of a task, and their classes."""
        task = self.tasks[name]
        rows = np.sort(task.test)
        kept = np.concatenate(
            [rows[task.labels(rows) == label][:each] for label in range(len(task.classes))]
        )
        images = np.asarray(task.images.images[kept])
        return images, [task.classes[label] for label in task.labels(kept)]


def coloured(name: str, colours: dict[str, tuple[int, int, int]], seed: int) -> ImageSet:
    """Forty noisy pictures of each colour."""
    labels = np.repeat(np.arange(len(colours)), 40)
    noise = np.random.default_rng(seed).normal(0, 25, (len(labels), 32, 32, 3))
    images = np.clip(np.array([*colours.values()])[labels][:, None, None] + noise, 0, 255)
    return ImageSet(name, images.astype(np.uint8), labels, tuple(colours))


def make_zoo(folder: Path) -> SmallZoo:
    """Build it."""
    sets = [coloured("cifar100", WARM, 1), coloured("omniglot", COLD, 2)]
    tasks = [
        make_task(name, images, images.classes, 0)
        for name, images in zip(("cifar100/warm", "omniglot/cold"), sets, strict=True)
    ]
    torch.manual_seed(0)
    supernet, zoo = Supernet(3), folder / "zoo"
    zoo.mkdir()
    for task in tasks:
        tuned = fine_tune(supernet, task, SETTINGS)
        entries = list(cut_entries(tuned, task, SETTINGS))
        write_task(
            task_file(zoo, task.name), task, tuned, entries, SETTINGS, pretrained_on=["omniglot"]
        )
    return SmallZoo(zoo, by_hand(tasks), {task.name: task for task in tasks})


def by_hand(tasks: list[Task], names: tuple[str, ...] = STATISTICS) -> RetrievalSpace:
    """The space of these tasks, whose query encoder reads the statistics named."""
    bundle = open_embedder("default")
    embedder = Embedder(bundle, runtime="auto", precision=None, threads=1)
    generator = np.random.default_rng(0)

    def drawn(inputs: int, outputs: int) -> NDArray[np.float32]:
        return generator.normal(0, inputs**-0.5, (inputs, outputs)).astype(np.float32)

    def described(task: Task) -> NDArray[np.float32]:
        rows = task.train[::4]
        pictures = [
            resized(image, embedder.height, embedder.width) for image in task.images.images[rows]
        ]
        return query_statistics(embedder.embed(pictures), task.labels(rows), names)

    statistics = np.array([described(task) for task in tasks])
    # What all tasks have in common is left out, so that two of them lie far apart.
    weight = drawn(statistics.shape[1], DIM)
    query = Dense(((weight, -statistics.mean(0) @ weight),))
    places = to_unit(query(statistics))
    performance = np.zeros((3 * DIM, 1), np.float32)
    performance[2 * DIM :] = 4
    middle = np.eye(3 * DIM, dtype=np.float32)
    return RetrievalSpace(
        embedding=np.repeat(places, SETTINGS.networks, axis=0),
        entries=tuple((task.name, at) for task in tasks for at in range(SETTINGS.networks)),
        query=query,
        # The product of two directions, of either sign, past a ReLU.
        performance=Dense(
            (
                (np.concatenate([middle, -middle], axis=1), np.zeros(6 * DIM, np.float32)),
                (np.concatenate([performance, -performance]), np.zeros(1, np.float32)),
            )
        ),
        statistics=names,
        embedder={"name": bundle.name, "fingerprint": fingerprint(bundle), "dim": embedder.dim},
        nearest=4,
        temperature=10.0,
        threshold=0.2,
        about={"trained_on": ["made up"], "seed": 0, "command": "by hand", "metrics": {"R@1": 1.0}},
    )
