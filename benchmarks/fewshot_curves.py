"""Draw the validation curves of trainings, by episodes and by seconds.

Usage: python benchmarks/fewshot_curves.py OUTPUT.png NAME=FILE.json ...

The files are what `edgewise-converter train fewshot --json` writes; nothing is computed here.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure


def main(arguments: list[str]) -> int:
    """Draw; returns the exit code."""
    if len(arguments) < 2 or not all("=" in each for each in arguments[1:]):
        print(__doc__, file=sys.stderr)
        return 2
    output, *named = arguments
    runs = {}
    for each in named:
        name, _, path = each.partition("=")
        runs[name] = json.loads(Path(path).read_text(encoding="utf-8"))
    draw(runs).savefig(output, dpi=90)
    for name, run in runs.items():
        best = run["best"]
        scores = ", ".join(f"{k}-shot {v:.2f} %" for k, v in best["accuracy"].items())
        print(f"{name}: best at episode {best['episode']} of {run['config']['episodes']}: {scores}")
    return 0


def draw(runs: dict[str, dict[str, Any]]) -> Figure:
    """One row a number of shots, a column by episodes and one by seconds."""
    shots = list(next(iter(runs.values()))["best"]["accuracy"])
    figure = Figure(figsize=(10, 3.2 * len(shots)), layout="constrained")
    axes: Any = figure.subplots(len(shots), 2, squeeze=False, sharey="row")
    for row, number in zip(axes, shots, strict=True):
        for axis, key in zip(row, ("episode", "seconds"), strict=True):
            for name, run in runs.items():
                curve = run["curve"]
                values = [each["accuracy"][number] for each in curve]
                axis.plot([each[key] for each in curve], values, marker=".", label=name)
            axis.set(xlabel="episodes drawn" if key == "episode" else "seconds of CPU")
            axis.grid(alpha=0.3)
        row[0].set(ylabel=f"validation, 5-way {number}-shot, %")
    axes[0][0].legend(fontsize="small")
    return figure


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
