"""HELP's predictor on the device: adapted and run through two compiled graphs, without torch.

Lee et al., "HELP: Hardware-adaptive Efficient Latency Prediction for NAS via Meta-Learning"
(NeurIPS 2021, arXiv 2106.08630), section 3. A latency bundle holds, in TFLite and ONNX,

``help.adapt``    (learner (P,), embedding (n,), choices (n, ...), scaled (n,), noise (S, Z))
                  -> adapted (S, A): the inner loop, for S draws of z;
``help.predict``  (adapted (S, A), embedding (n,), choices (Q, ...)) -> scaled (S, Q);

all float32, choices the codes of an architecture one-hot (`one_hot`), and beside them the tensors
``help.learner`` (P,) and ``help.noise`` (S, Z), standard normal. `manifest["help"]` gives the n
`references` and `residual`, the relative error that training left on devices it did not see.

Latencies are scaled to [0, 1] by the least and greatest of the n timings: nothing else is known of
a new device. The scaled timings are also its hardware embedding (section 3.2).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..bundle import Bundle
from ..errors import ArgumentError, BundleError, MeasurementError
from ..runtimes import Session, get_runtime
from ..spaces import get_space
from .prediction import Prediction

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from .._core import Space


_LEAST = 0.01


def one_hot(space: Space, codes: NDArray[np.integer]) -> NDArray[np.float32]:
    """Codes (N, L) as (N, K): each code one-hot over `space.choices`, one after the other."""
    columns = [codes[:, at, None] == choices for at, choices in enumerate(space.choices)]
    return np.concatenate(columns, axis=1).astype(np.float32)


def at_least_a_little(ms: NDArray[np.float64], fastest: float) -> NDArray[np.float64]:
    """Predictions (N,), none below a hundredth of the fastest timing: the network knows no zero."""
    return np.maximum(ms, _LEAST * fastest)


class HelpPredictor:
    """HELP as meta-trained, before it knows a device."""

    def __init__(
        self,
        space: Space,
        adapt: Session,
        predict: Session,
        learner: NDArray[np.float32],
        noise: NDArray[np.float32],
        references: Sequence[str],
        residual: float,
    ) -> None:
        self.references = list(references)
        self.min_samples = len(self.references)
        self._space = space
        self._adapt = adapt
        self._predict = predict
        self._learner = learner
        self._noise = noise
        self._residual = residual

    @classmethod
    def from_bundle(cls, bundle: Bundle, runtime: str = "auto") -> HelpPredictor:
        """Load the graphs of a latency bundle into `runtime`.

        Raises BundleError when the bundle holds no HELP, RuntimeUnavailableError when the runtime
        does not work.
        """
        about = bundle.manifest.get("help")
        if not isinstance(about, Mapping):
            raise BundleError(f"{bundle.path}: holds no HELP predictor")
        engine = get_runtime(runtime)
        adapt, predict = (
            engine.load(bundle.blob(f"help.{name}.{engine.format}"))
            for name in ("adapt", "predict")
        )
        return cls(
            get_space(bundle.manifest["space"]),
            adapt,
            predict,
            bundle.tensor("help.learner"),
            bundle.tensor("help.noise"),
            about["references"],
            float(about["residual"]),
        )

    def design(self, candidates: Sequence[str], count: int) -> list[str]:
        """Its references, when all of them are candidates; ArgumentError otherwise."""
        missing = set(self.references) - {self._space.parse(arch) for arch in candidates}
        if missing or count != len(self.references):
            raise ArgumentError(
                f"predictor 'help' needs its {len(self.references)} references timed, no more and "
                f"no fewer; {len(missing)} of them are no candidates and samples={count}"
            )
        return list(self.references)

    def adapt(self, archs: Sequence[str], ms: ArrayLike, unsteady: float = 0.0) -> AdaptedHelp:
        """Adapt to the timings `ms` (N,) milliseconds of exactly its references, in any order.

        Raises ArgumentError for other architectures, MeasurementError when all take equally long,
        which leaves nothing to scale by.
        """
        values = np.asarray(ms, np.float64).tolist()
        timed = {self._space.parse(arch): ms for arch, ms in zip(archs, values, strict=True)}
        if set(timed) != set(self.references):
            raise ArgumentError(
                f"predictor 'help' adapts to the timings of its {len(self.references)} reference "
                f"architectures and no others; {len(set(timed) & set(self.references))} of them "
                f"and {len(set(timed) - set(self.references))} others were given"
            )
        times = np.array([timed[arch] for arch in self.references])
        low, high = float(times.min()), float(times.max())
        if not high > low:
            raise MeasurementError(f"all {len(times)} timings are {low} ms; HELP cannot scale that")
        scaled = ((times - low) / (high - low)).astype(np.float32)
        choices = self._choices(self.references)
        (adapted,) = self._adapt.run(self._learner, scaled, choices, scaled, self._noise)
        return AdaptedHelp(self, adapted, scaled, low, high, unsteady)

    def _choices(self, archs: str | Sequence[str]) -> NDArray[np.float32]:
        """(N, ...) float32, in the shape that the graphs take."""
        shape = self._predict.inputs[2].shape[1:]
        return one_hot(self._space, self._space.encode(archs)).reshape(-1, *shape)

    def _scaled(
        self, adapted: NDArray[Any], embedding: NDArray[np.float32], archs: str | Sequence[str]
    ) -> NDArray[np.float64]:
        """(S, N) scaled latencies, in batches of the graph's size, the last one filled up."""
        choices = self._choices(archs)
        count, batch = len(choices), self._predict.inputs[2].shape[0]
        parts = []
        for start in range(0, count, batch):
            part = choices[start : start + batch]
            missing = batch - len(part)
            if missing:
                part = np.concatenate([part, np.repeat(part[-1:], missing, axis=0)])
            (scaled,) = self._predict.run(adapted, embedding, part)
            parts.append(scaled)
        joined = np.concatenate(parts, axis=1) if parts else np.zeros((len(adapted), 0))
        return joined[:, :count].astype(np.float64)


class AdaptedHelp:
    """HELP adapted to one device. Thread-safe: its sessions serialise their runs."""

    semantics = ""

    def __init__(
        self,
        predictor: HelpPredictor,
        adapted: NDArray[Any],
        embedding: NDArray[np.float32],
        low: float,
        high: float,
        unsteady: float,
    ) -> None:
        self._unsteady = unsteady
        self._predictor = predictor
        self._adapted = adapted
        self._scaled_references = embedding
        self._low, self._range = low, high - low
        self.noise = predictor._residual
        self.hypotheses: dict[str, float] = {}

    @property
    def embedding(self) -> NDArray[np.float64]:
        """(n,) timings of the references, scaled to [0, 1]."""
        return self._scaled_references.astype(np.float64)

    def predict(self, archs: str | Sequence[str], confidence: float = 0.9) -> Prediction:
        """Milliseconds, positive: the mean over the draws of z.

        The interval is normal; its variance is that of the draws plus the squares of the relative
        residual that was found when the bundle was made, and of the unsteady speed. HELP itself
        gives no interval, and its draws alone are far too sure of themselves.
        """
        if not 0 < confidence < 1:
            raise ArgumentError(f"confidence must be between 0 and 1, not {confidence!r}")
        from statistics import NormalDist

        draws = self._predictor._scaled(self._adapted, self._scaled_references, archs)
        draws = self._low + self._range * draws
        ms = at_least_a_little(draws.mean(axis=0), self._low)
        other = math.hypot(self.noise, self._unsteady) * ms
        deviation = np.sqrt(draws.var(axis=0) + other**2)
        reach = NormalDist().inv_cdf(0.5 + confidence / 2) * deviation
        low, high = np.maximum(ms - reach, 0.0), ms + reach
        if isinstance(archs, str):
            return Prediction(float(ms[0]), float(low[0]), float(high[0]))
        return Prediction(ms, low, high)

    def next_reference(self, candidates: Sequence[str]) -> str:
        """HELP adapts to its references and has no use for another timing: ArgumentError."""
        raise ArgumentError(
            f"predictor 'help' takes no timing beyond its references; "
            f"none of the {len(candidates)} candidates would teach it anything"
        )


__all__ = ["AdaptedHelp", "HelpPredictor", "at_least_a_little", "one_hot"]
