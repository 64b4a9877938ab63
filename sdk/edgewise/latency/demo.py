"""`edgewise demo`: calibrate, then time networks that were not timed, beside predictions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ArgumentError
from .calibration import calibrate
from .predictor import open_bundle

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Demo:
    """Predicted and true milliseconds of networks that were not part of the calibration."""

    info: dict[str, Any]
    timed: int
    """Networks timed for the calibration."""
    archs: tuple[str, ...]
    predicted_ms: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    true_ms: tuple[float, ...]

    @property
    def spearman(self) -> float:
        """Rank correlation of predicted and true milliseconds."""
        predicted, true = _ranks(self.predicted_ms), _ranks(self.true_ms)
        return float(np.corrcoef(predicted, true)[0, 1])

    @property
    def mape(self) -> float:
        """Mean absolute relative error."""
        return float(np.mean([abs(p / t - 1) for p, t in self._pairs()]))

    @property
    def coverage(self) -> float:
        """Share of true milliseconds inside their interval."""
        rows = zip(self.low, self.true_ms, self.high, strict=True)
        return float(np.mean([low <= true <= high for low, true, high in rows]))

    def _pairs(self) -> list[tuple[float, float]]:
        return list(zip(self.predicted_ms, self.true_ms, strict=True))

    def as_json(self) -> dict[str, Any]:
        """The same in JSON values."""
        columns = (self.archs, self.predicted_ms, self.low, self.high, self.true_ms)
        keys = ("arch", "predicted_ms", "low", "high", "true_ms")
        return {
            "info": self.info,
            "timed": self.timed,
            "networks": [dict(zip(keys, row, strict=True)) for row in zip(*columns, strict=True)],
            "spearman": self.spearman,
            "mape": self.mape,
            "coverage": self.coverage,
        }

    def __str__(self) -> str:
        info = self.info
        where = f"{info['cpu']}, {info['runtime']} {info['runtime_version']}"
        timed = f"timed {self.timed} networks in {info['seconds']:.1f} s,"
        lines = [
            f"{where}, threads {info['threads']}: {timed}",
            f"then predicted {len(self.archs)} others, and timed them after:",
            "predicted  90% interval       true ms   error  architecture",
        ]
        rows = zip(self.archs, self.predicted_ms, self.low, self.high, self.true_ms, strict=True)
        for arch, ms, low, high, true in rows:
            mark = " " if low <= true <= high else "*"
            error = f"{ms / true - 1:+6.1%}"
            lines.append(f"{ms:9.3f}  {low:8.3f} {high:8.3f}  {true:8.3f}{mark} {error}  {arch}")
        lines.append(
            f"Spearman {self.spearman:.3f}   mean error {self.mape:.1%}   "
            f"{self.coverage:.0%} inside their interval (* is outside)"
        )
        return "\n".join(lines)


def run_demo(*, progress: bool = True, bundle: Any = None, **arguments: Any) -> Demo:
    """Calibrate (arguments as `calibrate`), then predict and time the references left over."""
    opened = open_bundle(arguments["space"], bundle)
    device = calibrate(bundle=opened, progress=progress, **arguments)
    timed = {m.name for m in device.measurements}
    archs = [arch for arch in opened.manifest["references"] if arch not in timed]
    if len(archs) < 2:
        raise ArgumentError("fewer samples leave more networks to predict; use --samples 10")
    predicted = device.predict(archs)
    true = device.time(archs, budget_s=float(arguments["budget_s"]), progress=progress)
    ms, low, high = (tuple(np.asarray(v).tolist()) for v in predicted)
    return Demo(device.info, len(timed), tuple(archs), ms, low, high, tuple(m.ms for m in true))


def _ranks(values: Sequence[float]) -> NDArray[np.float64]:
    """Ranks, ties sharing their mean."""
    order = np.sort(values)
    return (np.searchsorted(order, values, "left") + np.searchsorted(order, values, "right")) / 2
