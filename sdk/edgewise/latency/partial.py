"""What an interrupted calibration leaves behind, so that the next one goes on from it."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import StorageError
from ..storage import data_dir, write_atomic

_log = logging.getLogger(__name__)
_VERSION = 1
_MAX_AGE_S = 24 * 3600.0


class Partial:
    """The file of timings of one unfinished calibration.

    `key` says what was being calibrated (space, runtime, threads, CPU, ...): timings taken under
    another key, or more than a day ago, are not gone on from.
    """

    def __init__(self, key: Mapping[str, Any]) -> None:
        self.key = dict(key)
        self.path = data_dir() / "partial" / f"{key['space']}-{key['runtime']}.json"

    def load(self) -> dict[str, list[float]]:
        """Milliseconds of every timed run by canonical architecture; empty if nothing was kept."""
        try:
            content = json.loads(self.path.read_text(encoding="utf-8"))
            if content["version"] != _VERSION or content["key"] != self.key:
                return {}
            if not 0 <= time.time() - content["time"] < _MAX_AGE_S:
                return {}
            samples = {str(a): [float(t) for t in ts] for a, ts in content["samples"].items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            _log.warning("%s: not readable, so calibration starts anew (%s)", self.path, error)
            return {}
        return {a: ts for a, ts in samples.items() if ts and all(0 < t < 1e12 for t in ts)}

    def keep(self, samples: Mapping[str, Sequence[float]], wanted: int) -> None:
        """Store the timings; a disk that refuses is a warning, as a worse error is under way."""
        kept = {arch: list(times) for arch, times in samples.items() if times}
        if not kept:
            return
        content = {"version": _VERSION, "key": self.key, "time": time.time(), "samples": kept}
        try:
            write_atomic(self.path, json.dumps(content).encode(), create_parents=True)
        except StorageError as error:
            _log.warning("the %d timings taken so far could not be kept: %s", len(kept), error)
            return
        _log.warning(
            "calibration stopped; %d of %d architectures have timings, which are kept in %s: "
            "calibrate again to go on",
            len(kept),
            wanted,
            self.path,
        )

    def discard(self) -> None:
        """Forget the file, once calibration is complete."""
        try:
            Path(self.path).unlink(missing_ok=True)
        except OSError as error:
            _log.warning("%s: could not be removed: %s", self.path, error)
