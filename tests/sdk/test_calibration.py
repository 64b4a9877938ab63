"""Calibrating: by a runtime on this machine and by any callable; nothing that was timed is lost."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edgewise as sdk
from edgewise.bundle import Bundle
from edgewise.errors import (
    ArchitectureError,
    ArgumentError,
    BundleError,
    MeasurementError,
    RuntimeUnavailableError,
)
from edgewise.latency import Plan, calibrate
from edgewise.latency import timing as timing_module
from edgewise.runtimes import RUNTIMES, available_runtimes
from edgewise.spaces import Space, get_space

Cost = Callable[[str], float]


class Asked:
    """A callable that remembers what it was asked, and at its n-th question does something else."""

    def __init__(self, cost: Cost, at: int = -1, then: object = None) -> None:
        self.cost, self.at, self.then = cost, at, then
        self.archs: list[str] = []

    def __call__(self, arch: str) -> float:
        self.archs.append(arch)
        if len(self.archs) - 1 == self.at:
            if isinstance(self.then, BaseException):
                raise self.then
            return self.then  # type: ignore[return-value]
        return self.cost(arch)


def test_the_supernet_on_a_black_box() -> None:
    """Networks of the zoo: ten timings of a device whose costs are by work and by layer."""
    space = get_space("supernet")

    def cost(arch: str) -> float:
        return 0.02 + 2e-8 * space.flops(arch) + 4e-3 * len(space.lower(arch))

    device = calibrate("supernet", measure=cost, progress=False)
    archs = space.decode(space.draw(300, seed=3))
    found = device.predict(archs)
    true = np.array([cost(arch) for arch in archs])
    assert np.abs(found.ms / true - 1).max() < 0.03
    assert ((found.low <= true) & (true <= found.high)).mean() > 0.9


def test_a_runtime_on_this_machine(runtime: str, bundle: Bundle, space: Space) -> None:
    device = calibrate(runtime=runtime, samples=4, budget_s=2.0, progress=False)
    assert [m.name for m in device.measurements] == bundle.manifest["references"][:4]
    assert all(m.ms > 0 and m.runs >= 1 and m.p90 >= m.ms for m in device.measurements)
    prediction = device.predict(space.architectures()[:100])
    for column in prediction:
        assert isinstance(column, np.ndarray)
        assert column.shape == (100,)
        assert column.dtype == np.float64
        assert np.isfinite(column).all()
    assert device.info["runtime"] == runtime
    assert device.info["threads"] == 1
    assert device.info["seconds"] > 0


def test_a_callable_is_asked_for_each_reference_once(cost: Cost, bundle: Bundle) -> None:
    asked = Asked(cost)
    device = calibrate(measure=asked, progress=False)
    assert asked.archs == bundle.manifest["references"][:10]
    assert {m.name: m.ms for m in device.measurements} == {a: cost(a) for a in asked.archs}
    assert device.info["runtime"] == "measure"


def test_predictions_of_an_additive_device_are_close(
    device: sdk.Device, cost: Cost, space: Space
) -> None:
    archs = space.architectures()[::37]
    true = np.array([cost(arch) for arch in archs])
    ms, low, high = device.predict(archs)
    assert np.mean(np.abs(ms / true - 1)) < 0.1
    assert np.all(low <= ms)
    assert np.all(ms <= high)


def test_more_samples_are_all_the_references(cost: Cost, bundle: Bundle) -> None:
    device = calibrate(measure=cost, samples=24, progress=False)
    assert [m.name for m in device.measurements] == bundle.manifest["references"]


def test_the_calibrated_device_is_current_and_stored(
    cost: Cost, space: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    arch = space.architectures()[4321]
    device = sdk.calibrate(measure=cost, progress=False)
    assert sdk.predict(arch) == device.predict(arch)
    monkeypatch.setattr("edgewise.latency.current._current", None)  # as a new process
    assert sdk.predict(arch) == device.predict(arch)


def test_without_calibration_predict_says_how_to() -> None:
    with pytest.raises(sdk.NotCalibratedError, match=r"call edgewise\.calibrate\(\)"):
        sdk.predict("|none~0|+|none~0|none~1|+|none~0|none~1|none~2|")


def test_a_data_folder_that_takes_nothing_is_a_warning(
    cost: Cost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("EDGEWISE_HOME", str(tmp_path / "file" / "home"))
    device = calibrate(measure=cost, progress=False)
    assert "could not be stored" in caplog.text
    assert sdk.predict(device.measurements[0].name) is not None


def test_candidates_are_all_that_is_asked_for(cost: Cost, space: Space) -> None:
    candidates = space.architectures()[1000:1200]
    asked = Asked(cost)
    calibrate(measure=asked, candidates=candidates, samples=8, progress=False)
    assert len(asked.archs) == 8
    assert set(asked.archs) <= set(candidates)


def test_candidates_without_measure_must_be_references(bundle: Bundle, runtime: str) -> None:
    references = bundle.manifest["references"]
    with pytest.raises(ArgumentError, match="3 of the candidates are references"):
        calibrate(runtime=runtime, candidates=references[5:8], samples=4, progress=False)
    plan = calibrate(runtime=runtime, candidates=references[5:12], samples=4, dry_run=True)
    assert plan.architectures == tuple(references[5:9])


def test_dry_run_times_nothing(cost: Cost, bundle: Bundle, own_data_folder: Path) -> None:
    asked = Asked(cost)
    plan = calibrate(measure=asked, samples=5, dry_run=True)
    assert isinstance(plan, Plan)
    assert plan.architectures == tuple(bundle.manifest["references"][:5])
    assert plan.seconds is None
    assert all(arch in str(plan) for arch in plan.architectures)
    assert asked.archs == []
    assert not own_data_folder.exists()


def test_dry_run_says_how_long(runtime: str) -> None:
    plan = calibrate(runtime=runtime, budget_s=42, dry_run=True)
    assert plan.seconds == 42
    assert plan.runtime == runtime
    assert "at most about 42 s" in str(plan)


@pytest.mark.parametrize("value", [0, 0.0, -1.5, math.nan, math.inf, -math.inf, None, "fast"])
def test_a_timing_that_is_none_names_architecture_and_value(
    cost: Cost, value: object, caplog: pytest.LogCaptureFixture
) -> None:
    asked = Asked(cost, at=6, then=value)
    with pytest.raises(MeasurementError) as caught:
        calibrate(measure=asked, progress=False)
    assert asked.archs[-1] in str(caught.value)
    assert repr(value) in str(caught.value)
    assert "6 of 10 architectures have timings" in caplog.text


@pytest.mark.parametrize(
    "stop", [KeyboardInterrupt(), OSError("adb: no device"), SystemExit(3)], ids=str
)
def test_whatever_stops_it_the_next_goes_on(
    cost: Cost, stop: BaseException, bundle: Bundle
) -> None:
    asked = Asked(cost, at=7, then=stop)
    with pytest.raises(type(stop)):
        calibrate(measure=asked, progress=False)
    assert asked.archs == bundle.manifest["references"][:8]
    again = Asked(cost)
    device = calibrate(measure=again, progress=False)
    # the first is asked for again, to see that it is still the same device
    assert again.archs == [asked.archs[0], *bundle.manifest["references"][7:10]]
    assert {m.name: m.ms for m in device.measurements} == {
        a: cost(a) for a in bundle.manifest["references"][:10]
    }


def test_another_device_does_not_go_on(cost: Cost, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(KeyboardInterrupt):
        calibrate(measure=Asked(cost, at=5, then=KeyboardInterrupt()), progress=False)
    slower = Asked(lambda arch: 3 * cost(arch))
    device = calibrate(measure=slower, progress=False)
    assert "are dropped" in caplog.text
    assert [m.ms for m in device.measurements] == [3 * cost(m.name) for m in device.measurements]
    assert len(slower.archs) == 10


def test_once_complete_nothing_is_left_to_go_on_from(cost: Cost, own_data_folder: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        calibrate(measure=Asked(cost, at=5, then=KeyboardInterrupt()), progress=False)
    assert len(list(own_data_folder.glob("partial/*"))) == 1
    calibrate(measure=Asked(cost), progress=False)
    assert list(own_data_folder.glob("partial/*")) == []


def test_resume_false_starts_anew(cost: Cost) -> None:
    with pytest.raises(KeyboardInterrupt):
        calibrate(measure=Asked(cost, at=5, then=KeyboardInterrupt()), progress=False)
    asked = Asked(cost)
    calibrate(measure=asked, progress=False, resume=False)
    assert len(asked.archs) == 10


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"version": 1}', '{"version": 99}', "\x00\xff"]
)
def test_a_damaged_partial_file_is_not_gone_on_from(
    cost: Cost, own_data_folder: Path, content: str
) -> None:
    with pytest.raises(KeyboardInterrupt):
        calibrate(measure=Asked(cost, at=5, then=KeyboardInterrupt()), progress=False)
    (partial,) = own_data_folder.glob("partial/*")
    partial.write_bytes(content.encode("latin-1"))
    asked = Asked(cost)
    calibrate(measure=asked, progress=False)
    assert len(asked.archs) == 10


def test_timings_of_another_day_are_not_gone_on_from(cost: Cost, own_data_folder: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        calibrate(measure=Asked(cost, at=5, then=KeyboardInterrupt()), progress=False)
    (partial,) = own_data_folder.glob("partial/*")
    content = json.loads(partial.read_text())
    partial.write_text(json.dumps({**content, "time": content["time"] - 25 * 3600}))
    asked = Asked(cost)
    calibrate(measure=asked, progress=False)
    assert len(asked.archs) == 10


def test_ctrl_c_while_a_runtime_is_timed(
    runtime: str, own_data_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The interrupt arrives as a real one does: out of a run, in the middle of a round."""
    real = timing_module.reference_sessions
    # Networks are warmed up one after the other, then timed in turns: the sixth change of network
    # comes in the second round, however fast the machine is.
    visits: list[object] = []
    armed = True

    class Interrupted:
        def __init__(self, session: Any) -> None:
            self.session = session

        def invoke(self) -> None:
            if not visits or visits[-1] is not self:
                visits.append(self)
            if armed and len(visits) > 6:
                raise KeyboardInterrupt
            self.session.invoke()

    monkeypatch.setattr(
        "edgewise.latency.calibration.reference_sessions",
        lambda *arguments: [Interrupted(session) for session in real(*arguments)],
    )
    with pytest.raises(KeyboardInterrupt):
        calibrate(runtime=runtime, samples=3, progress=False)
    assert len(list(own_data_folder.glob("partial/*"))) == 1
    armed = False
    device = calibrate(runtime=runtime, samples=3, budget_s=2.0, progress=False)
    assert len(device.measurements) == 3
    assert list(own_data_folder.glob("partial/*")) == []


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"samples": 1}, ArgumentError, "samples=1 is too few"),
        ({"samples": 25}, ArgumentError, "samples=25 is too many"),
        ({"samples": 2.5}, ArgumentError, "samples must be a positive whole number"),
        ({"threads": 0}, ArgumentError, "threads must be"),
        ({"budget_s": -1}, ArgumentError, "budget_s must be"),
        ({"space": "nasbench1001"}, ArgumentError, "nasbench201"),
        ({"predictor": "oracle"}, ArgumentError, "edgewise, help"),
        ({"measure": 3.0}, ArgumentError, "must be callable"),
        ({"candidates": "|none~0|"}, ArgumentError, "not a single string"),
        ({"candidates": ["|none~0|+"]}, ArchitectureError, "at character 9"),
        ({"candidates": []}, ArgumentError, "more than the 0 candidates"),
        ({"bundle": "/nowhere.safetensors"}, BundleError, "/nowhere.safetensors"),
    ],
)
def test_impossible_arguments(
    cost: Cost, arguments: dict[str, Any], error: type[Exception], message: str
) -> None:
    asked = Asked(cost)
    with pytest.raises(error, match=message):
        calibrate(**{"measure": asked, "progress": False, **arguments})
    assert asked.archs == []


@pytest.mark.parametrize("name", [name for name in RUNTIMES if name not in available_runtimes()])
def test_a_missing_runtime_says_what_to_install(name: str) -> None:
    with pytest.raises(RuntimeUnavailableError, match="pip install"):
        calibrate(runtime=name, progress=False)


def test_messages_go_through_logging(
    cost: Cost, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    with caplog.at_level(logging.DEBUG), pytest.raises(KeyboardInterrupt):
        calibrate(measure=Asked(cost, at=5, then=KeyboardInterrupt()))
    assert capfd.readouterr().out == ""
    assert all(record.name.startswith("edgewise.") for record in caplog.records)


@pytest.mark.parametrize("name", ["fpga", "raspi4", "eyeriss"])
def test_a_recorded_table_calibrates_a_device(shared_data: Path, name: str) -> None:
    """Ten timings of a device that the bundle was not trained on rank its 15,625 networks."""
    with np.load(shared_data / "latency" / "nasbench201.npz") as table:
        row = table["devices"].tolist().index(name)
        archs, ms = table["arch"].tolist(), table["latency_ms"][row]
    device = calibrate(
        measure=dict(zip(archs, ms.tolist(), strict=True)).__getitem__, progress=False
    )
    predicted = np.asarray(device.predict(archs).ms)
    ranks = [np.argsort(np.argsort(values)) for values in (predicted, ms)]
    assert np.corrcoef(ranks[0], ranks[1])[0, 1] > 0.93
