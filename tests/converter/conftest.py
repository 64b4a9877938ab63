"""A small made-up world: devices whose latency is a known sum over operations."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from edgewise.spaces import get_space
from edgewise_converter.compile.zoo_bundle import compile_zoo, write_zoo
from edgewise_converter.latency.encodings.nasbench201 import operation_counts
from edgewise_converter.latency.tables import LatencyTable

from .small_zoo import SmallZoo, make_zoo
from .zoo_data import write_data

DEVICES = ("gpu_1", "gpu_2", "cpu_a", "cpu_b", "phone_a", "phone_b", "board", "chip")
POOL, QUERY = 120, 80


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def table() -> LatencyTable:
    """400 architectures on eight devices: operation costs, an intercept, 1 % of noise."""
    space = get_space("nasbench201")
    generator = np.random.default_rng(5)
    archs = tuple(generator.permutation(space.architectures())[:400].tolist())
    counts = operation_counts(space.encode(archs))
    base = np.array([0.1, 1.0, 2.5, 0.6])
    rows = []
    for scale in np.geomspace(0.5, 4.0, len(DEVICES)):
        costs = base * generator.uniform(0.6, 1.6, len(base))
        rows.append(scale * (1.0 + counts @ costs) * generator.normal(1.0, 0.01, len(archs)))
    reference = np.arange(10, dtype=np.int64)
    return LatencyTable("made up", "nasbench201", archs, DEVICES, np.array(rows), reference)


@pytest.fixture
def write_table(tmp_path: Path) -> Callable[..., Path]:
    """Writes a table as a file, any column replaced (by None: left out)."""

    def write(table: LatencyTable, name: str = "table.npz", **columns: object) -> Path:
        whole: dict[str, object] = {
            "space": np.array(table.space),
            "arch": np.array(table.archs),
            "devices": np.array(table.devices),
            "latency_ms": table.latency_ms,
            "reference": table.reference,
        }
        whole |= columns
        path = tmp_path / name
        kept = {key: np.asarray(value) for key, value in whole.items() if value is not None}
        np.savez(path, allow_pickle=True, **kept)
        return path

    return write


@pytest.fixture
def data(table: LatencyTable, write_table: Callable[..., Path]) -> Path:
    """A folder with the table, its split and its devices; the path of the table."""
    path = write_table(table)
    split = {
        "meta_train": DEVICES[:4],
        "meta_valid": DEVICES[4:6],
        "meta_test": DEVICES[6:],
        "pool": POOL,
        "query": QUERY,
    }
    (path.parent / "splits.json").write_text(json.dumps({"nasbench201": split}))
    info = {name: {"hardware": name, "family": name.split("_")[0]} for name in DEVICES}
    (path.parent / "devices.json").write_text(json.dumps(info))
    return path


@pytest.fixture(scope="session")
def picture_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of pictures as the real one is, but small."""
    folder = tmp_path_factory.mktemp("data")
    write_data(folder)
    return folder


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> SmallZoo:
    """Two tasks of a zoo and their space."""
    return make_zoo(tmp_path_factory.mktemp("small"))


@pytest.fixture(scope="session")
def zoo(small: SmallZoo) -> Path:
    """That zoo as a device gets it."""
    path = small.folder.parent / "zoo.safetensors"
    compiled = compile_zoo(small.folder, small.space.entries)
    write_zoo(path, "zoo", compiled, small.space, small.space.entries, seed=0, command="by hand")
    return path
