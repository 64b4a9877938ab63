"""Timing many networks in groups, beside anchors: what the benchmarks on real machines share.

It needs edgewise and the runtime, and nothing of the host. `openvino` is a runtime that edgewise
does not know; it is driven through its own API.

A machine's speed may drift by tens of per cent within minutes, above all a virtual one's. Networks
that were timed at different speeds are not comparable, and none of it is the predictor's fault. So
every group of ten is timed in turns with the *anchors*, networks that the calibration timed too:
by how much they changed tells the group's speed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewise.measure import Timings, measure
from edgewise.runtimes import get_runtime

GROUP = 10
"""Networks that are timed in turns. More would be another measurement: two hundred networks push
each other out of the caches, and ran 6 to 10 % slower than ten at a time or one alone."""
ANCHORS = 2
"""The first references of a calibration, timed again in every group."""

Run = Callable[[], object]
Load = Callable[[bytes], Run]
"""Model file to a function that runs it once."""
FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Group:
    """Networks that were timed in turns with the anchors; milliseconds."""

    names: tuple[str, ...]
    ms: tuple[float, ...]
    spread: tuple[float, ...]
    anchor_ms: tuple[float, ...]
    report: dict[str, Any]
    """Of `edgewise.measure`."""

    def slowdown(self, calibration_ms: Sequence[float]) -> float:
        """How much slower the machine ran than when the anchors took `calibration_ms`."""
        return float(np.median(np.array(self.anchor_ms) / np.array(calibration_ms)))


def time_in_groups(
    load: Callable[[str], Run], names: Sequence[str], anchors: Mapping[str, Run], *, threads: int
) -> list[Group]:
    """Time networks ten at a time, in turns with the anchors, as a calibration does.

    Args:
        load: gives what runs a network; called for ten at a time, so that no more are in memory.
        names: of the networks.
        anchors: what runs them, by name.
        threads: how many the runs use.
    """
    return [
        _time_group(load, names[start : start + GROUP], anchors, threads)
        for start in range(0, len(names), GROUP)
    ]


def _time_group(
    load: Callable[[str], Run], names: Sequence[str], anchors: Mapping[str, Run], threads: int
) -> Group:
    timings = time_in_turns([*anchors.values(), *map(load, names)], [*anchors, *names], threads)
    known, fresh = np.split(np.array(timings.measurements, dtype=object), [len(anchors)])
    return Group(
        tuple(names),
        tuple(m.ms for m in fresh),
        tuple(m.spread for m in fresh),
        tuple(m.ms for m in known),
        asdict(timings.report),
    )


def time_in_turns(runs: Sequence[Run], names: Sequence[str], threads: int) -> Timings:
    """`edgewise.measure`, its notes printed."""
    timings = measure(runs, names=names, threads=threads)
    for note in timings.report.notes:
        print(f"note: {note}")
    return timings


def milliseconds(groups: Iterable[Group]) -> FloatArray:
    """Of all networks, (N,), as they were timed."""
    return np.array([ms for group in groups for ms in group.ms])


def at_calibration_speed(groups: Iterable[Group], calibration_ms: Sequence[float]) -> FloatArray:
    """Of all networks, (N,), divided by their group's slowdown since the calibration."""
    return np.array([ms / group.slowdown(calibration_ms) for group in groups for ms in group.ms])


def drift(groups: Iterable[Group], calibration_ms: Sequence[float]) -> tuple[float, float]:
    """Smallest and largest slowdown of the groups; 1 is the calibration's speed."""
    found = [group.slowdown(calibration_ms) for group in groups]
    return min(found), max(found)


def save_groups(path: Path, groups: Sequence[Group], **about: Any) -> None:
    """Keep timings as JSON, with whatever else is to be known of them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps({**about, "groups": [asdict(group) for group in groups]}, indent=1)
    path.write_text(text + "\n")


def load_groups(path: Path) -> tuple[list[Group], dict[str, Any]]:
    """What `save_groups` kept: the groups, and what else it was given."""
    found: dict[str, Any] = json.loads(path.read_text())
    groups = [Group(**group) for group in found.pop("groups")]
    return groups, found


def loader(name: str, threads: int) -> tuple[str, Load]:
    """Model format of a runtime, and how it loads a model and gives it an input."""
    if name == "openvino":
        return "onnx", lambda model: _load_in_openvino(model, threads)
    runtime = get_runtime(name)

    def load(model: bytes) -> Run:
        session = runtime.load(model, threads=threads)
        session.run(*(_input(info.shape).astype(info.dtype) for info in session.inputs))
        return session.invoke

    return runtime.format, load


def _load_in_openvino(model: bytes, threads: int) -> Run:
    import openvino

    core = openvino.Core()
    options = {
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": 1,
        "INFERENCE_PRECISION_HINT": "f32",
    }
    compiled = core.compile_model(core.read_model(model, b""), "CPU", options)
    request = compiled.create_infer_request()
    # A network without a path from input to output is a constant, and reads nothing.
    request.infer([_input(tuple(port.shape)) for port in compiled.inputs])
    return lambda: request.infer(share_outputs=True)


def _input(shape: Sequence[int]) -> NDArray[np.float32]:
    """Values in [-1, 1], the same every time."""
    return np.sin(np.arange(np.prod(shape))).reshape(shape).astype(np.float32)
