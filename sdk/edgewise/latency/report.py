"""What there is to see of a calibrated device, from its profile alone: nothing is timed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .. import _core
from ..bundle import Bundle
from ..measure import Measurement
from ..spaces import get_space
from ..storage import write_atomic
from .noise import noise_warning
from .prediction import Prediction
from .predictor import Adapted, Predictor
from .profile import Profile

_SHOWN_COSTS = 12


class Row(NamedTuple):
    """A timed network, and what would have been predicted of it from the other timings alone."""

    measurement: Measurement
    predicted: Prediction | None
    """None where too few others are left to adapt to."""


@dataclass(frozen=True)
class Report:
    """The content of a report."""

    info: Mapping[str, Any]
    """`Device.info`."""
    confidence: float
    """Of all intervals."""
    rows: tuple[Row, ...]
    """In the order of timing."""
    hypotheses: Mapping[str, float]
    """Probability of each graph semantics; empty where the predictor knows none."""
    costs: tuple[tuple[str, float], ...]
    """The largest costs of the device with what they stand for, milliseconds, largest first."""
    trained_on: tuple[str, ...]
    """Devices that the prior was learnt from."""
    warning: str | None
    """`Device.warning`."""

    @property
    def error(self) -> float:
        """Mean absolute relative error of the predictions; NaN without any."""
        errors = [abs(r.predicted.ms / r.measurement.ms - 1) for r in self.rows if r.predicted]
        return float(np.mean(errors)) if errors else math.nan

    @property
    def inside(self) -> int:
        """How many measured milliseconds lie in the interval predicted of them."""
        rows = [(r.measurement.ms, r.predicted) for r in self.rows if r.predicted]
        return sum(p.low <= ms <= p.high for ms, p in rows)

    @property
    def predicted(self) -> int:
        """How many were predicted."""
        return sum(r.predicted is not None for r in self.rows)

    def __str__(self) -> str:
        if not self.predicted:
            return "too few to predict any from the others"
        return (
            f"each predicted from the others: mean error {self.error:.1%}, {self.inside} of "
            f"{self.predicted} in their {self.confidence:.0%} interval"
        )

    def as_json(self) -> dict[str, Any]:
        """The same in JSON values."""
        return {
            "info": dict(self.info),
            "confidence": self.confidence,
            "timings": [_row_json(row) for row in self.rows],
            "error": None if math.isnan(self.error) else self.error,
            "inside": self.inside,
            "predicted": self.predicted,
            "hypotheses": dict(self.hypotheses),
            "costs": dict(self.costs),
            "trained_on": list(self.trained_on),
            "warning": self.warning,
        }


def make_report(
    profile: Profile, bundle: Bundle, predictor: Predictor, adapted: Adapted, confidence: float
) -> Report:
    """The report of the device that `adapted`, of `predictor` and `bundle`, knows.

    `profile.info` is `Device.info`. Raises ArgumentError for an impossible confidence.
    """
    names: list[str] = []
    if profile.predictor == "edgewise":
        names = [column.name for column in _core.feature_columns(get_space(profile.space))]
    return Report(
        info=profile.info,
        confidence=confidence,
        rows=leave_one_out(predictor, profile.measurements, confidence),
        hypotheses=adapted.hypotheses,
        costs=largest(names, adapted.embedding.tolist()) if names else (),
        trained_on=tuple(map(str, bundle.manifest.get("trained_on", ()))),
        warning=noise_warning(profile.info, profile.measurements),
    )


def leave_one_out(
    predictor: Predictor, measured: Sequence[Measurement], confidence: float
) -> tuple[Row, ...]:
    """Each timed network predicted by `predictor` adapted to all the others."""
    if len(measured) <= predictor.min_samples:
        return tuple(Row(m, None) for m in measured)
    rows = []
    for m in measured:
        others = [other for other in measured if other is not m]
        adapted = predictor.adapt([o.name for o in others], [o.ms for o in others])
        rows.append(Row(m, adapted.predict(m.name, confidence)))
    return tuple(rows)


def largest(names: Sequence[str], costs: Sequence[float]) -> tuple[tuple[str, float], ...]:
    """The twelve largest costs, by size, with their names."""
    pairs = sorted(zip(names, costs, strict=True), key=lambda pair: -abs(pair[1]))
    return tuple((name, float(cost)) for name, cost in pairs[:_SHOWN_COSTS])


def write_report(report: Report, path: str | Path) -> None:
    """Write the page, atomically. Raises StorageError when the disk does not take it."""
    from .report_page import page

    write_atomic(path, page(report).encode())


def _row_json(row: Row) -> dict[str, Any]:
    values = asdict(row.measurement)
    found: dict[str, Any] = {"arch": values.pop("name"), **values}
    if row.predicted is not None:
        found |= {"predicted_ms": row.predicted.ms, "low": row.predicted.low}
        found |= {"high": row.predicted.high}
    return found
