"""By what the settings of the prior from prices of kernels were chosen: `latency/prior_kernels.py`.

    edgewise-converter measure --space supernet --count 100 --seed 101 --runtime litert \\
        -o build/supernet.npz
    python benchmarks/kernel_prior.py --table D/fbnet.npz --timings build/supernet.npz

`D` is the folder of published tables. Ten designed timings of each device, the other networks
predicted; FBNet's devices are those for meta-training and validation, and FBNet's own prior is not
used. Each setting is halved and doubled, and prices learnt on the families of devices are tried as
further kinds, each family predicted by those of the others. *Interval* is the interval score of
Gneiting and Raftery (JASA 2007, eq. 43) at 90 %, in shares of latency: width, and misses that count
twentyfold; less is better. Results go to `docs/results/kernel_prior.json`.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewise import _core
from edgewise.latency.network import network_prior
from edgewise.spaces import get_space
from edgewise_converter.latency.prior_kernels import KernelSettings, kernel_prior
from edgewise_converter.latency.prior_networks import kinds
from edgewise_converter.latency.scoring import spearman
from edgewise_converter.latency.tables import LatencyTable, load_devices, load_splits, load_table

ROOT = Path(__file__).resolve().parent.parent
FloatArray = NDArray[np.float64]
Scores = dict[str, float]
TIMINGS = 10
CANDIDATES, QUERIES, LEARNT_FROM = 500, 400, 250
MISS = 0.1  # of a 90 % interval
CHANGED = ("prices", "smooth", "layer", "single", "network", "floor")


def main() -> None:
    """Print and store the scores of every variant."""
    arguments = _parse()
    fbnet = load_table(arguments.table)
    groups = load_splits(arguments.table.parent / "splits.json")["fbnet"].groups
    fbnet = fbnet.select((*groups["meta_train"], *groups["meta_valid"]))
    tables = [fbnet, *map(load_table, arguments.timings)]
    rows: dict[str, dict[str, Scores]] = {"as it ships": _variant(tables, KernelSettings())}
    for name in CHANGED:
        for factor in (0.5, 2.0):
            value = factor * getattr(KernelSettings(), name)
            settings = replace(KernelSettings(), **{name: value})
            rows[f"{name} {value:g}"] = _variant(tables, settings)
    families = {
        device: info.family
        for device, info in load_devices(arguments.table.parent / "devices.json").items()
    }
    rows["prices learnt on other families"] = _learnt(fbnet, families)
    _print(rows)
    _save(arguments, rows)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--table", type=Path, required=True, help="fbnet.npz")
    parser.add_argument("--timings", type=Path, action="append", default=[], help="of supernet")
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "results")
    return parser.parse_args()


def _variant(tables: list[LatencyTable], settings: KernelSettings) -> dict[str, Scores]:
    found: dict[str, Scores] = {}
    for table in tables:
        found |= _scores(table, kernel_prior(table.space, settings).core())
    return found


def _learnt(table: LatencyTable, families: dict[str, str]) -> dict[str, Scores]:
    """The devices of each family, by a prior that has a kind more for each other family."""
    prices = {device: _prices(table, device) for device in table.devices}
    found: dict[str, Scores] = {}
    for left_out in sorted({families[device] for device in table.devices}):
        others = sorted({families[device] for device in table.devices} - {left_out})
        means = [np.mean([p for d, p in prices.items() if families[d] == f], 0) for f in others]
        prior = kernel_prior(table.space, prices=np.vstack((kinds(), *means)))
        own = tuple(device for device in table.devices if families[device] == left_out)
        found |= _scores(table.select(own), prior.core())
    return found


def _prices(table: LatencyTable, device: str) -> FloatArray:
    """(C,) of a device, at its mean latency, by many of its timings."""
    space, at = get_space(table.space), _drawn(table)[0][:LEARNT_FROM]
    asked = np.array([_core.network_features(space.lower(table.archs[i])) for i in at])
    ms = table.row(device)
    prices = network_prior().adapt(asked, ms[at]).prices
    return np.asarray(np.maximum(prices, 0.0) / np.nanmean(ms))


def _drawn(table: LatencyTable) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Candidates and queries; of few architectures, all are both."""
    everything = np.arange(len(table.archs))
    if len(everything) < CANDIDATES + QUERIES:
        return everything, everything
    order = np.random.default_rng(0).permutation(everything)
    return np.sort(order[:CANDIDATES]), np.sort(order[CANDIDATES : CANDIDATES + QUERIES])


def _scores(table: LatencyTable, prior: _core.LatencyPrior) -> dict[str, Scores]:
    candidates, queries = _drawn(table)
    timed = candidates[prior.design([table.archs[i] for i in candidates], TIMINGS)]
    asked = np.setdiff1d(queries, timed)
    found = {}
    for device in table.devices:
        row = table.row(device)
        adapted = prior.adapt([table.archs[i] for i in timed], row[timed])
        ms, low, high = adapted.predict([table.archs[i] for i in asked], 1 - MISS)
        true = row[asked]
        missed = np.maximum(low - true, 0.0) + np.maximum(true - high, 0.0)
        found[device] = {
            "spearman": spearman(ms, true),
            "mape": 100 * float(np.mean(np.abs(ms / true - 1))),
            "coverage": 100 * float(np.mean(missed == 0)),
            "interval": 100 * float(np.mean((high - low + 2 / MISS * missed) / true)),
        }
    return found


def _mean(scores: dict[str, Scores], devices: list[str]) -> Scores:
    return {
        name: float(np.mean([scores[device][name] for device in devices]))
        for name in scores[devices[0]]
    }


def _groups(rows: dict[str, dict[str, Scores]]) -> dict[str, list[str]]:
    """Devices of FBNet, and of the supernet."""
    fbnet = list(rows["prices learnt on other families"])
    timed = [device for device in rows["as it ships"] if device not in fbnet]
    return {"fbnet": fbnet, **({"supernet": timed} if timed else {})}


def _print(rows: dict[str, dict[str, Scores]]) -> None:
    for group, devices in _groups(rows).items():
        print(f"\n{group:34}{'Spearman':>10}{'MAPE %':>9}{'inside %':>10}{'interval':>10}")
        for name, scores in rows.items():
            if all(device in scores for device in devices):
                mean = _mean(scores, devices)
                cells = f"{mean['spearman']:10.4f}{mean['mape']:9.2f}{mean['coverage']:10.1f}"
                print(f"{name:34}{cells}{mean['interval']:10.2f}")


def _save(arguments: argparse.Namespace, rows: dict[str, dict[str, Scores]]) -> None:
    timings = [f"--timings {path.name}" for path in arguments.timings]
    result: dict[str, Any] = {
        "command": " ".join(
            ["python benchmarks/kernel_prior.py --table", arguments.table.name, *timings]
        ),
        "settings": asdict(KernelSettings()),
        "scores": rows,
    }
    path = arguments.output / "kernel_prior.json"
    path.write_text(json.dumps(result, indent=1) + "\n")
    print(f"\n{path.name}")


if __name__ == "__main__":
    main()
