"""What retrieval costs beside embedding the pictures: a zoo, and a million synthetic networks.

    OMP_NUM_THREADS=1 python benchmarks/retrieval_speed.py

One thread, numpy's too; medians of interleaved rounds. *Statistics* are those of 200 embedded
pictures in ten classes; *search* is what is left: encoding the query, the nearest by cosine (int8,
the core), and ranking them by what a performance predictor expects. Milliseconds are predicted for
a device once, of all networks, and kept; what that takes stands beside. Of the synthetic index (128
dimensions, encoders with a hidden layer of 128) numpy's brute force over the same int8 rows and
over float32 ones runs beside the core's, and the neighbours that they find are compared. With
`--zoo` another bundle than the shipped one; without any, only the synthetic index. Results go to
`docs/results/retrieval_speed.json`.
"""

from __future__ import annotations

import argparse
import itertools
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from interleaved import medians_ms
from numpy.typing import NDArray

from edgewise import _core
from edgewise.latency.network import network_prior
from edgewise.machine import cpu_model
from edgewise.retrieval.dense import Dense, to_unit
from edgewise.retrieval.index import Index
from edgewise.retrieval.statistics import query_statistics, statistics_size
from edgewise.retrieval.zoo_file import ZooFile, open_zoo
from edgewise.shipped import BUNDLES

ROOT = Path(__file__).resolve().parent.parent
DIM, NEAREST, HITS = 128, 100, 5
PICTURES, CLASSES = 200, 10
STATISTICS = ("mean", "separation")
COMMAND = "OMP_NUM_THREADS=1 python benchmarks/retrieval_speed.py"


def main() -> None:
    """Time everything, print a table, write the JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--zoo", default="default", help="bundle (the shipped one)")
    parser.add_argument("--networks", type=int, default=1_000_000, help="synthetic (1,000,000)")
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--output", type=Path, default=ROOT / "docs/results/retrieval_speed.json")
    arguments = parser.parse_args()
    result: dict[str, Any] = {
        "command": COMMAND,
        "machine": cpu_model(),
        "rounds": arguments.rounds,
        "synthetic": _synthetic(arguments.networks, arguments.rounds),
    }
    if arguments.zoo != "default" or (BUNDLES / "zoo.safetensors").is_file():
        result["zoo"] = _zoo(arguments.zoo, arguments.rounds)
    for name in ("zoo", "synthetic"):
        for key, value in result.get(name, {}).items():
            shown = f"{value:,.3f}" if isinstance(value, float) else f"{value:,}"
            print(f"{name:10} {key:26} {shown:>12}")
    arguments.output.write_text(json.dumps(result, indent=1) + "\n")


def _zoo(name: str, rounds: int) -> dict[str, float]:
    """The whole of a retrieval in a bundle, the embeddings given."""
    started = time.perf_counter()
    file = ZooFile(open_zoo(name))
    opened = 1e3 * (time.perf_counter() - started)
    embeddings, labels = _embedded(int(file.embedder["dim"]))
    statistics = query_statistics(embeddings, labels, file.statistics)
    mask = np.ones(len(file.entries), bool)

    def whole() -> None:
        found = query_statistics(embeddings, labels, file.statistics)
        file.index.search(found, HITS, mask)

    times = medians_ms(
        10 * rounds,
        {
            "retrieve_ms": whole,
            "statistics_ms": lambda: query_statistics(embeddings, labels, file.statistics),
            "search_ms": lambda: file.index.search(statistics, HITS, mask),
        },
    )
    prior = network_prior()
    timed = file.kernels[: min(10, len(file.kernels))]
    device = prior.adapt(timed, np.linspace(1, 2, len(timed)))
    predicted = medians_ms(rounds, {"predict_ms": lambda: device.predict(file.kernels, 0.9)})
    return {"networks": len(file.entries), **times, **predicted, "opening_ms": opened}


def _synthetic(count: int, rounds: int) -> dict[str, float]:
    """The same of random networks, beside numpy."""
    generator = np.random.default_rng(0)
    index = _random_index(count, generator)
    embeddings, labels = _embedded(DIM)
    statistics = query_statistics(embeddings, labels, STATISTICS)
    mask = np.ones(count, bool)
    query = to_unit(index.query(statistics[None]))[0]
    exact = index.rows * index.scales[:, None]

    def by_numpy(rows: NDArray[Any], scales: NDArray[np.float32] | None) -> NDArray[np.int64]:
        cosines = rows @ query if scales is None else (rows @ query) * scales
        best = np.argpartition(-cosines, NEAREST)[:NEAREST]
        return best[np.argsort(-cosines[best])]

    def whole() -> None:
        index.search(query_statistics(embeddings, labels, STATISTICS), HITS, mask)

    times = medians_ms(
        rounds,
        {
            "retrieve_ms": whole,
            "nearest_core_ms": lambda: _core.nearest(index.rows, index.scales, query, NEAREST),
            "nearest_numpy_float32_ms": lambda: by_numpy(exact, None),
        },
    )
    # numpy has no 8-bit product: it widens the whole index at every question.
    slow = medians_ms(2, {"nearest_numpy_int8_ms": lambda: by_numpy(index.rows, index.scales)})
    ours = _core.nearest(index.rows, index.scales, query, NEAREST)[0]
    alike = len(np.intersect1d(ours, by_numpy(exact, None)))
    return {"networks": count, "dim": DIM, **times, **slow, "same_of_100_nearest": alike}


def _random_index(count: int, generator: np.random.Generator) -> Index:
    def dense(*sizes: int) -> Dense:
        return Dense(
            tuple(
                (
                    generator.normal(0, a**-0.5, (a, b)).astype(np.float32),
                    np.zeros(b, np.float32),
                )
                for a, b in itertools.pairwise(sizes)
            )
        )

    rows = np.empty((count, DIM), np.int8)
    scales = np.empty(count, np.float32)
    for start in range(0, count, 1 << 16):
        drawn = to_unit(generator.standard_normal((min(1 << 16, count - start), DIM), np.float32))
        own = scales[start : start + len(drawn)]
        own[:] = np.abs(drawn).max(1) / 127
        rows[start : start + len(drawn)] = np.round(drawn / own[:, None])
    inputs = statistics_size(STATISTICS, DIM)
    return Index(rows, scales, dense(inputs, DIM, DIM), dense(3 * DIM, DIM, 1), NEAREST)


def _embedded(dim: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    drawn = np.random.default_rng(1).standard_normal((PICTURES, dim)).astype(np.float32)
    return drawn, np.arange(PICTURES) % CLASSES


if __name__ == "__main__":
    main()
