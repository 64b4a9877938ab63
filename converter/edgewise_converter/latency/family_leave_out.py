"""Leaving device families out, each in turn: what settings of a prior are judged by.

For each family of the training devices a prior is built from the others, references are designed
from it, and the devices of the family, or those imagined after them, are adapted to. No other
device is looked at. Evaluations that leave families out are those of ``leave_out``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from edgewise.errors import ArgumentError
from edgewise.spaces import get_space
from edgewise_converter.latency.encodings.registry import encoding_of
from edgewise_converter.latency.prior import Prior
from edgewise_converter.latency.protocols import candidates, domain_of
from edgewise_converter.latency.scoring import Estimate, Score, score
from edgewise_converter.latency.tables import DeviceInfo, LatencyTable, Split

FloatArray = NDArray[np.float64]
SettingsT = TypeVar("SettingsT")

SAMPLES = (5, 10)
"""How many references are timed."""

# Weights of the loss beside rank errors, which count in full: relative errors, and the logarithm of
# the interval score, so that a device counts alike whether it can be predicted to 1 % or to 20 %.
_RELATIVE = 1.0
_INTERVAL = 0.03
_CONFIDENCE = 0.9


@dataclass(frozen=True)
class Case:
    """A device to adapt to while its family is left out.

    Attributes:
        device: the training device, or the one that an imagined device is made from.
        family: the family that is left out.
        hardware: what weighs as one in the loss; each imagined device is its own.
        imagined: whether it was made up.
        exact: made up, additive and with next to no noise.
        ms: (A,) latencies of the table's architectures, NaN where not measured.
    """

    device: str
    family: str
    hardware: str
    imagined: bool
    exact: bool
    ms: FloatArray


@dataclass(frozen=True)
class Trial:
    """One adaptation to a device whose family was left out.

    Attributes:
        case: the device.
        design: number of the design that the references are of.
        samples: how many references were timed.
        loss: what settings are judged by.
        score: the same predictions, as every evaluation scores them.
    """

    case: Case
    design: int
    samples: int
    loss: float
    score: Score


class FamilyLeaveOut(Generic[SettingsT]):
    """Scores settings on devices of families that the prior has not seen."""

    def __init__(
        self,
        table: LatencyTable,
        cases: Sequence[Case],
        build: Callable[[Sequence[str], SettingsT], Prior],
        split: Split | None,
        *,
        designs: int,
    ) -> None:
        """Prepare for ``cases``.

        Args:
            table: latencies of the devices that the cases are, or were made from.
            cases: what is adapted to.
            build: the prior from training devices under settings.
            split: pool and query, if the table has any.
            designs: how many halves of the pool references are designed from.

        Raises:
            ArgumentError: the devices are of fewer than two families.
        """
        self._archs = table.archs
        self._cases = cases
        self._build = build
        self._designs = designs
        self.families = sorted({case.family for case in cases})
        if len(self.families) < 2:
            raise ArgumentError("leaving families out needs training devices of two families")
        self._family = {case.device: case.family for case in cases}
        measured = table.measured(list(self._family))
        domain = domain_of(table, cases[0].device, split)
        self._domain = replace(
            domain,
            pool=np.intersect1d(domain.pool, measured),
            query=np.intersect1d(domain.query, measured),
        )
        space = get_space(table.space)
        self._connected = encoding_of(space.name).connected(space.encode(list(table.archs)))

    def loss(self, settings: SettingsT) -> float:
        """Mean loss: real and imagined devices by half, and in each half hardware alike."""
        return mean_loss(self.trials(settings))

    def trials(self, settings: SettingsT) -> list[Trial]:
        """Every case with every design, its family left out of the prior."""
        return [trial for family in self.families for trial in self._left_out(family, settings)]

    def _left_out(self, family: str, settings: SettingsT) -> Iterator[Trial]:
        kept = [device for device, other in self._family.items() if other != family]
        prior = self._build(kept, settings).core()
        for design in range(self._designs):
            pool = candidates(self._domain, design)
            chosen = pool[prior.design([self._archs[i] for i in pool], max(SAMPLES))]
            query = np.setdiff1d(self._domain.query, chosen)
            archs = [self._archs[i] for i in query]
            for case in self._cases:
                if case.family != family:
                    continue
                for samples in SAMPLES:
                    timed = chosen[:samples]
                    adapted = prior.adapt([self._archs[i] for i in timed], case.ms[timed])
                    estimate = Estimate(*adapted.predict(archs))
                    true = case.ms[query]
                    scored = score(estimate, true, self._connected[query])
                    yield Trial(case, design, samples, _loss(estimate, true, scored), scored)


def real_cases(
    table: LatencyTable, devices: Sequence[str], info: Mapping[str, DeviceInfo]
) -> list[Case]:
    """Devices of a table as they were timed."""
    return [
        Case(device, info[device].family, info[device].hardware, False, False, table.row(device))
        for device in devices
    ]


def mean_loss(trials: Iterable[Trial]) -> float:
    """Of real and of imagined devices by half, and in each half hardware alike."""
    losses: dict[bool, dict[str, list[float]]] = {False: {}, True: {}}
    for trial in trials:
        losses[trial.case.imagined].setdefault(trial.case.hardware, []).append(trial.loss)
    halves = [np.mean([np.mean(each) for each in half.values()]) for half in losses.values()]
    return float(np.mean(halves))


def _loss(estimate: Estimate, true: FloatArray, scored: Score) -> float:
    """Loss of predictions of N queries with true latencies (N,) in ms."""
    interval = interval_score(estimate, true)
    relative = _RELATIVE * scored.mape / 100
    return 1.0 - scored.spearman_mid + relative + _INTERVAL * math.log(interval)


def interval_score(estimate: Estimate, true: FloatArray) -> float:
    """Mean interval score of the 90 % intervals, in the logarithm of latency.

    Width plus 2/α times the distance of what lies outside, least in expectation for the intervals
    that are right (Gneiting and Raftery, doi 10.1198/016214506000001437, section 6.2).
    """
    assert estimate.low is not None
    assert estimate.high is not None
    low, high, ms = (np.log(values) for values in (estimate.low, estimate.high, true))
    outside = np.maximum(low - ms, 0.0) + np.maximum(ms - high, 0.0)
    return float(np.mean(high - low + 2.0 / (1.0 - _CONFIDENCE) * outside))
