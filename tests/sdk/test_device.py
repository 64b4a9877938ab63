"""A calibrated device: predicting, updating, checking, and its profile file."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edgewise as sdk
from edgewise.bundle import Bundle, write_bundle
from edgewise.errors import (
    ArchitectureError,
    ArgumentError,
    BundleError,
    MeasurementError,
    ProfileError,
    StorageError,
)
from edgewise.latency import calibrate
from edgewise.latency.profile import load_profile, save_profile
from edgewise.spaces import Space

Cost = Callable[[str], float]


def test_one_architecture_gives_floats_a_sequence_gives_arrays(
    device: sdk.Device, space: Space
) -> None:
    archs = space.architectures()[500:505]
    many = device.predict(archs)
    for i, arch in enumerate(archs):
        one = device.predict(arch)
        assert all(type(value) is float for value in one)
        assert one == pytest.approx([column[i] for column in many], rel=1e-12)
    assert device.predict(tuple(archs)).ms.tolist() == many.ms.tolist()
    assert device.predict([]).ms.shape == (0,)


def test_a_larger_confidence_gives_a_wider_interval(device: sdk.Device, space: Space) -> None:
    arch = space.architectures()[7777]
    narrow, wide = device.predict(arch, confidence=0.5), device.predict(arch, confidence=0.99)
    assert wide.low < narrow.low < narrow.ms < narrow.high < wide.high
    assert device.predict(arch) == device.predict(arch, confidence=0.9)


@pytest.mark.parametrize("arch", ["", "|none~0|", "|none~0|+|none~0|none~1|+|none~0|nonce~1|"])
def test_a_wrong_architecture_is_named_with_its_position(device: sdk.Device, arch: str) -> None:
    with pytest.raises(ArchitectureError, match="at character"):
        device.predict(arch)


def test_what_it_knows_of_itself(device: sdk.Device, cost: Cost) -> None:
    assert device.space == "nasbench201"
    assert [m.ms for m in device.measurements] == [cost(m.name) for m in device.measurements]
    assert device.embedding.ndim == 1
    assert np.isfinite(device.embedding).all()
    for key in (
        "cpu", "cores", "os", "governor", "runtime", "runtime_version", "threads", "edgewise",
        "predictor", "space", "bundle", "calibrated_at", "seconds", "notes", "noise", "semantics",
    ):  # fmt: skip
        assert key in device.info
    assert device.info["edgewise"] == sdk.__version__
    assert device.info["noise"] > 0


def test_what_it_gives_away_is_a_copy(device: sdk.Device) -> None:
    before = device.predict(device.measurements[0].name)
    device.embedding[:] = 0
    device.measurements.clear()
    device.info.clear()
    assert device.predict(device.measurements[0].name) == before
    assert device.info


def test_update_learns(device: sdk.Device, cost: Cost) -> None:
    arch = device.next_reference()
    assert arch not in {m.name for m in device.measurements}
    before = device.predict(arch)
    device.update(arch, 1.5 * cost(arch))
    after = device.predict(arch)
    assert len(device.measurements) == 11
    assert abs(after.ms / (1.5 * cost(arch)) - 1) < abs(before.ms / (1.5 * cost(arch)) - 1)


def test_update_replaces_a_timing_of_the_same_architecture(device: sdk.Device) -> None:
    arch = device.measurements[3].name
    device.update(arch, 77.0)
    assert [m.ms for m in device.measurements if m.name == arch] == [77.0]
    assert len(device.measurements) == 10


def test_next_reference_is_a_candidate(device: sdk.Device, space: Space) -> None:
    candidates = space.architectures()[100:200]
    assert device.next_reference(candidates) in candidates


@pytest.mark.parametrize("ms", [0.0, -1.0, float("nan"), float("inf")])
def test_update_refuses_what_is_no_timing(device: sdk.Device, ms: float) -> None:
    before = device.measurements
    with pytest.raises(MeasurementError, match="milliseconds must be finite and above 0"):
        device.update(before[0].name, ms)
    assert device.measurements == before


def test_predicting_while_another_thread_updates(device: sdk.Device, space: Space) -> None:
    """Every answer is that of one state or the other, never a mixture."""
    arch, reference = space.architectures()[9999], device.measurements[0]
    valid = set()
    for ms in (reference.ms, 2 * reference.ms):
        device.update(reference.name, ms)
        valid.add(device.predict(arch))
    seen: set[Any] = set()
    stop = threading.Event()

    def predict() -> None:
        while not stop.is_set():
            seen.add(device.predict(arch))

    threads = [threading.Thread(target=predict) for _ in range(4)]
    for thread in threads:
        thread.start()
    for i in range(60):
        device.update(reference.name, (1 + i % 2) * reference.ms)
    stop.set()
    for thread in threads:
        thread.join()
    assert seen <= valid


def test_check_times_the_extremes_again(device: sdk.Device, cost: Cost) -> None:
    found = device.check()
    times = sorted(m.ms for m in device.measurements)
    assert found.before_ms == (times[0], times[-1])
    assert found.now_ms == found.before_ms
    assert found.drift == 0
    assert not found.drifted
    drifted = device.check(measure=lambda arch: 2 * cost(arch))
    assert drifted.drift == pytest.approx(1.0)
    assert drifted.drifted


def test_check_on_this_machine(runtime: str) -> None:
    device = calibrate(runtime=runtime, samples=3, budget_s=1.5, progress=False)
    found = device.check()
    assert len(found.now_ms) == 2
    assert all(ms > 0 for ms in found.now_ms)


def test_time_measures_references_only(runtime: str, bundle: Bundle, space: Space) -> None:
    device = calibrate(runtime=runtime, samples=3, budget_s=1.5, progress=False)
    others = bundle.manifest["references"][5:7]
    assert [m.name for m in device.time(others, budget_s=1.0)] == others
    foreign = next(a for a in space.architectures() if a not in bundle.manifest["references"])
    with pytest.raises(ArgumentError, match="no reference model"):
        device.time([foreign])


def test_a_device_that_a_callable_timed_cannot_time_here(device: sdk.Device) -> None:
    with pytest.raises(ArgumentError, match="callable"):
        device.time([device.measurements[0].name])


# -- the profile ----------------------------------------------------------------------------------


def test_save_and_load(device: sdk.Device, space: Space, tmp_path: Path, cost: Cost) -> None:
    path = tmp_path / "device.safetensors"
    device.save(path)
    loaded = sdk.Device.load(path)
    archs = space.architectures()[::100]
    for saved, read in zip(device.predict(archs), loaded.predict(archs), strict=True):
        assert np.array_equal(saved, read)
    assert loaded.measurements == device.measurements
    assert loaded.info == device.info
    with pytest.raises(ArgumentError, match="measure="):
        loaded.check()
    assert loaded.check(measure=cost).drift == 0


def test_a_profile_is_a_bundle(device: sdk.Device, tmp_path: Path) -> None:
    path = tmp_path / "device.safetensors"
    device.save(path)
    opened = Bundle.open(path, kind="profile")
    opened.verify()
    assert opened.manifest["space"] == "nasbench201"
    assert opened.tensor("ms").tolist() == [m.ms for m in device.measurements]


def test_a_profile_of_another_space(device: sdk.Device, tmp_path: Path) -> None:
    path = tmp_path / "device.safetensors"
    device.save(path)
    with pytest.raises(ProfileError, match="space 'nasbench201', not 'fbnet'"):
        sdk.Device.load(path, space="fbnet")
    save_profile(replace(load_profile(path), space="fbnet"), path)
    with pytest.raises((ProfileError, ArgumentError, BundleError), match="fbnet"):
        sdk.Device.load(path)


@pytest.mark.parametrize("version", ["99.0.0", "0.0.1", ""])
def test_a_profile_of_another_library_version(
    device: sdk.Device, tmp_path: Path, version: str
) -> None:
    path = tmp_path / "device.safetensors"
    device.save(path)
    profile = load_profile(path)
    save_profile(replace(profile, info={**profile.info, "edgewise": version}), path)
    content = path.read_bytes()
    with pytest.raises(ProfileError, match="calibrate again") as caught:
        sdk.Device.load(path)
    assert str(path) in str(caught.value)
    assert sdk.__version__ in str(caught.value)
    assert path.read_bytes() == content


def test_a_profile_made_with_another_bundle(device: sdk.Device, tmp_path: Path) -> None:
    path = tmp_path / "device.safetensors"
    device.save(path)
    profile = load_profile(path)
    save_profile(replace(profile, bundle={**profile.bundle, "fingerprint": "0" * 16}), path)
    with pytest.raises(BundleError, match="another bundle"):
        sdk.Device.load(path)


def test_a_profile_remembers_where_its_own_bundle_lies(
    bundle: Bundle, cost: Cost, tmp_path: Path
) -> None:
    mine, path = tmp_path / "mine.safetensors", tmp_path / "device.safetensors"
    mine.write_bytes(Path(bundle.path).read_bytes())
    calibrate(measure=cost, bundle=mine, progress=False).save(path)
    assert len(sdk.Device.load(path).measurements) == 10
    moved = mine.rename(tmp_path / "moved.safetensors")
    assert len(sdk.Device.load(path, bundle=moved).measurements) == 10
    assert len(sdk.Device.load(path).measurements) == 10  # the same one ships
    profile = load_profile(path)
    save_profile(replace(profile, bundle={**profile.bundle, "fingerprint": "0" * 16}), path)
    with pytest.raises(BundleError, match=r"mine\.safetensors"):
        sdk.Device.load(path)


@pytest.mark.parametrize("keep", [0, 7, 8, 100, -1])
def test_a_truncated_profile(device: sdk.Device, tmp_path: Path, keep: int) -> None:
    path = tmp_path / "device.safetensors"
    device.save(path)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(BundleError, match=r"device\.safetensors"):
        sdk.Device.load(path)


def test_other_kinds_and_incomplete_profiles(bundle: Bundle, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="profile"):
        sdk.Device.load(bundle.path)
    path = tmp_path / "empty.safetensors"
    write_bundle(path, kind="profile", name="x", manifest={}, tensors={})
    with pytest.raises(ProfileError, match="incomplete"):
        sdk.Device.load(path)
    with pytest.raises(BundleError, match=r"absent\.safetensors"):
        sdk.Device.load(tmp_path / "absent.safetensors")


def test_a_profile_cannot_hold_too_few_or_uneven_timings(
    device: sdk.Device, tmp_path: Path
) -> None:
    path = tmp_path / "device.safetensors"
    device.save(path)
    profile = load_profile(path)
    save_profile(replace(profile, measurements=profile.measurements[:1]), path)
    with pytest.raises(ProfileError, match=r"device.safetensors: 1 timings are too few"):
        sdk.Device.load(path)


def test_another_machine_or_runtime_warns(
    device: sdk.Device, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "device.safetensors"
    device.save(path)
    profile = load_profile(path)
    sdk.Device.load(path)
    assert caplog.text == ""  # a callable's device is at home everywhere
    elsewhere = {"cpu": "Z80", "runtime": "onnxruntime", "runtime_version": "0.0.7"}
    save_profile(replace(profile, info={**profile.info, **elsewhere}), path)
    sdk.Device.load(path)
    assert "was calibrated on 'Z80'" in caplog.text
    assert "was calibrated with onnxruntime 0.0.7" in caplog.text


def test_saving_where_nothing_can_be_written(device: sdk.Device, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError):
        device.save(tmp_path / "file" / "device.safetensors")
    assert (tmp_path / "file").read_text() == "in the way"
