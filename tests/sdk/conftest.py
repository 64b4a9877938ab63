"""What the tests of the device's package share: the shipped bundle and devices to calibrate."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from edgewise.bundle import Bundle
from edgewise.latency import Device, calibrate, current
from edgewise.latency.predictor import open_bundle
from edgewise.runtimes import available_runtimes
from edgewise.spaces import Space, get_space

RUNTIMES = available_runtimes()


@pytest.fixture(autouse=True)
def no_current_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test starts as a fresh process does: nothing is calibrated."""
    monkeypatch.setattr(current, "_current", None)


@pytest.fixture(scope="session")
def space() -> Space:
    """The space that the shipped bundle is for."""
    return get_space("nasbench201")


@pytest.fixture(scope="session")
def bundle() -> Bundle:
    """The bundle that ships with the package."""
    return open_bundle("nasbench201")


@pytest.fixture(params=RUNTIMES)
def runtime(request: pytest.FixtureRequest) -> str:
    """Every runtime that works here, in turn."""
    return str(request.param)


@pytest.fixture(scope="session")
def cost(space: Space) -> Callable[[str], float]:
    """A device without noise: 1 ms, and 1 ms for every 20 million operations."""

    def milliseconds(arch: str) -> float:
        return 1.0 + space.flops(arch) / 20e6

    return milliseconds


@pytest.fixture
def device(cost: Callable[[str], float]) -> Device:
    """That device, calibrated; it is also the current one."""
    return calibrate(measure=cost, progress=False)
