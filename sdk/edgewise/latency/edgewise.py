"""The `edgewise` predictor: additive costs with a meta-trained prior, updated in the core."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from .. import _core
from ..bundle import Bundle
from ..errors import ArgumentError, BundleError
from ..spaces import get_space
from .prediction import Prediction

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray


class EdgewisePredictor:
    """A prior over devices: what their costs are like, before one of them is timed."""

    def __init__(self, prior: _core.LatencyPrior, references: Sequence[str] = ()) -> None:
        """Wrap a prior of the core; `references` are the architectures to time, best first."""
        self._prior = prior
        self.references = list(references)

    @classmethod
    def from_bundle(cls, bundle: Bundle) -> EdgewisePredictor:
        """Read the prior and the reference architectures of a latency bundle.

        Raises BundleError when it holds no such predictor.
        """
        references = bundle.manifest.get("references")
        if not isinstance(references, list) or "edgewise.mean" not in bundle:
            raise BundleError(f"{bundle.path}: holds no 'edgewise' predictor; compile it again")
        try:
            space = get_space(str(bundle.manifest.get("space")))
            space.encode(references)  # each is an architecture
        except ArgumentError as error:
            raise BundleError(f"{bundle.path}: {error}") from error
        return cls(_core.LatencyPrior.load(space, bundle.core), references)

    @property
    def min_samples(self) -> int:
        """The fewest timings it can adapt to."""
        return self._prior.minimum_samples

    def design(self, candidates: Sequence[str], count: int) -> list[str]:
        """The `count` candidates whose timings would teach most, chosen before any is timed.

        Greedy I-optimal design under the prior. Raises ArgumentError if there are fewer.
        """
        return [candidates[i] for i in self._prior.design(candidates, count)]

    def adapt(self, archs: Sequence[str], ms: ArrayLike, unsteady: float = 0.0) -> AdaptedEdgewise:
        """The device on which `archs` took `ms` (N,) milliseconds each.

        A closed-form Bayesian update, averaged by evidence over graph semantics, distance from
        the training devices and noise. `unsteady` as of `Predictor.adapt`. Raises ArgumentError
        for fewer than `min_samples` timings or one that is not positive and finite.
        """
        return AdaptedEdgewise(self._prior.adapt(archs, ms, unsteady))


class AdaptedEdgewise:
    """A known device: a table of costs in ms for each graph semantics. Immutable, thread-safe."""

    def __init__(self, core: _core.AdaptedLatency) -> None:
        """Wrap an adapted predictor of the core."""
        self._core = core

    @property
    def embedding(self) -> NDArray[np.float64]:
        """Expected cost of each feature in ms, (P,) float64; names: `_core.feature_columns`."""
        return self._core.embedding

    @property
    def noise(self) -> float:
        """What the costs leave unexplained of the timings: relative standard deviation."""
        return self._core.noise

    @property
    def semantics(self) -> str:
        """The most probable graph semantics: which operations the runtime executes."""
        weights = self._core.semantics
        return max(weights, key=weights.__getitem__)

    @property
    def hypotheses(self) -> dict[str, float]:
        """Probability of each graph semantics that is still believed."""
        return self._core.semantics

    def predict(self, archs: str | Sequence[str], confidence: float = 0.9) -> Prediction:
        """Milliseconds with their interval, of one architecture or (N,) of a sequence."""
        return Prediction._make(self._core.predict(archs, confidence))

    def next_reference(self, candidates: Sequence[str]) -> str:
        """The candidate whose timing would narrow the predictions of all of them most."""
        return candidates[self._core.next_reference(candidates)]
