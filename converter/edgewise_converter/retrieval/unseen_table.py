"""What `evaluate_unseen` found, as a table and in sum."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np


def summarise(found: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Mean accuracy of each peer (over data sets, seeds first), in %, and the steps to scratch's.

    `oracle` is over those data sets that have one, and `oracle_gap` what the last space lacks
    there. `within_a_fifth` is the share of queries where what was retrieved is as good as scratch
    in the end after at most a fifth of its steps.
    """
    names = [name for name in found[0]["accuracy"] if name != "oracle"]
    tasks = list(dict.fromkeys(each["task"] for each in found))
    means = {name: np.mean([_mean(found, task, name) for task in tasks]) for name in names}
    ours = _last_space(names)
    with_oracle = [each for each in found if "oracle" in each["accuracy"]]
    reached = [
        each["steps_to_scratch"] is not None
        and 5 * each["steps_to_scratch"] <= each["scratch_steps"]
        for each in found
    ]
    summary: dict[str, Any] = {
        "data_sets": len(tasks),
        "accuracy": {name: round(100 * float(value), 2) for name, value in means.items()},
        "within_a_fifth": round(float(np.mean(reached)), 3),
    }
    if with_oracle:
        best = np.array([each["accuracy"]["oracle"] for each in with_oracle])
        own = np.array([each["accuracy"][ours] for each in with_oracle])
        summary["oracle"] = round(100 * float(best.mean()), 2)
        summary["oracle_gap"] = round(100 * float((best - own).mean()), 2)
    return summary


def table_lines(found: Sequence[dict[str, Any]]) -> Iterator[str]:
    """A row a data set, accuracies in %, means over its seeds; then the means over data sets."""
    names = list(dict.fromkeys(name for each in found for name in each["accuracy"]))
    yield f"{'data set':34}" + "".join(f"{name:>16}" for name in names)
    for task in dict.fromkeys(each["task"] for each in found):
        yield f"{task:34}" + "".join(_cell(_mean(found, task, name)) for name in names)
    summary = summarise(found)
    means = summary["accuracy"]
    yield f"{'mean':34}" + "".join(
        _cell(means[name] / 100 if name in means else summary.get("oracle", np.nan) / 100)
        for name in names
    )
    yield f"as good as scratch within a fifth of its steps: {summary['within_a_fifth']:.0%}"


def _mean(found: Sequence[dict[str, Any]], task: str, name: str) -> float:
    values = [
        each["accuracy"][name]
        for each in found
        if each["task"] == task and name in each["accuracy"]
    ]
    return float(np.mean(values)) if values else float("nan")


def _cell(value: float) -> str:
    return f"{'':>16}" if np.isnan(value) else f"{100 * value:>16.1f}"


def _last_space(names: Sequence[str]) -> str:
    """Spaces come first, and what they are compared with after them."""
    return names[names.index("best on average") - 1]
