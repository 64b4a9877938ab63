"""Noise: that a profile says so, that intervals grow, that check tells load from a slower device.

Nothing here asserts how long something took.
"""

from __future__ import annotations

import json
import logging
import multiprocessing
import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edgewise as sdk
from edgewise import cli
from edgewise.conditions import Report
from edgewise.latency import calibrate
from edgewise.latency import device as device_module
from edgewise.latency.noise import noise_warning
from edgewise.latency.predictor import open_bundle
from edgewise.latency.profile import load_profile, save_profile
from edgewise.latency.references import model_of
from edgewise.latency.timing import ready_session
from edgewise.measure import Measurement
from edgewise.runtimes import get_runtime
from edgewise.spaces import Space

Cost = Callable[[str], float]

CALM = Report(
    seconds=1, rounds=10, error=0.01, drift=0, interrupted=0, cpu_share=1, stolen=0, load=0.1,
    finished=True,
)  # fmt: skip


def jitter(seed: int, scale: float) -> Callable[[float], float]:
    """Makes milliseconds longer by a heavy-tailed share of them, another one each time."""
    random = np.random.default_rng(seed)
    return lambda ms: ms * (1 + scale * float(random.pareto(1.5)))


def test_a_runtime_that_jitters_makes_a_noisy_profile(
    runtime: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A real runtime's networks, one run each, made up to many times longer."""
    bundle, engine, longer = open_bundle("nasbench201"), get_runtime(runtime), jitter(0, 1)

    def ask(arch: str) -> float:
        session = ready_session(engine, model_of(bundle, arch, engine.format), 1)
        begun = time.perf_counter()
        session.invoke()
        return longer(1e3 * (time.perf_counter() - begun))

    with caplog.at_level(logging.WARNING, "edgewise"):
        noisy = calibrate(measure=ask, progress=False)
    assert noisy.warning is not None
    assert noisy.warning.startswith("noisy timings: they contradict one another by ")
    assert "several runs" in noisy.warning
    assert [r.getMessage() for r in caplog.records].count(noisy.warning) == 1
    assert noisy.report().as_json()["warning"] == noisy.warning
    noisy.report(tmp_path / "page.html")
    assert "noisy timings" in (tmp_path / "page.html").read_text()
    noisy.save(tmp_path / "noisy.profile")
    assert sdk.Device.load(tmp_path / "noisy.profile").warning == noisy.warning


def test_error_and_intervals_grow_gracefully_with_noise(cost: Cost, space: Space) -> None:
    """Gaussian relative noise; medians over forty draws each, all pinned."""
    # Those without a path from input to output compute nothing, and have no error to speak of.
    archs = [arch for arch in space.architectures()[::40] if space.connected(arch)]
    true = np.array([cost(arch) for arch in archs])
    errors, widths = [], []

    def once(noise: float, random: np.random.Generator) -> tuple[float, float]:
        device = calibrate(
            measure=lambda arch: cost(arch) * float(np.exp(random.normal(0, noise))),
            progress=False,
        )
        ms, low, high = (np.asarray(values) for values in device.predict(archs))
        return float(np.mean(np.abs(ms / true - 1))), float(np.mean((high - low) / ms))

    levels = (0.0, 0.02, 0.05, 0.1)
    for noise in levels:
        random = np.random.default_rng(7)
        found = [once(noise, random) for _ in range(40)]
        error, width = np.median(found, axis=0)
        errors.append(error)
        widths.append(width)
    assert errors == sorted(errors)
    assert widths == sorted(widths)
    assert errors[0] < 0.01
    assert all(
        error < errors[0] + 2.5 * noise for error, noise in zip(errors[1:], levels[1:], strict=True)
    )


def test_several_runs_are_better_than_one_and_their_spread_is_known(cost: Cost) -> None:
    longer = jitter(1, 0.1)
    asked: list[str] = []

    def ask(arch: str) -> list[float]:
        asked.append(arch)
        return [longer(cost(arch)) for _ in range(15)]

    several = calibrate(measure=ask, progress=False)
    assert len(set(asked)) == len(asked) == 10  # ten timings still
    assert all(m.runs == 15 and m.spread > 0 for m in several.measurements)
    assert several.measurements[0].ms == pytest.approx(cost(asked[0]), rel=0.2)
    one = calibrate(measure=lambda arch: longer(cost(arch)), progress=False)
    assert several.info["noise"] < one.info["noise"]
    check = several.check()
    assert len(check.now_ms) == 2


def test_what_the_others_contradict_is_asked_again(cost: Cost, space: Space) -> None:
    """One run in ten was disturbed badly; two more runs of that network, and all is well."""
    asked: list[str] = []

    def ask(arch: str) -> float:
        asked.append(arch)
        return cost(arch) * (8.0 if len(asked) == 4 else 1.0)

    device = calibrate(measure=ask, progress=False)
    assert asked[10:] == [asked[3]] * 2
    assert len(device.measurements) == 10
    assert next(m for m in device.measurements if m.name == asked[3]).runs == 3
    archs = space.architectures()[::40]
    calm = calibrate(measure=cost, progress=False)
    np.testing.assert_array_equal(device.predict(archs).ms, calm.predict(archs).ms)


def test_a_device_unlike_all_others_is_not_asked_for_ever(cost: Cost) -> None:
    """What does not fit the prior is the device's, and stays when asked again."""
    asked: list[str] = []

    def ask(arch: str) -> float:
        asked.append(arch)
        return cost(arch) * (1 + sum(map(ord, arch)) % 7)

    calibrate(measure=ask, progress=False)
    assert 10 <= len(asked) <= 16


@pytest.mark.parametrize("answer", [[1.0, float("nan")], [2.0, -1.0], [], "1.0 2.0", [[]]])
def test_runs_that_are_none_are_refused(answer: object) -> None:
    with pytest.raises(sdk.MeasurementError, match="milliseconds must be finite"):
        calibrate(measure=lambda _: answer, progress=False)  # type: ignore[arg-type,return-value]


def test_an_unsteady_machine_widens_every_interval_and_nothing_else(
    device: sdk.Device, space: Space, tmp_path: Path
) -> None:
    archs = space.architectures()[::1000]
    device.save(tmp_path / "steady")
    profile = load_profile(tmp_path / "steady")
    save_profile(replace(profile, info={**profile.info, "unsteady": 0.2}), tmp_path / "unsteady")
    steady = sdk.Device.load(tmp_path / "steady").predict(archs)
    unsteady = sdk.Device.load(tmp_path / "unsteady").predict(archs)
    np.testing.assert_array_equal(steady.ms, unsteady.ms)
    # in the logarithm, variances add: the reach is the same multiple of the standard deviation
    before, after = (np.log(p.high / p.ms) for p in (steady, unsteady))
    added = np.sqrt(after**2 - before**2)
    np.testing.assert_allclose(added, added[0], rtol=1e-6)
    assert added[0] > 0.2
    for other in (0, None, "much", True):  # what another program may have written
        info = {**profile.info, "unsteady": other}
        save_profile(replace(profile, info=info), tmp_path / "odd")
        assert sdk.Device.load(tmp_path / "odd").predict(archs[0]).high >= steady.high[0]


def test_networks_by_their_kernels_are_unsteady_too(device: sdk.Device, tmp_path: Path) -> None:
    device.save(tmp_path / "steady")
    profile = load_profile(tmp_path / "steady")
    save_profile(replace(profile, info={**profile.info, "unsteady": 0.3}), tmp_path / "unsteady")
    arch: Any = {"ks": [3] * 20, "e": [3] * 20, "d": [2] * 5, "r": 160}
    steady = sdk.Device.load(tmp_path / "steady").predict(arch)
    unsteady = sdk.Device.load(tmp_path / "unsteady").predict(arch)
    assert unsteady.ms == steady.ms
    assert unsteady.high / unsteady.low > steady.high / steady.low


def test_the_gravest_is_said_and_nothing_when_all_is_well() -> None:
    well = [Measurement("a", 1.0, 0.01, 20, 1.0), Measurement("b", 2.0, 0.3, 20, 2.9)] * 2
    info = {"notes": [], "noise": 0.02, "predictor": "edgewise", "runtime": "litert"}
    assert noise_warning(info, [well[0], *well]) is None
    said = noise_warning({**info, "notes": ["stop it", "cool it"], "noise": 0.16}, well)
    assert said == "noisy timings: stop it"
    odd = noise_warning({**info, "noise": 0.16}, well)
    assert odd is not None
    assert odd.startswith("an unusual device")
    wide = noise_warning(info, [well[1]])
    assert wide is not None
    assert "30%" in wide
    assert noise_warning({**info, "predictor": "help", "noise": 0.16}, well[:1]) is None


def test_the_command_prints_the_warning(
    runtime: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def report(_: object, **__: object) -> Report:
        return replace(CALM, throttled=0.5)

    monkeypatch.setattr("edgewise.conditions.Watch.report", report)
    options = ["--json", "--runtime", runtime, "--samples", "3", "--budget", "1"]
    assert cli.main(["calibrate", *options]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["warning"].startswith("noisy timings: a CPU quota stopped this process 50%")
    assert found["info"]["notes"]


def test_check_tells_load_from_a_slower_device(runtime: str) -> None:
    """What is compared; the timings are those of the calibration, and the load is made up."""
    device = calibrate(runtime=runtime, samples=3, budget_s=1.0, progress=False)
    before = sorted(device.measurements, key=lambda m: m.ms)[:: len(device.measurements) - 1]
    half = replace(CALM, throttled=1 / 3)
    compared = device_module._compare(before, [m.ms for m in before], half)
    assert compared.drift == pytest.approx(0.5)
    assert compared.drifted
    assert compared.lost == pytest.approx(1 / 3)
    assert "quota" in device_module._advice(compared)
    assert "calibrate again" not in device_module._advice(compared)
    slower = device_module._compare(before, [1.5 * m.ms for m in before], CALM)
    assert slower.drift == pytest.approx(0.5)
    assert "calibrate again" in device_module._advice(slower)
    both = device_module._compare(before, [1.5 * m.ms for m in before], half)
    assert both.drift == pytest.approx(1.25)
    assert "calibrate again" in device_module._advice(both)
    well = device_module._compare(before, [m.ms for m in before], CALM)
    assert not well.drifted
    assert well.notes == ()


def test_a_device_that_slows_down_and_recovers(device: sdk.Device, cost: Cost) -> None:
    assert not device.check().drifted
    slow = device.check(measure=lambda arch: [1.5 * cost(arch)] * 5)
    assert slow.drifted
    assert slow.drift == pytest.approx(0.5)
    assert not device.check().drifted


def _hog() -> None:
    while True:
        pass


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs to share one core")
def test_a_real_rival_on_the_same_core_is_noticed(runtime: str, space: Space) -> None:
    """Half of the core is another program's: the profile says so, whatever the timings are."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    rival = multiprocessing.get_context("spawn").Process(target=_hog, daemon=True)
    try:
        rival.start()
        device = calibrate(runtime=runtime, samples=4, budget_s=4.0, progress=False)
    finally:
        rival.kill()
        rival.join()
        os.sched_setaffinity(0, before)
    assert device.warning is not None
    assert device.warning.startswith("noisy timings: ")
    assert "again" in device.warning
    assert device.info["unsteady"] > 0
    predicted = device.predict(space.architectures()[1000])
    assert 0 < predicted.low < predicted.ms < predicted.high
