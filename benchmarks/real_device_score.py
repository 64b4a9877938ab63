"""Baselines on the timings of `real_device.py`, and its plot."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewise.spaces import get_space
from edgewise_converter.latency.baselines.simple import Flops, NearestDevice, Ridge
from edgewise_converter.latency.encodings.registry import encoding_of
from edgewise_converter.latency.methods import Sources
from edgewise_converter.latency.protocols import Scaling, Target
from edgewise_converter.latency.scoring import Estimate
from edgewise_converter.latency.tables import LatencyTable, load_splits, load_table

_THIS = "this machine"


@dataclass(frozen=True)
class Device:
    """What was measured on this machine.

    Attributes:
        space: name of the space.
        timed: (n,) architectures that it was calibrated with, `timed_ms` their milliseconds.
        archs: (N,) fresh architectures, `ms` their milliseconds, the mean of two passes.
        ms_at_calibration_speed: (N,) the same, a change of the machine's speed taken out.
        connected: (N,) whether a path leads from input to output.
    """

    space: str
    timed: list[str]
    timed_ms: NDArray[np.float64]
    archs: list[str]
    ms: NDArray[np.float64]
    ms_at_calibration_speed: NDArray[np.float64]
    connected: NDArray[np.bool_]

    @classmethod
    def of(cls, space: str, found: dict[str, Any]) -> Device:
        """From what the device's part wrote."""
        archs = found["architectures"]
        return cls(
            space,
            [measurement["name"] for measurement in found["measurements"]],
            np.array([measurement["ms"] for measurement in found["measurements"]]),
            archs,
            np.array(found["ms"]).mean(axis=0),
            np.array(found["ms_at_calibration_speed"]).mean(axis=0),
            encoding_of(space).connected(get_space(space).encode(archs)),
        )

    def target(self, order: dict[str, int]) -> Target:
        """As the evaluation's methods see it; `order` gives an architecture's index."""
        timed = np.array([order[arch] for arch in self.timed])
        query = np.array([order[arch] for arch in self.archs])
        ms = np.full(len(order), np.nan)
        ms[timed] = self.timed_ms
        return Target(
            device=_THIS,
            reference=timed,
            reference_ms=self.timed_ms,
            support=timed,
            support_ms=self.timed_ms,
            scaling=Scaling(float(self.timed_ms.min()), float(self.timed_ms.max())),
            query=query,
            spare=np.empty(0, np.int64),
            time=lambda wanted: ms[wanted],
        )


def baselines(device: Device, table: Path, split: Path) -> dict[str, Estimate]:
    """FLOPs, ridge regression, and the best single training device, on the same timings.

    The last needs the measured tables; without them it is left out, and says so.
    """
    space = get_space(device.space)
    methods: list[Any] = [Flops(), Ridge(own_references=False)]
    if table.exists():
        train = load_splits(split)[device.space].groups["meta_train"]
        source = _with_rows_of(device, load_table(table).select(train))
        methods.append(NearestDevice())
    else:
        print(f"nearest: not run, {table} is not there")
        empty = LatencyTable(_THIS, device.space, (), (), np.empty((0, 0)), np.empty(0, np.int64))
        source = _with_rows_of(device, empty)
    order = {arch: index for index, arch in enumerate(source.archs)}
    target = device.target(order)
    sources = Sources(
        table=source,
        space=space,
        codes=space.encode(source.archs),
        encoding=encoding_of(device.space),
        train=source.devices,
        valid=(),
        domains={},
        info={},
        candidates=target.query,
        reference=target.reference,
        protocol="strict",
        samples=len(device.timed),
        seed=0,
    )
    return {method.name: method.train(sources)(target) for method in methods}


def _with_rows_of(device: Device, table: LatencyTable) -> LatencyTable:
    """The table, canonical, with this device's architectures that it lacks as not measured."""
    known = tuple(map(get_space(device.space).parse, table.archs))
    have = set(known)
    lacking = tuple(arch for arch in (*device.timed, *device.archs) if arch not in have)
    unmeasured = np.full((len(table.devices), len(lacking)), np.nan)
    latency_ms = np.hstack((table.latency_ms, unmeasured))
    return replace(table, archs=(*known, *lacking), latency_ms=latency_ms)


def plot(device: Device, result: dict[str, Any], title: str, path: Path) -> None:
    """Predicted against measured milliseconds, with 90 % intervals, of edgewise and help."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    names = [name for name in ("edgewise", "help") if result[name] is not None]
    figure, axes = plt.subplots(
        1, len(names), figsize=(5.2 * len(names), 5.2), squeeze=False, layout="constrained"
    )
    top = 1.08 * float(device.ms.max())
    for axis, name in zip(axes[0], names, strict=True):
        ms, low, high = (np.array(values) for values in result[name])
        reach = np.maximum((ms - low, high - ms), 0.0)
        axis.errorbar(device.ms, ms, yerr=reach, fmt="o", ms=3.5, lw=0.7, alpha=0.75)
        axis.plot([0, top], [0, top], color="0.4", lw=0.8)
        scores = result["scores"][name]
        axis.set_title(f"{name}: Spearman {scores['spearman']:.3f}, off by {scores['mape']:.1f} %")
        axis.set_xlabel("measured, ms")
        axis.set_ylabel("predicted, ms")
        axis.set_xlim(0, top)
        axis.set_ylim(0, top)
    figure.suptitle(f"{title}: {len(device.archs)} networks from {len(device.timed)} timings")
    figure.savefig(path, dpi=110)
    plt.close(figure)
