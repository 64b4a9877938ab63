"""What networks became on one query: each is trained once, and kept in a file for the next time."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from edgewise.bundle import Bundle
from edgewise.errors import ArgumentError
from edgewise.storage import write_atomic
from edgewise_converter.retrieval.supernet import Supernet
from edgewise_converter.retrieval.tasks import Task
from edgewise_converter.retrieval.transfer import Budget, Learnt, learn
from edgewise_converter.retrieval.zoo_files import read_network
from edgewise_converter.retrieval.zoo_table import ZooTable

_SCRATCH_TIMES = 10
_SCRATCH_RATE = 0.05


class Trials:
    """Fine-tunes networks of a zoo on one query."""

    def __init__(
        self,
        path: Path,
        task: Task,
        rows: NDArray[np.int64],
        table: ZooTable,
        budget: Budget,
        seed: int,
    ) -> None:
        """Open what is known.

        Args:
            path: of the file that keeps it; written after every training.
            task: of the query.
            rows: its pictures to learn from.
            table: of the zoo.
            budget: of every network; one from scratch gets ten times its steps.
            seed: of heads, fresh weights and draws.

        Raises:
            ArgumentError: the file was made with another budget.
        """
        self._path, self._task, self._rows = path, task, rows
        self._table, self._budget, self._seed = table, budget, seed
        self._known: dict[str, Learnt] = {}
        if path.exists():
            found = json.loads(path.read_text(encoding="utf-8"))
            if found["budget"] != asdict(budget):
                raise ArgumentError(f"{path}: was made with another budget; name another folder")
            self._known = {
                key: Learnt(tuple(run["steps"]), tuple(run["accuracy"]))
                for key, run in found["runs"].items()
            }

    def of(self, row: int, test_at: Sequence[int] = ()) -> Learnt:
        """The network of a row, fine-tuned with the short budget; tested at the end, at least."""
        table = self._table
        file, number = table.file[row], int(table.number[row])

        def network() -> nn.Module:
            return read_network(Bundle.open(table.files[file], kind="zoo"), number)

        return self._run(f"{table.tasks[file]}#{number}", network, self._budget, test_at)

    def from_scratch(self, row: int) -> Learnt:
        """The topology of a row with fresh weights, ten times the steps."""
        choice = self._table.choices[row]

        def network() -> nn.Module:
            torch.manual_seed(self._seed)
            return Supernet(2).cut(choice)

        steps = _SCRATCH_TIMES * self._budget.steps
        budget = replace(self._budget, steps=steps, rate=_SCRATCH_RATE)
        return self._run(f"from scratch: {choice}", network, budget, ())

    def _run(
        self, key: str, network: Callable[[], nn.Module], budget: Budget, test_at: Sequence[int]
    ) -> Learnt:
        known = self._known.get(key)
        if known is not None and set(test_at) <= set(known.steps):
            return known
        found = learn(network(), self._task, self._rows, budget, seed=self._seed, test_at=test_at)
        self._known[key] = found
        runs = {name: asdict(run) for name, run in self._known.items()}
        content = {"budget": asdict(self._budget), "runs": runs}
        write_atomic(self._path, json.dumps(content, ensure_ascii=False).encode())
        return found
