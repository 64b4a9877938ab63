"""Wheels promise no older system than what is compiled into them asks for."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUDGET = 5_000_000  # bytes of a wheel, its zoo aside: docs/wheels.md


@pytest.fixture
def platforms(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Those of `wheels/wheel_targets.py`, whose folder is on no path."""
    monkeypatch.syspath_prepend(str(ROOT / "wheels"))
    return importlib.import_module("wheel_targets").PLATFORMS


@pytest.mark.parametrize(
    ("machine", "asked", "kept"),
    [
        ("x86_64", "manylinux_2_17_x86_64", True),
        ("x86_64", "manylinux_2_5_x86_64", True),
        ("x86_64", "manylinux_2_28_x86_64", False),
        ("x86_64", "manylinux_3_0_x86_64", False),
        ("x86_64", "manylinux_2_17_aarch64", False),
        ("x86_64", "linux_x86_64", False),
        ("armv7l", "manylinux_2_31_armv7l", True),
        ("armv7l", "manylinux_2_34_armv7l", False),
    ],
)
def test_a_tag_is_kept(platforms: Any, machine: str, asked: str, kept: bool) -> None:
    assert platforms[machine].promises(asked) == kept


def test_the_wheels_that_were_built_keep_theirs(platforms: Any) -> None:
    built = json.loads((ROOT / "docs" / "results" / "wheels.json").read_text())["wheels"]
    machines = {wheel["name"].removesuffix(".whl").split("-")[-1]: wheel for wheel in built}
    assert machines.keys() == {platform.tag for platform in platforms.values()}
    for platform in platforms.values():
        assert platform.promises(machines[platform.tag]["auditwheel"])


def test_the_wheels_that_were_built_are_small() -> None:
    built = json.loads((ROOT / "docs" / "results" / "wheels.json").read_text())["wheels"]
    for wheel in built:
        assert wheel["bytes"] - wheel["zoo_bytes"] <= BUDGET, wheel["name"]
