"""What a change to the settings of a prior is worth, on training devices alone.

    python benchmarks/prior_validation.py --designs 24 --change "noise_centre=0.02"

Each family among HELP's meta-train and meta-valid devices is left out in turn, references are
designed from the others' prior and its devices adapted to from five and ten of them, as often as
there are designs (halves of the pool); in ofa, whose devices are one family, hardware is left out.
Half of the loss is that of imagined devices, see `prior_selection`; in fbnet and ofa, of additive
ones without noise. Losses are paired by design; below zero a change is better than the settings
that ship. Coverage is that of 90 % intervals. No test device is looked at.

Needs `edgewise[converter]` and the shared tables. Writes
`docs/results/prior_validation_SPACE.json`.
"""

from __future__ import annotations

import argparse
import ast
import json
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from edgewise_converter.latency import block_selection, prior_selection
from edgewise_converter.latency.family_leave_out import SAMPLES, FamilyLeaveOut, Trial, mean_loss
from edgewise_converter.latency.prior_blocks import SETTINGS
from edgewise_converter.latency.prior_nasbench201 import PriorSettings, fit_devices
from edgewise_converter.latency.tables import (
    load_devices,
    load_splits,
    load_table,
    resolve_devices,
)

ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    """Score the settings that ship and every change, print tables, write the JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--space", choices=("nasbench201", *SETTINGS), default="nasbench201")
    parser.add_argument("--latency", type=Path, default=ROOT.parent / "shared/data/latency")
    parser.add_argument(
        "--change",
        action="append",
        default=[],
        metavar="NAME=VALUE[;NAME=VALUE]",
        help="settings of prior_nasbench201 or prior_blocks, repeatable",
    )
    parser.add_argument("--designs", type=int, default=8, help="halves of the pool (8)")
    parser.add_argument(
        "--seed", type=int, default=0, help="of imagined devices in nasbench201 (0)"
    )
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    shipped = SETTINGS.get(arguments.space, PriorSettings())
    changes = {"": shipped} | {text: _changed(shipped, text) for text in arguments.change}
    left_out = _leave_out(arguments)
    trials = {}
    for text, settings in changes.items():
        start = time.monotonic()
        trials[text] = left_out.trials(settings)
        report = _report(trials[text], trials[""])
        print(f"{text or 'as shipped'}  ({time.monotonic() - start:.0f} s)", flush=True)
        _print(report)
    options = [f"--space {arguments.space} --designs {arguments.designs} --seed {arguments.seed}"]
    options += [f'--change "{text}"' for text in arguments.change]
    result = {
        "command": f"python benchmarks/prior_validation.py {' '.join(options)}",
        "seed": arguments.seed,
        "changes": {text or "as shipped": _report(trials[text], trials[""]) for text in changes},
    }
    output = arguments.output or ROOT / f"docs/results/prior_validation_{arguments.space}.json"
    output.write_text(json.dumps(result, indent=1) + "\n")


def _changed(settings: Any, text: str) -> Any:
    """Settings with some of another value; "deviations.NAME" is one of the deviations."""
    for part in text.split(";"):
        name, value = part.split("=", 1)
        field, _, entry = name.partition(".")
        new = ast.literal_eval(value)
        settings = replace(
            settings, **{field: {**getattr(settings, field), entry: new} if entry else new}
        )
    return settings


def _leave_out(arguments: argparse.Namespace) -> FamilyLeaveOut[Any]:
    folder, designs = arguments.latency, arguments.designs
    table = load_table(folder / f"{arguments.space}.npz")
    split = load_splits(folder / "splits.json")[arguments.space]
    devices = resolve_devices("meta_train,meta_valid", table, split)
    info = load_devices(folder / "devices.json")
    if arguments.space in SETTINGS:
        return block_selection.leave_families_out(table, devices, info, split, designs=designs)
    fits = fit_devices(table, devices)
    return prior_selection.leave_families_out(
        table, fits, info, split, designs=designs, seed=arguments.seed
    )


def _report(trials: Sequence[Trial], base: Sequence[Trial]) -> dict[str, Any]:
    return {str(samples): _by_samples(trials, base, samples) for samples in SAMPLES}


def _by_samples(trials: Sequence[Trial], base: Sequence[Trial], samples: int) -> dict[str, Any]:
    mine = [trial for trial in trials if trial.samples == samples]
    losses, others = _losses(mine), _losses([t for t in base if t.samples == samples])
    change = losses - others
    real = [trial for trial in mine if not trial.case.imagined]
    imagined = [trial for trial in mine if trial.case.imagined]
    return {
        "loss": float(losses.mean()),
        "change": float(change.mean()),
        "change_error": float(change.std(ddof=1) / np.sqrt(len(change)))
        if len(change) > 1
        else 0.0,
        "real": _means(real),
        "imagined": _means(imagined),
        "coverage_of_devices": {
            device: _means([t for t in real if t.case.device == device])["coverage"]
            for device in dict.fromkeys(trial.case.device for trial in real)
        },
        "exact": _means([trial for trial in imagined if trial.case.exact]),
        "exact_share_above_99": _share(mine, exact=True, low=99.0, high=100.0),
        "imagined_share_below_75": _share(mine, exact=False, low=0.0, high=75.0),
    }


def _share(trials: Sequence[Trial], *, exact: bool, low: float, high: float) -> float | None:
    """Share of the imagined devices whose coverage, mean of the designs, lies in (low, high].

    None if no device is imagined so.
    """
    covered: dict[str, list[float]] = {}
    for trial in trials:
        if trial.case.imagined and trial.case.exact == exact:
            assert trial.score.coverage is not None
            covered.setdefault(trial.case.hardware, []).append(trial.score.coverage)
    inside = [low < np.mean(values) <= high for values in covered.values()]
    return float(np.mean(inside)) if inside else None


def _losses(trials: Sequence[Trial]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """(designs,) mean losses."""
    designs = sorted({trial.design for trial in trials})
    return np.array([mean_loss(t for t in trials if t.design == d) for d in designs])


def _means(trials: Sequence[Trial]) -> dict[str, float]:
    names = ("spearman_mid", "spearman_all", "mape", "coverage", "width")
    return {name: float(np.mean([getattr(t.score, name) for t in trials])) for name in names}


def _print(report: dict[str, Any]) -> None:
    for samples, row in report.items():
        covered = row["coverage_of_devices"].values()
        change = f"{1e3 * row['change']:+.1f} +- {1e3 * row['change_error']:.1f}"
        print(
            f"  {samples:>2} timings: loss {row['loss']:.4f}, change x1000 {change}",
            f"real {_short(row['real'])} ({min(covered):.0f}-{max(covered):.0f})",
            f"imagined {_short(row['imagined'])}, below 75: {row['imagined_share_below_75']}",
            f"exact {_short(row['exact'])}, above 99: {row['exact_share_above_99']}",
            sep="; ",
            flush=True,
        )


def _short(means: dict[str, float]) -> str:
    return f"{means['spearman_mid']:.4f} {means['mape']:.1f} % covered {means['coverage']:.1f} %"


if __name__ == "__main__":
    main()
