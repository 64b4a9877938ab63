"""Whether the timings of a calibration are noisy: one sentence with its cure; which is the worst.

How noisy they are, the predictor finds out by itself, and its intervals say; this says it in words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..measure import Measurement
from .info import BY_CALLABLE
from .predictor import Predictor

_UNEXPLAINED = 0.1  # relative noise that a prediction cannot hide
_FEWEST_WITNESSES = 5
_CONTRADICTED = 3.0  # how many times farther off than a 90 % interval reaches
_SPREAD = 0.05  # of single runs


def noise_warning(info: Mapping[str, Any], measured: Sequence[Measurement]) -> str | None:
    """What a user must know of these timings, and what to do; None when nothing was seen.

    `info` is `Device.info`. The gravest of what was seen while timing comes first (the others are
    in `info["notes"]`), then what the predictor could not explain, then the spread of single runs.
    """
    notes = info.get("notes") or ()
    if notes:
        return f"noisy timings: {notes[0]}"
    noise = float(info.get("noise", 0.0))
    if info.get("predictor") == "edgewise" and noise > _UNEXPLAINED:
        if info.get("runtime") == BY_CALLABLE:
            return (
                f"noisy timings: they contradict one another by {noise:.0%}; let measure= return "
                "several runs of each network, and calibrate again"
            )
        return (
            f"an unusual device: its timings are explained to {noise:.0%} only, and the intervals "
            "are as wide; time more networks (samples=20)"
        )
    spread = float(np.median([m.spread for m in measured]))
    if spread > _SPREAD:
        return (
            f"noisy timings: single runs of a network differ by {spread:.0%}, and so will yours; "
            "fix the clock, stop other programs, and calibrate again"
        )
    return None


def most_contradicted(predictor: Predictor, measured: Sequence[Measurement]) -> str | None:
    """The architecture whose timing the others contradict most, if they do and are noisy for it.

    Each is predicted from the others alone; suspect is one three times farther off than a 90 %
    interval reaches.
    """
    if len(measured) <= max(predictor.min_samples, _FEWEST_WITNESSES):
        return None
    if predictor.adapt([m.name for m in measured], [m.ms for m in measured]).noise <= _UNEXPLAINED:
        return None
    distances = {}
    for m in measured:
        others = [other for other in measured if other is not m]
        adapted = predictor.adapt([o.name for o in others], [o.ms for o in others])
        found = adapted.predict(m.name)
        distances[m.name] = abs(np.log(m.ms / found.ms)) / np.log(found.high / found.ms)
    worst = max(distances, key=distances.__getitem__)
    return worst if distances[worst] > _CONTRADICTED else None
