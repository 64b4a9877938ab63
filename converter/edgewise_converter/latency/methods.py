"""What the evaluation asks of a method: learn from devices, then adapt to one by its timings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol as Interface

import numpy as np
from numpy.typing import NDArray

from edgewise.spaces import Space
from edgewise_converter.latency.encodings.encoding import Encoding
from edgewise_converter.latency.meta_training import EPISODES
from edgewise_converter.latency.protocols import Domain, Protocol, Target
from edgewise_converter.latency.scoring import Estimate
from edgewise_converter.latency.tables import DeviceInfo, LatencyTable

IntArray = NDArray[np.int64]
Codes = NDArray[np.uint8]

Adapter = Callable[[Target], Estimate]
"""Adapts to a device by the timings its protocol allows, and predicts its queries."""


@dataclass(frozen=True)
class Sources:
    """What may be learnt from before a device is met.

    Attributes:
        table: rows of the training devices only.
        space: the table's space.
        codes: (A, L) codes of the table's architectures.
        encoding: what else their codes say.
        train: devices to learn from.
        valid: those of ``train`` that a method may set aside to choose by.
        domains: pool and queries of each.
        info: hardware and family of each.
        candidates: architectures that a method with references of its own may choose from.
        reference: (E,) architectures that are timed on a new device.
        protocol: what else is known of it.
        samples: how many architectures it is adapted to.
        seed: of everything random.
        episodes: of a meta-training.
        checkpoints: folder for the state of long trainings, or None.
    """

    table: LatencyTable
    space: Space
    codes: Codes
    encoding: Encoding
    train: tuple[str, ...]
    valid: tuple[str, ...]
    domains: Mapping[str, Domain]
    info: Mapping[str, DeviceInfo]
    candidates: IntArray
    reference: IntArray
    protocol: Protocol
    samples: int
    seed: int
    episodes: int = EPISODES
    checkpoints: Path | None = None

    def archs(self, indices: IntArray) -> list[str]:
        """Architectures by index."""
        return [self.table.archs[index] for index in indices]


class Method(Interface):
    """A way to predict the latencies of a new device."""

    @property
    def name(self) -> str:
        """Short name, for the command line."""

    @property
    def apart(self) -> bool:
        """Whether it needs other or more timings than the protocol's; it is then listed apart."""

    @property
    def most_repetitions(self) -> int | None:
        """Repetitions beyond which it says nothing new or takes too long; None: no such limit."""

    def train(self, sources: Sources) -> Adapter:
        """Learn from the training devices."""
