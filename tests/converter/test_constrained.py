"""Searches under a limit, where the right answer is known."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from edgewise.errors import ArgumentError
from edgewise_converter.cli import main
from edgewise_converter.latency.constrained import (
    Rule,
    Search,
    Shortlist,
    Trial,
    choose_confidence,
    take,
    try_confidences,
)
from edgewise_converter.latency.tables import DeviceInfo, LatencyTable, Split

INFO = {name: DeviceInfo(name, name.split("_")[0]) for name in ("gpu_1", "gpu_2", "cpu_a", "cpu_b")}
TRAIN = tuple(INFO)
SPLIT = Split({}, pool=120, query=80)


def search_of(table: LatencyTable) -> Search:
    """Candidates in an order and of a quality that know nothing of latency."""
    indices = np.arange(120, 200)
    quality = np.random.default_rng(0).permutation(80).astype(np.float64)
    return Search(table, SPLIT, INFO, Shortlist(indices, quality), samples=10, seed=0)


def test_the_best_of_the_first_that_fit_is_taken() -> None:
    needed = np.array([9.0, 4.0, 5.0, 3.0, 2.0])
    true = np.array([9.0, 6.0, 5.0, 3.0, 2.0])
    quality = np.array([90.0, 80.0, 70.0, 75.0, 99.0])
    assert take(needed, true, quality, 5.0, Rule(0.9, tried=1)) == 1
    assert take(needed, true, quality, 5.0, Rule(0.9, tried=3)) == 1
    assert take(needed, true, quality, 5.0, Rule(0.9, tried=4)) == 4
    # A timing shows that candidate 1 breaks the limit; of 1, 2 and 3, the best left is 3.
    assert take(needed, true, quality, 5.0, Rule(0.0, tried=3, timed=3)) == 3
    assert take(needed, true, quality, 5.0, Rule(0.0, tried=3, timed=1)) is None
    assert take(needed, true, quality, 1.0, Rule(0.9, tried=3)) is None


def test_an_outcome_says_what_was_lost(table: LatencyTable) -> None:
    search = search_of(table)
    ms = table.row("chip")[search.shortlist.indices]
    limit = float(np.median(ms))
    rules = [Rule(0.9), Rule(0.0), Rule(0.0, timed=10)]
    padded, bare, timed = search.run(TRAIN, {"chip": [limit]}, rules)
    for outcome in (padded, bare, timed):
        assert outcome.best == search.shortlist.quality[ms <= limit].max()
        at = table.archs.index(str(outcome.arch))
        assert outcome.ms == table.row("chip")[at]
        assert outcome.regret == outcome.best - outcome.quality
        assert outcome.predicted == pytest.approx(outcome.ms, rel=0.1)
        assert outcome.needed <= limit
    assert padded.needed > padded.predicted
    assert bare.needed == bare.predicted
    assert timed.ms <= limit


def test_nothing_fits_below_the_fastest(table: LatencyTable) -> None:
    (outcome,) = search_of(table).run(TRAIN, {"chip": [1e-3]}, [Rule(0.9)])
    assert outcome.arch is None
    assert outcome.kept
    assert np.isnan(outcome.best)


def test_confidence_is_chosen_without_the_searched_device(table: LatencyTable) -> None:
    """Whatever the other devices' rows hold, the trials are those of the training devices."""
    search = search_of(table)
    trials = try_confidences(search, TRAIN, tried=3)
    assert all(trial.searches == 9 * len(TRAIN) for trial in trials)
    assert trials[0].confidence == 0
    assert trials[0].broken >= trials[-1].broken
    changed = table.latency_ms.copy()
    changed[4:] *= np.random.default_rng(0).uniform(1, 5, changed[4:].shape)
    other = LatencyTable(
        table.source, table.space, table.archs, table.devices, changed, table.reference
    )
    assert try_confidences(search_of(other), TRAIN, tried=3) == trials


def test_the_least_confidence_that_is_safe_enough() -> None:
    broken = {0.0: 0.3, 0.5: 0.06, 0.8: 0.045, 0.9: 0.04, 0.95: 0.04}
    trials = [Trial(confidence, 0, 100, share, 1.0) for confidence, share in broken.items()]
    assert choose_confidence(trials) == 0.8


def test_where_candidates_are_timed_the_least_loss_decides() -> None:
    regret = {0.0: 1.1, 0.5: 0.9, 0.8: 1.3}
    trials = [Trial(confidence, 10, 100, 0.0, lost) for confidence, lost in regret.items()]
    assert choose_confidence(trials) == 0.5


def test_what_may_fit_is_timed_and_what_breaks_the_limit_is_left_out(table: LatencyTable) -> None:
    limit = float(np.median(table.row("board")))
    (outcome,) = search_of(table).run(TRAIN, {"board": [limit]}, [Rule(0.9, timed=10)])
    assert outcome.arch is not None
    assert outcome.ms <= limit
    assert outcome.needed < outcome.predicted


def test_a_device_trained_on_is_refused(table: LatencyTable) -> None:
    with pytest.raises(ArgumentError, match="'cpu_a' was trained on"):
        search_of(table).run(TRAIN, {"cpu_a": [1.0]}, [Rule(0.9)])


def command(data: Path, *options: str) -> int:
    arguments = ["evaluate", "search", "--table", str(data), "--train", "meta_train,meta_valid"]
    return main([*arguments, *options])


def test_the_command_prints_and_writes(
    data: Path, table: LatencyTable, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    candidates, path = tmp_path / "candidates.csv", tmp_path / "search.json"
    lines = [f"{arch},{60 + at % 13}" for at, arch in enumerate(table.archs[120:180])]
    candidates.write_text("\n".join(["arch,accuracy", *lines]))
    limits = np.quantile(table.row("chip")[120:180], (0.3, 0.7)).round(2)
    options = ["--candidates", str(candidates), "--json", str(path)]
    options += ["--limit", "chip=" + ",".join(map(str, limits)), "--limit", "board=20"]
    assert command(data, *options) == 0
    printed = capsys.readouterr().out
    assert "On the training devices, families" in printed
    written = json.loads(path.read_text())
    assert [trial["confidence"] for trial in written["trials"]][:2] == [0.0, 0.5]
    assert list(written["rules"]) == ["bare", "padded", "timed"]
    padded = written["rules"]["padded"]
    assert padded["confidence"] in [trial["confidence"] for trial in written["trials"]]
    assert [(s["device"], s["limit"]) for s in padded["searches"]] == [
        ("chip", limits[0]),
        ("chip", limits[1]),
        ("board", 20),
    ]
    assert padded["kept"] == sum(search["kept"] for search in padded["searches"])
    # Without a file of candidates the largest networks come first.
    assert command(data, "--limit", "chip=20", "--confidence", "0.9") == 0
    assert "On the training devices" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--candidates", "absent.csv"], "absent.csv: no such file"),
        (["--limit", "toaster=3"], "no device 'toaster'"),
        (["--limit", "gpu_1=3"], "'gpu_1' was trained on"),
        (["--limit", "chip=3", "--confidence", "1"], "--confidence must be"),
        (["--limit", "chip=3", "--tried", "0"], "--tried and --timed must be"),
    ],
)
def test_a_wrong_search_is_one_line(
    data: Path, capsys: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    assert command(data, "--confidence", "0.9", *options) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_candidates_must_be_in_the_table(
    data: Path, table: LatencyTable, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "candidates.csv"
    for content, message in (
        ("arch,accuracy\n", "candidate none is not in the table"),
        (f"arch,accuracy\n{table.archs[0]},good\n", "not a CSV of architectures and accuracies"),
    ):
        path.write_text(content)
        assert command(data, "--limit", "chip=3", "--candidates", str(path)) == 1
        assert message in capsys.readouterr().err
    with pytest.raises(SystemExit):
        command(data, "--limit", "chip=fast")
