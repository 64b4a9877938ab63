"""A whole zoo as arrays: what the model encoder is trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgewise.bundle import Bundle
from edgewise.errors import ArgumentError
from edgewise_converter.retrieval.choice import Choice, parse_choice


@dataclass(frozen=True)
class ZooTable:
    """All networks of a zoo.

    Attributes:
        files: (F,) of the tasks.
        tasks: (F,) their names.
        trained_on: (F,) sets that the networks of each file learnt from.
        file: (M,) number of the file that each network is in.
        number: (M,) of each network within its file.
        choices: (M,) what was cut.
        functional: (M, 160) float32 functional embeddings.
        accuracy: (M,) on validation pictures of the network's own task, between 0 and 1.
        parameters: (M,) of the networks, heads left out.
    """

    files: tuple[Path, ...]
    tasks: tuple[str, ...]
    trained_on: tuple[tuple[str, ...], ...]
    file: NDArray[np.int64]
    number: NDArray[np.int64]
    choices: tuple[Choice, ...]
    functional: NDArray[np.float32]
    accuracy: NDArray[np.float64]
    parameters: NDArray[np.int64]

    def __len__(self) -> int:
        """How many networks."""
        return len(self.choices)

    def rows(self, tasks: Sequence[str]) -> NDArray[np.int64]:
        """The networks that were trained on these tasks."""
        wanted = [self.tasks.index(name) for name in tasks]
        return np.flatnonzero(np.isin(self.file, wanted))

    def sets(self, tasks: Sequence[str]) -> list[str]:
        """The sets that the networks of these tasks learnt from."""
        found = [self.trained_on[self.tasks.index(name)] for name in tasks]
        return list(dict.fromkeys(name for each in found for name in each))


def load_table(folder: Path) -> ZooTable:
    """Read the networks of all files of a folder, but not their weights.

    Raises:
        ArgumentError: no file of a task is there.
        BundleError: one is damaged.
    """
    bundles = [Bundle.open(path, kind="zoo") for path in sorted(folder.glob("*.safetensors"))]
    bundles = [bundle for bundle in bundles if bundle.manifest.get("entries")]
    if not bundles:
        raise ArgumentError(f"{folder}: holds no zoo; build one (edgewise-converter zoo build)")
    listed = [bundle.manifest["entries"] for bundle in bundles]
    entries = [entry for each in listed for entry in each]
    counts = [len(each) for each in listed]
    return ZooTable(
        files=tuple(Path(bundle.path) for bundle in bundles),
        tasks=tuple(str(bundle.manifest["task"]) for bundle in bundles),
        trained_on=tuple(tuple(bundle.manifest["trained_on"]) for bundle in bundles),
        file=np.repeat(np.arange(len(bundles)), counts),
        number=np.concatenate([np.arange(count) for count in counts]),
        choices=tuple(parse_choice(entry["arch"]) for entry in entries),
        functional=np.concatenate([np.array(bundle.tensor("embedding")) for bundle in bundles]),
        accuracy=np.array([entry["validation_accuracy"] for entry in entries]),
        parameters=np.array([entry["parameters"] for entry in entries]),
    )
