"""Searches under a limit on milliseconds, on devices whose true latencies are known.

Candidates come in an order, the most promising first, as a search without a device gives them. The
device is timed on a few designed references; of the candidates that are predicted to keep the limit
the first few are tried out, and the best of those is taken. Trying out three is what HELP's
released code does (arXiv 2106.08630, Table 4: the most accurate of the first three that fit).

A candidate fits when the upper end of its interval keeps the limit. Or, for ten timings more, which
is what HELP's own experiment takes altogether: of the first candidates that may fit, by the lower
end of their interval, ten are timed, and those that truly keep the limit fit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgewise.errors import ArgumentError
from edgewise_converter.latency.edgewise_method import PriorOf
from edgewise_converter.latency.leave_out import split_devices
from edgewise_converter.latency.protocols import candidates, domain_of, require_measured
from edgewise_converter.latency.tables import DeviceInfo, LatencyTable, Split

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

ALLOWANCE = 1.02
"""A limit counts as kept up to so many times itself: timings are no exacter."""

CONFIDENCES = (0.0, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99)
"""Those that are chosen from."""

_USUAL = 0.9
_BROKEN = 0.01
_LIMITS = np.arange(0.1, 0.95, 0.1)
_NOTHING = float("nan")


@dataclass(frozen=True)
class Shortlist:
    """Candidates of a search.

    Attributes:
        indices: (N,) of the table's architectures, the most promising first.
        quality: (N,) how good each turns out when tried out.
    """

    indices: IntArray
    quality: FloatArray


@dataclass(frozen=True)
class Rule:
    """What fits, and how many that do are tried out.

    Attributes:
        confidence: of the interval whose upper end keeps the limit; 0: the prediction does.
        tried: how many of the first that fit are tried out.
        timed: so many candidates are timed first, the first whose interval's lower end keeps the
            limit, and those that break it are left out.
    """

    confidence: float
    tried: int = 3
    timed: int = 0


@dataclass(frozen=True)
class Outcome:
    """One search on one device.

    Attributes:
        device: its name.
        limit: milliseconds.
        rule: how it was searched.
        arch: what was taken; None where nothing fits, and the next four are NaN then.
        predicted: its predicted milliseconds.
        needed: what was to keep the limit: the prediction, or an end of its interval.
        ms: its true milliseconds.
        quality: its quality.
        best: of the candidates that truly keep the limit, the best quality; NaN if none does.
    """

    device: str
    limit: float
    rule: Rule
    arch: str | None
    predicted: float
    needed: float
    ms: float
    quality: float
    best: float

    @property
    def kept(self) -> bool:
        """Whether the limit was kept. Taking nothing keeps every limit."""
        return self.arch is None or self.ms <= ALLOWANCE * self.limit

    @property
    def regret(self) -> float:
        """Quality lost against the best possible choice; all of it where nothing was taken."""
        return self.best - (0.0 if self.arch is None else self.quality)


@dataclass(frozen=True)
class Search:
    """How candidates are predicted and taken.

    Attributes:
        table: of every device, with the candidates.
        split: the table's, if any.
        info: hardware and family of the devices.
        shortlist: the candidates.
        samples: references timed on the device.
        seed: of the design.
    """

    table: LatencyTable
    split: Split | None
    info: Mapping[str, DeviceInfo]
    shortlist: Shortlist
    samples: int
    seed: int

    def run(
        self, train: Sequence[str], limits: Mapping[str, Sequence[float]], rules: Sequence[Rule]
    ) -> list[Outcome]:
        """Search on each device of ``limits``, under each of its limits and by each rule.

        Args:
            train: devices that the prior is learnt from, none of them searched on.
            limits: milliseconds, by device.
            rules: how.

        Raises:
            ArgumentError: a device trained on, or a candidate that was not measured.
        """
        for device in limits:
            if device in train:
                raise ArgumentError(f"{device!r} was trained on, so it cannot be searched on")
            require_measured(self.table, [device], self.shortlist.indices)
        prior = PriorOf(self.table.select(train), self.info)
        reference = self._design(prior, (*train, *limits))
        archs, found = self._archs(self.shortlist.indices), []
        for device in limits:
            timings = self.table.row(device)[reference]
            adapted = prior.core.adapt(self._archs(reference), timings)
            for rule in rules:
                expected, low, high = adapted.predict(archs, rule.confidence or _USUAL)
                needed = low if rule.timed else high
                needed = needed if rule.confidence else expected
                found += [
                    self._outcome(device, limit, rule, expected, needed) for limit in limits[device]
                ]
        return found

    def _design(self, prior: PriorOf, devices: Sequence[str]) -> IntArray:
        domain = domain_of(self.table, devices[-1], self.split)
        pool = candidates(domain, self.seed)
        return prior.design(np.intersect1d(pool, self.table.measured(devices)), self.samples)

    def _outcome(
        self, device: str, limit: float, rule: Rule, expected: FloatArray, needed: FloatArray
    ) -> Outcome:
        indices, quality = self.shortlist.indices, self.shortlist.quality
        true = self.table.row(device)[indices]
        at = take(needed, true, quality, limit, rule)
        best = float(quality[true <= limit].max(initial=-np.inf))
        predicted, padded, ms, found = (
            _NOTHING if at is None else float(column[at])
            for column in (expected, needed, true, quality)
        )
        return Outcome(
            device=device,
            limit=limit,
            rule=rule,
            arch=None if at is None else self.table.archs[indices[at]],
            predicted=predicted,
            needed=padded,
            ms=ms,
            quality=found,
            best=best if np.isfinite(best) else _NOTHING,
        )

    def _archs(self, indices: IntArray) -> list[str]:
        return [self.table.archs[index] for index in indices]


@dataclass(frozen=True)
class Trial:
    """What a confidence did on training devices.

    Attributes:
        confidence: which.
        timed: candidates timed in each.
        searches: how many.
        broken: share of them that broke the limit.
        regret: mean quality lost.
    """

    confidence: float
    timed: int
    searches: int
    broken: float
    regret: float


def take(
    needed: FloatArray, true: FloatArray, quality: FloatArray, limit: float, rule: Rule
) -> int | None:
    """Which of N candidates is taken; None where nothing fits.

    Args:
        needed: (N,) milliseconds that are to keep the limit.
        true: (N,) milliseconds that a timing gives.
        quality: (N,) what trying out gives.
        limit: milliseconds.
        rule: see there.
    """
    fit = np.flatnonzero(needed <= limit)
    if rule.timed:
        fit = fit[: rule.timed]
        fit = fit[true[fit] <= limit]
    fit = fit[: rule.tried]
    return int(fit[np.argmax(quality[fit])]) if len(fit) else None


def try_confidences(
    search: Search, train: Sequence[str], tried: int, timed: int = 0
) -> list[Trial]:
    """What each confidence does on the training devices, their families left out in turn.

    Hardware where all are of one family. The limits are deciles of the candidates' true latencies,
    from the first to the ninth. No other device is looked at.
    """
    rules = [Rule(confidence, tried, timed) for confidence in CONFIDENCES]
    outcomes = []
    families = {search.info[device].family for device in train if device in search.info}
    by = "families" if len(families) > 1 else "hardware"
    for _, rest, left_out in split_devices(train, search.info, by):
        limits = {device: _deciles(search, device) for device in left_out}
        outcomes += search.run(rest, limits, rules)
    return [_trial(rule, outcomes) for rule in rules]


def choose_confidence(trials: Sequence[Trial]) -> float:
    """The least confidence that breaks hardly more limits than the safest: one in a hundred; of
    those that time candidates, the confidence that loses least.

    Some will always be broken: on noisy devices by noise.
    """
    if trials[0].timed:
        # Timings keep every limit, so what is left to choose by is what was lost.
        return min(trials, key=lambda trial: trial.regret).confidence
    safest = min(trial.broken for trial in trials)
    return min(trial.confidence for trial in trials if trial.broken <= safest + _BROKEN)


def _deciles(search: Search, device: str) -> list[float]:
    ms = search.table.row(device)[search.shortlist.indices]
    limits: list[float] = np.unique(np.quantile(ms, _LIMITS)).tolist()
    return limits


def _trial(rule: Rule, outcomes: Sequence[Outcome]) -> Trial:
    own = [outcome for outcome in outcomes if outcome.rule == rule]
    broken = float(np.mean([not outcome.kept for outcome in own]))
    regret = float(np.nanmean([outcome.regret for outcome in own]))
    return Trial(rule.confidence, rule.timed, len(own), broken, regret)
