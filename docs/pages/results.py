"""What of a file of results is shown, as tables."""

from __future__ import annotations

from typing import Any

from .tables import Row, flat, is_estimate, is_short

Tables = list[tuple[str, list[Row]]]
"""Title and rows of each."""

_APART = ("command", "versions", "seed", "seeds")
"""Said elsewhere, or what the figures do not depend on."""


def tables(found: dict[str, Any]) -> Tables:
    """The tables of a file, by what it holds."""
    if "methods" in found and "protocol" in found:
        return _evaluation(found)
    if "left_out" in found and "folds" in found:
        return _left_out(found)
    if "rules" in found and "trials" in found:
        return _search(found)
    if "results" in found and "compare" in found:
        return _episodes(found)
    if "ten timings" in found and "three more" in found:
        return _well_known(found)
    if "test_retest" in found and "scores" in found:
        return _real_device(found)
    if "as shipped" in found.get("changes", {}):
        return _validation(found)
    return _anything(found)


def _evaluation(found: dict[str, Any]) -> Tables:
    """Predictors on devices: means, then ours by device, then what was published."""
    methods = found["methods"]
    rows = [
        {"method": name, "timings": about.get("timings"), **flat(about["mean"])}
        for name, about in methods.items()
    ]
    shown: Tables = [(f"{found['space']}, protocol {found['protocol']}, mean of the devices", rows)]
    first = next(iter(methods))
    devices = methods[first].get("devices", {})
    own = [{"device": name, **flat(scores)} for name, scores in devices.items()]
    shown.append((f"{first}, by device", own))
    published = found.get("published_spearman_mid", {})
    rows = [{"published, Spearman mid": name, **flat(scores)} for name, scores in published.items()]
    return [*shown, ("", rows)] if rows else shown


def _left_out(found: dict[str, Any]) -> Tables:
    rows = [{"method": name, **flat(scores)} for name, scores in found["mean"].items()]
    folds = []
    for name, fold in found["folds"].items():
        own = fold["methods"].get("edgewise")
        folds.append({"left out": name, **flat(own.get("mean", {}) if own else {})})
    title = f"{found['space']}, {found['left_out']} left out in turn, mean"
    return [(title, rows), (f"edgewise, by {found['left_out']} left out", folds)]


def _search(found: dict[str, Any]) -> Tables:
    rows = [
        {"rule": name, "searches": len(rule["searches"]), **flat(rule)}
        for name, rule in found["rules"].items()
    ]
    return [(f"{found['space']}, {found['samples']} timings, limits of HELP's tables", rows)]


def _episodes(found: dict[str, Any]) -> Tables:
    """Few-shot accuracies: a row for each data set and setting."""
    rows: list[Row] = []
    for one in found["results"]:
        for scores in one["scores"]:
            row: Row = {"data set": one["name"], "ways": scores["ways"], "shots": scores["shots"]}
            row |= flat(scores["accuracy"])
            against = scores.get("difference") or {}
            row |= {f"{name} less {found['compare']}": gain for name, gain in against.items()}
            rows.append(row)
    return [(f"Accuracy in percent, {found['episodes']:,} episodes, 95 % intervals", rows)]


def _well_known(found: dict[str, Any]) -> Tables:
    rows = [
        {"timings": f"{name}, {way}", **flat(found[name][way])}
        for name in ("ten timings", "three more")
        for way in found[name]
        if way != "predicted"
    ]
    networks = [
        {
            "network": name,
            "measured ms": ms,
            "predicted ms, low, high": found["ten timings"]["predicted"].get(name),
        }
        for name, ms in found["ms"].items()
    ]
    return [("Scores", rows), ("By network, after ten timings of another space", networks)]


def _real_device(found: dict[str, Any]) -> Tables:
    rows = [{"method": name, **flat(scores)} for name, scores in found["scores"].items()]
    again = {"method": "timed twice", **flat(found["test_retest"])}
    shown: Tables = [(_machine(found), [*rows, again])]
    limits = found.get("limits")
    return [*shown, ("Under limits", [flat(limit) for limit in limits])] if limits else shown


def _validation(found: dict[str, Any]) -> Tables:
    """What changes to the settings of a prior come to, a row for each number of timings."""
    rows: list[Row] = []
    for change, of_samples in found["changes"].items():
        for samples, row in of_samples.items():
            thousandths = (f"{1e3 * row[name]:.1f}" for name in ("change", "change_error"))
            rows.append(
                {
                    "change": change,
                    "timings": samples,
                    "loss": row["loss"],
                    "difference x1000": " ± ".join(thousandths),
                    "real devices: Spearman": row["real"]["spearman_mid"],
                    "in interval %": row["real"]["coverage"],
                    "exact devices above 99 %": row["exact_share_above_99"],
                }
            )
    return [("", rows)]


def _machine(found: dict[str, Any]) -> str:
    about = found.get("info", {})
    names = ("cpu", "runtime", "runtime_version", "space")
    return ", ".join(str(about[name]) for name in names if about.get(name))


def _anything(found: dict[str, Any]) -> Tables:
    """Whatever is short as one table, and each list or set of records as another."""
    facts: Row = {}
    shown: Tables = []
    for key, value in found.items():
        if key in _APART:
            continue
        title = key.replace("_", " ")
        records = _records(value)
        if records:
            shown.append((title, records))
        elif is_short(value):
            facts[title] = value
        elif isinstance(value, dict):
            facts |= flat(value, title)
    first: Tables = [("", [{"figure": name, "value": fact} for name, fact in facts.items()])]
    return [*(first if facts else []), *shown]


def _records(value: Any) -> list[Row]:
    """The rows of a list of records, or of a record of records; none of anything else."""
    if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        return [flat(item) for item in value]
    if not isinstance(value, dict) or is_estimate(value) or not value:
        return []
    if not all(isinstance(item, dict) for item in value.values()):
        return []
    if any(_records(item) for item in value.values()):  # one level deeper
        rows: list[Row] = []
        for name, item in value.items():
            rows += [{"": name, **row} for row in (_named(item) or [flat(item)])]
        return rows
    return _named(value)


def _named(value: dict[str, Any]) -> list[Row]:
    return [{"": name, **flat(item)} for name, item in value.items() if isinstance(item, dict)]
