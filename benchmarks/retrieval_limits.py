"""Do retrieved networks keep to a limit on this machine, and what does a tight limit cost?

    OMP_NUM_THREADS=1 python benchmarks/retrieval_limits.py --data D

Calibrates in `supernet` (ten timings), then times every network of the zoo, ten in turns beside two
references (see `network_timing.py`). Limits are the 20th, 40th, 60th and 80th percentile of these
times. Then, for each data set that nothing has seen (`meta_test` and `held_out`), 200 pictures are
shown, a network is retrieved under each limit and under none, and becomes a few-shot classifier,
which is asked for test pictures. A retrieval keeps the limit when its network takes at most five
per cent more: as it was timed (*raw*), and *at the calibration's speed*, divided by how much slower
the references had become. Timings that were saved are scored again without timing anything. Prints
a table, writes `docs/results/retrieval_limits.json` and a plot beside it.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from network_timing import (
    ANCHORS,
    Run,
    at_calibration_speed,
    drift,
    load_groups,
    loader,
    milliseconds,
    save_groups,
    time_in_groups,
)
from numpy.typing import NDArray

import edgewise
from edgewise.latency.predictor import open_bundle
from edgewise.machine import cpu_model
from edgewise.retrieval.hits import Hit
from edgewise.retrieval.zoo_file import ZooFile
from edgewise_converter.retrieval.queries import MOST_PICTURES, draw_balanced
from edgewise_converter.retrieval.tasks import Task
from edgewise_converter.retrieval.zoo_build import FolderTasks

ROOT = Path(__file__).resolve().parent.parent
SPACE, GROUPS = "supernet", ("meta_test", "held_out")
PERCENTILES, TOLERANCE = (20, 40, 60, 80), 1.05
ASKED = 200  # test pictures of each data set
COMMAND = "OMP_NUM_THREADS=1 python benchmarks/retrieval_limits.py --data D"


def main() -> None:
    """Calibrate, time, retrieve, score."""
    arguments = _parse()
    zoo = edgewise.ModelZoo(arguments.zoo, runtime=arguments.runtime)
    if arguments.timings is None:
        _time(zoo, arguments)
    groups, about = load_groups(arguments.timings or arguments.save_timings)
    device = edgewise.Device.load(arguments.profile)
    then = [m.ms for m in device.measurements[:ANCHORS]]
    taken = {"raw": milliseconds(groups), "at_speed": at_calibration_speed(groups, then)}
    limits = np.percentile(taken["at_speed"], PERCENTILES).tolist()
    tasks = [task for group in GROUPS for task in FolderTasks(arguments.data, group, 0)()]
    found = [_retrieve(zoo, device, task, limits, arguments.runtime) for task in tasks]
    result = {
        "command": COMMAND,
        "zoo": zoo.bundle.name,
        "networks": len(zoo),
        **about,
        "drift": drift(groups, then),
        "timings": [asdict(m) for m in device.measurements],
        "limits": [
            _score(limit, [each[at] for each in found], taken)
            for at, limit in enumerate([*limits, None])
        ],
        "retrieved": {
            task.name: [_told(hit, accuracy) for hit, accuracy in each]
            for task, each in zip(tasks, found, strict=True)
        },
    }
    _print(result)
    arguments.output.write_text(json.dumps(result, indent=1) + "\n")
    _plot(result, arguments.output.with_suffix(".png"))


def _time(zoo: edgewise.ModelZoo, arguments: argparse.Namespace) -> None:
    """Calibrate and time all networks; keep both."""
    arguments.profile.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as home:  # the user's own devices are left alone
        os.environ["EDGEWISE_HOME"] = home
        device = edgewise.calibrate(SPACE, runtime=arguments.runtime, progress=False)
    device.save(arguments.profile)
    form, load = loader(arguments.runtime, 1)
    file, bundle = ZooFile(zoo.bundle), open_bundle(SPACE)
    references = bundle.manifest["references"]
    anchors = {
        m.name: load(bundle.blob(f"reference.{references.index(m.name):02d}.{form}"))
        for m in device.measurements[:ANCHORS]
    }

    def network(name: str) -> Run:
        model = file.model(zoo[name], form)
        assert model is not None
        return load(model)

    groups = time_in_groups(network, [entry.name for entry in zoo], anchors, threads=1)
    save_groups(
        arguments.save_timings, groups, machine=cpu_model(), runtime=arguments.runtime, threads=1
    )


Found = tuple[Hit | None, float]
"""What was retrieved, and how many test pictures its classifier gets right, share of one."""


def _retrieve(
    zoo: edgewise.ModelZoo,
    device: edgewise.Device,
    task: Task,
    limits: list[float],
    runtime: str,
) -> list[Found]:
    """Under each limit and under none."""
    generator = np.random.default_rng(0)
    shown, names = _pictures(task, task.train, MOST_PICTURES, generator)
    asked, truth = _pictures(task, task.test, ASKED, generator)
    found: list[Found] = []
    known: dict[str, float] = {}
    for limit in [*limits, None]:
        hits = zoo.retrieve(shown, names, k=1, max_ms=limit, device=device)
        if not hits:
            found.append((None, float("nan")))
            continue
        if hits[0].name not in known:
            classifier = hits[0].classifier(shown, names, runtime=runtime)
            answers = classifier.predict(asked).label
            known[hits[0].name] = float(np.mean(np.asarray(answers) == np.array(truth)))
        found.append((hits[0], known[hits[0].name]))
    return found


def _pictures(
    task: Task, rows: NDArray[np.int64], count: int, generator: np.random.Generator
) -> tuple[NDArray[np.uint8], list[str]]:
    drawn = rows[draw_balanced(task.labels(rows), count, generator)]
    return task.images.images[drawn], [task.classes[label] for label in task.labels(drawn)]


def _score(
    limit: float | None,
    found: list[Found],
    taken: dict[str, NDArray[np.float64]],
) -> dict[str, Any]:
    """Of one limit; no means where nothing was found."""
    hits = [(hit, accuracy) for hit, accuracy in found if hit is not None]
    rows = [hit.entry.number for hit, _ in hits]
    counts = {
        "limit_ms": limit,
        "retrievals": len(rows),
        "nothing_fits": len(found) - len(rows),
        "networks": len(set(rows)),
    }
    if not hits:
        return counts
    kept = {
        name: None if limit is None else float(np.mean(ms[rows] <= TOLERANCE * limit))
        for name, ms in taken.items()
    }
    return {
        **counts,
        "kept": kept,
        "mean_ms": float(np.mean(taken["at_speed"][rows])),
        "accuracy": float(np.mean([accuracy for _, accuracy in hits])),
        "expected": float(np.mean([hit.expected_accuracy for hit, _ in hits])),
    }


def _told(hit: Hit | None, accuracy: float) -> dict[str, Any] | None:
    if hit is None:
        return None
    return {"name": hit.name, "predicted_high": hit.predicted_high, "accuracy": round(accuracy, 4)}


def _print(result: dict[str, Any]) -> None:
    print(f"{result['networks']} networks, {result['runtime']} on {result['machine']}")
    print(
        f"{'limit, ms':>10}{'kept, raw':>11}{'at speed':>10}{'of':>5}{'different':>11}"
        f"{'mean ms':>9}{'accuracy':>10}"
    )
    for each in result["limits"]:
        limit, kept = each["limit_ms"], each.get("kept")
        shown = "none" if limit is None else f"{limit:.3f}"
        if kept is None:
            print(f"{shown:>10}  nothing is predicted to keep it")
            continue
        shares = [f"{'' if share is None else f'{share:.0%}'}" for share in kept.values()]
        print(
            f"{shown:>10}{shares[0]:>11}{shares[1]:>10}{each['retrievals']:>5}"
            f"{each['networks']:>11}{each['mean_ms']:>9.3f}{each['accuracy']:>10.1%}"
        )


def _plot(result: dict[str, Any], path: Path) -> None:
    """What accuracy a limit leaves, on average and for each data set."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    *all_limits, free = result["limits"]
    limited = [each for each in all_limits if each["retrievals"]]
    figure, axis = plt.subplots(figsize=(6, 4))
    at = [each["limit_ms"] for each in limited]
    for told in result["retrieved"].values():
        values = [np.nan if each is None else 100 * each["accuracy"] for each in told[:-1]]
        axis.plot([each["limit_ms"] for each in all_limits], values, color="0.8", lw=0.8)
    axis.plot(at, [100 * each["accuracy"] for each in limited], "o-", label="mean")
    best = 100 * free["accuracy"]
    axis.axhline(best, color="0.4", ls="--", lw=0.8, label="mean, no limit")
    axis.set_xlabel("limit, ms (20th to 80th percentile of the zoo)")
    axis.set_ylabel("few-shot accuracy on unseen data sets, %")
    axis.legend()
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    timings = ROOT / "build/timings"
    parser.add_argument("--data", type=Path, required=True, help="folder of Parquet files")
    parser.add_argument("--zoo", default="default", help="bundle (the shipped one)")
    parser.add_argument("--runtime", default="litert")
    parser.add_argument("--profile", type=Path, default=timings / "retrieval_limits.profile.json")
    parser.add_argument("--save-timings", type=Path, default=timings / "retrieval_limits.json")
    parser.add_argument("--timings", type=Path, help="score these, time nothing")
    parser.add_argument("--output", type=Path, default=ROOT / "docs/results/retrieval_limits.json")
    return parser.parse_args()


if __name__ == "__main__":
    main()
