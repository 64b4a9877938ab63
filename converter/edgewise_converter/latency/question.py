"""What is asked of an evaluation, and what it answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from edgewise_converter.latency.meta_training import EPISODES
from edgewise_converter.latency.protocols import Protocol
from edgewise_converter.latency.scoring import Score
from edgewise_converter.latency.tables import DeviceInfo, LatencyTable, Split


@dataclass(frozen=True)
class Question:
    """What is to be evaluated.

    Attributes:
        tables: at least one, of one space.
        splits: the split of the tables' space, if any.
        info: hardware and family of the devices.
        train: devices to learn from; may be empty for a bundle.
        valid: those of ``train`` that HELP and its kin choose their best episode by.
        test: devices to score.
        predictors: names out of ``PREDICTORS``.
        protocol: what is known of a test device.
        samples: timings a method adapts to.
        seeds: repetitions, each with a seed and (under *strict*) a design of its own.
        episodes: of a meta-training.
        checkpoints: folder where long trainings keep their state, or None.
        bundle: score the predictors in this bundle instead of training them.
        runtime: runs the bundle's compiled HELP.
    """

    tables: Sequence[LatencyTable]
    splits: Split | None
    info: Mapping[str, DeviceInfo]
    train: tuple[str, ...]
    valid: tuple[str, ...]
    test: tuple[str, ...]
    predictors: tuple[str, ...]
    protocol: Protocol
    samples: int = 10
    seeds: int = 1
    episodes: int = EPISODES
    checkpoints: Path | None = None
    bundle: Path | None = None
    runtime: str = "auto"


@dataclass
class Answer:
    """What was found.

    Attributes:
        scores: by method, then device, then repetition.
        apart: methods that time other or more architectures than the protocol lets them.
        timings: architectures timed on a test device (the most on any), by method.
    """

    scores: dict[str, dict[str, list[Score]]] = field(default_factory=dict)
    apart: set[str] = field(default_factory=set)
    timings: dict[str, int] = field(default_factory=dict)


def hardware_of(device: str, info: Mapping[str, DeviceInfo]) -> str:
    """Hardware of a device; one that is not listed is a hardware of its own."""
    return info[device].hardware if device in info else device


def hold_out(train: Sequence[str], info: Mapping[str, DeviceInfo]) -> tuple[str, ...]:
    """Devices to choose by where the split names none: a quarter, whole hardware at a time.

    None of devices of a single hardware.
    """
    hardware = sorted({hardware_of(device, info) for device in train})
    count = max(len(hardware) // 4, 1) if len(hardware) > 1 else 0
    chosen = {hardware[index * len(hardware) // count] for index in range(count)}
    return tuple(device for device in train if hardware_of(device, info) in chosen)
