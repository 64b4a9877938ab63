"""The predictors inside a latency bundle, as methods of the evaluation: what a device would say."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgewise.bundle import Bundle
from edgewise.errors import ArgumentError
from edgewise.latency.predictor import load_predictor
from edgewise_converter.latency.methods import Adapter, Method, Sources
from edgewise_converter.latency.protocols import Target
from edgewise_converter.latency.scoring import Estimate


@dataclass(frozen=True)
class Bundled:
    """A bundle to be scored.

    Attributes:
        bundle: of kind ``latency``.
        runtime: runs its compiled HELP.
    """

    bundle: Bundle
    runtime: str

    @classmethod
    def open(cls, path: Path, runtime: str) -> Bundled:
        """Open a latency bundle; its faults are BundleError."""
        return cls(Bundle.open(path, kind="latency"), runtime)

    @property
    def trained_on(self) -> tuple[str, ...]:
        """Devices it must not be scored on."""
        return tuple(self.bundle.manifest.get("trained_on", ()))

    def references(self, count: int) -> list[str]:
        """Its first ``count`` designed references.

        Raises:
            ArgumentError: it has fewer.
        """
        archs = list(self.bundle.manifest.get("references", ()))
        if count > len(archs):
            raise ArgumentError(f"{self.bundle.path}: {len(archs)} references, {count} asked for")
        return archs[:count]

    def method(self, name: str) -> Method:
        """Predictor ``help`` or ``edgewise`` of the bundle."""
        return _FromBundle(name, load_predictor(name, self.bundle, self.runtime))


@dataclass(frozen=True)
class _FromBundle:
    name: str
    predictor: Any

    apart = False
    most_repetitions = 1

    def train(self, sources: Sources) -> Adapter:
        def adapt(target: Target) -> Estimate:
            timed, ms = target.timings()
            adapted = self.predictor.adapt(sources.archs(timed), ms)
            prediction = adapted.predict(sources.archs(target.query))
            return Estimate(*(np.asarray(values, dtype=np.float64) for values in prediction))

        return adapt
