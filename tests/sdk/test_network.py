"""Model files predicted on a calibrated device: priced by kernels, sharpened, kept in profiles."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import edgewise as sdk
from edgewise import _core, cli
from edgewise.bundle import Bundle, write_bundle
from edgewise.errors import (
    ArchitectureError,
    ArgumentError,
    BundleError,
    MeasurementError,
    ModelFileError,
)
from edgewise.latency import calibrate
from edgewise.latency.network import network_prior
from edgewise.shipped import BUNDLES
from edgewise.spaces import get_space

from . import onnx_by_hand as onnx
from .onnx_by_hand import node

DATA = Path(__file__).resolve().parents[2] / "native" / "tests" / "data"
FILES = [DATA / "image.tflite", DATA / "image.onnx"]


def features(path: Path) -> NDArray[np.float64]:
    return _core.network_features(_core.read_model(str(path)).kernels)


def convolution(path: Path, channels: int, side: int, op: str = "Relu") -> Path:
    """An ONNX file: a 3x3 convolution of `channels`, then another operator."""
    path.write_bytes(
        onnx.model(
            [node("Conv", ["x", "w"], ["c"], pads=[1, 1, 1, 1]), node(op, ["c"], ["y"])],
            [onnx.info("x", (1, channels, side, side))],
            [onnx.info("y", None)],
            [onnx.tensor("w", [channels, channels, 3, 3])],
        )
    )
    return path


@pytest.fixture(scope="module")
def mobile() -> sdk.Device:
    """A device on which a million multiply-accumulates take a microsecond, and a network 0.1 ms."""
    space = get_space("ofa")
    return calibrate(
        "ofa", measure=lambda arch: 0.1 + 1e-3 * space.flops(arch) / 2e6, progress=False
    )


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.suffix)
def test_one_file_gives_floats_that_its_kernels_explain(mobile: sdk.Device, path: Path) -> None:
    found = mobile.predict(path)
    assert all(type(value) is float for value in found)
    assert 0.0 < found.low < found.ms < found.high
    assert isinstance(found, sdk.NetworkPrediction)
    assert found.unknown == ()
    assert mobile.predict(str(path)) == found

    space = get_space("ofa")
    rows = [_core.network_features(space.lower(m.name)) for m in mobile.measurements]
    adapted = network_prior().adapt(rows, [m.ms for m in mobile.measurements])
    row = features(path)
    assert tuple(v[0] for v in adapted.predict(row[None])) == tuple(found)
    assert found.ms == pytest.approx(max(float(row @ adapted.prices), 0.0), rel=1e-6)


def test_a_strange_network_tells_less_than_one_of_the_space(mobile: sdk.Device) -> None:
    """Of a told file, prices leave unexplained what they do of a file that is predicted."""
    space, prior = get_space("ofa"), network_prior()
    drawn = space.decode(space.draw(2, 0))
    told, asked = (_core.network_features(space.lower(arch)) for arch in drawn)
    rows = [_core.network_features(space.lower(m.name)) for m in mobile.measurements]
    ms = [m.ms for m in mobile.measurements]
    before = prior.adapt(rows, ms)
    strange = [*ms, 1.6 * before.predict(told[None])[0][0]]
    rows.append(told)
    found = [
        adapted.predict(asked[None])[0][0]
        for adapted in (
            before,
            prior.adapt(rows, strange, alike=len(rows)),
            prior.adapt(rows, strange, alike=len(ms)),
        )
    ]
    plain, trusted, doubted = np.log(found)
    assert abs(doubted - plain) < 0.5 * abs(trusted - plain)
    with pytest.raises(ArgumentError, match="of one space"):
        prior.adapt(rows, strange, alike=len(rows) + 1)


def test_more_work_takes_longer(mobile: sdk.Device, tmp_path: Path) -> None:
    small = mobile.predict(convolution(tmp_path / "small.onnx", 32, 28))
    large = mobile.predict(convolution(tmp_path / "large.onnx", 256, 28))
    assert large.ms > 3 * small.ms


def test_files_and_architectures_in_any_order(mobile: sdk.Device) -> None:
    archs = [m.name for m in mobile.measurements[:2]]
    mixed = mobile.predict([archs[0], FILES[0], archs[1], str(FILES[1])])
    assert mixed.ms.shape == (4,)
    assert isinstance(mixed, sdk.NetworkPrediction)
    assert mixed.unknown == ((), (), (), ())
    expected = [mobile.predict(arch) for arch in (archs[0], FILES[0], archs[1], FILES[1])]
    np.testing.assert_allclose(np.array(mixed).T, np.array(expected), rtol=1e-12)


def test_a_device_of_any_space_predicts_files(device: sdk.Device) -> None:
    found = device.predict(FILES)
    assert found.ms.shape == (2,)
    assert (found.low <= found.ms).all()


def test_a_wrong_architecture_beside_a_file_is_still_named(mobile: sdk.Device) -> None:
    with pytest.raises(ArchitectureError, match="at character"):
        mobile.predict([FILES[0], "nonsense"])
    with pytest.raises(ModelFileError, match=r"gone\.tflite"):
        mobile.predict("gone.tflite")


def test_operators_without_a_cost_are_named_and_widen_the_interval(
    mobile: sdk.Device, tmp_path: Path
) -> None:
    known = mobile.predict(convolution(tmp_path / "known.onnx", 64, 56))
    found = mobile.predict(convolution(tmp_path / "odd.onnx", 64, 56, op="Fancy"))
    assert isinstance(found, sdk.NetworkPrediction)
    assert found.unknown == ("Fancy",)
    assert found.high - found.low > known.high - known.low
    several = mobile.predict([FILES[0], tmp_path / "odd.onnx"])
    assert isinstance(several, sdk.NetworkPrediction)
    assert several.unknown == ((), ("Fancy",))


def test_a_timed_file_sharpens_others_and_is_kept(mobile: sdk.Device, tmp_path: Path) -> None:
    path, other = (
        convolution(tmp_path / "timed.onnx", 96, 56),
        convolution(tmp_path / "other.onnx", 128, 56),
    )
    mobile.save(tmp_path / "device.safetensors")
    device = sdk.Device.load(tmp_path / "device.safetensors")
    archs, before = [m.name for m in device.measurements], device.predict(other)
    ms = 1.5 * mobile.predict(path).ms
    device.update(path, 2 * ms)
    device.update(path, ms)
    after = device.predict(other)
    assert [m.name for m in device.measurements] == [*archs, str(path)]
    assert device.measurements[-1].ms == ms
    assert after.ms > before.ms
    assert (after.high - after.low) / after.ms < (before.high - before.low) / before.ms
    assert device.predict(archs[0]) == mobile.predict(archs[0])  # its own space is as it was

    device.save(tmp_path / "sharper.safetensors")
    path.unlink()
    loaded = sdk.Device.load(tmp_path / "sharper.safetensors")
    assert loaded.predict(other) == after
    assert [m.name for m in loaded.measurements] == [*archs, str(path)]


@pytest.mark.parametrize("ms", [0.0, -1.0, float("nan"), float("inf")])
def test_an_unusable_timing_of_a_file_changes_nothing(mobile: sdk.Device, ms: float) -> None:
    before = len(mobile.measurements)
    with pytest.raises(MeasurementError):
        mobile.update(FILES[0], ms)
    assert len(mobile.measurements) == before


def test_the_command_line_predicts_files(
    mobile: sdk.Device,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    odd = convolution(tmp_path / "odd.onnx", 64, 56, op="Fancy")
    profile = tmp_path / "device.safetensors"
    mobile.save(profile)
    asked = ["predict", str(FILES[0]), str(odd), "--profile", str(profile), "--json"]
    assert cli.main(asked) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["arch"] for row in rows] == [str(FILES[0]), str(odd)]
    assert [row["unknown"] for row in rows] == [[], ["Fancy"]]
    assert rows[0]["ms"] == mobile.predict(FILES[0]).ms
    assert "Fancy" in caplog.text


def test_the_prior_that_ships_says_what_it_is() -> None:
    bundle = Bundle.open(BUNDLES / "network.safetensors", kind="latency")
    bundle.verify()
    assert bundle.manifest["trained_on"] == []
    assert bundle.core.file_bytes < 20_000
    assert bundle.tensor("network.mean").shape[1] == len(_core.network_columns())


@pytest.fixture
def damaged(tmp_path: Path) -> Callable[..., Bundle]:
    """The shipped prior with tensors replaced, by None: left out."""
    shipped = Bundle.open(BUNDLES / "network.safetensors")

    def damage(**changed: NDArray[np.float64] | None) -> Bundle:
        tensors: dict[str, NDArray[Any] | None] = {
            name: shipped.tensor(name) for name in shipped.names()
        }
        tensors |= {f"network.{name}": value for name, value in changed.items()}
        kept = {name: value for name, value in tensors.items() if value is not None}
        write_bundle(tmp_path / "x", kind="latency", name="x", manifest={}, tensors=kept)
        return Bundle.open(tmp_path / "x")

    return damage


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"noise": None}, r"network\.noise"),
        ({"unexplained": np.array([-1.0])}, "unexplained must not be negative"),
        ({"unexplained": np.zeros(2)}, r"network\.unexplained must hold 1 number"),
        ({"mean": np.zeros(3)}, "mean"),
    ],
)
def test_a_damaged_prior_is_refused(
    damaged: Callable[..., Bundle], changed: dict[str, NDArray[np.float64] | None], message: str
) -> None:
    with pytest.raises(BundleError, match=message):
        _core.NetworkPrior.load(damaged(**changed).core)


def test_an_architecture_of_another_space_is_priced_by_its_kernels(
    mobile: sdk.Device, tmp_path: Path
) -> None:
    cell, mine = get_space("nasbench201"), mobile.measurements[0].name
    arch = cell.architectures()[4000]
    found = mobile.predict(arch)
    assert isinstance(found, sdk.NetworkPrediction)
    assert 0.0 < found.low < found.ms < found.high
    mixed = mobile.predict([mine, arch])
    assert mixed.ms.tolist() == pytest.approx([mobile.predict(mine).ms, found.ms], rel=1e-12)

    mobile.save(tmp_path / "device.safetensors")
    device = sdk.Device.load(tmp_path / "device.safetensors")
    device.update(arch, 1.5 * found.ms)
    assert device.measurements[-1].name == arch
    assert device.predict(arch).ms > found.ms
    assert device.predict(mine) == mobile.predict(mine)
    device.save(tmp_path / "more.safetensors")
    assert sdk.Device.load(tmp_path / "more.safetensors").predict(arch) == device.predict(arch)
