"""Meta-training of the `edgewise` predictor: the prior over a device's costs.

What the priors of all spaces share; how each is learnt stands in ``prior_nasbench201``,
``prior_blocks`` and ``prior_transformer``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from edgewise import _core
from edgewise.errors import ArgumentError
from edgewise.latency.edgewise import EdgewisePredictor
from edgewise.spaces import get_space
from edgewise_converter.latency.tables import DeviceInfo

FloatArray = NDArray[np.float64]


class Settings(Protocol):
    """What every prior's settings say; they are dataclasses.

    Attributes:
        floor: noise is relative to latency, but to no less than this share of the mean.
        interval_scale: factor on the width of intervals.
    """

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def floor(self) -> float: ...
    @property
    def interval_scale(self) -> float: ...


@dataclass(frozen=True)
class Covariances:
    """G covariances of P costs, factors diag(variance[g]) factors' + diag(own[g]).

    Attributes:
        factors: (P, F).
        variance: (G, F).
        own: (G, P).
        log_weight: (G,) how probable each is, unnormalised.
    """

    factors: FloatArray
    variance: FloatArray
    own: FloatArray
    log_weight: FloatArray


@dataclass(frozen=True)
class Prior:
    """A trained prior.

    Sizes: H semantics, G covariances, F factors of them, R noise levels, P feature columns.
    """

    space: str
    devices: tuple[str, ...]
    settings: Settings
    semantics: tuple[str, ...]
    semantics_log_weight: FloatArray
    execution: FloatArray
    mean: FloatArray
    factors: FloatArray
    factor_variance: FloatArray
    own_variance: FloatArray
    covariance_log_weight: FloatArray
    noise: FloatArray
    noise_log_weight: FloatArray

    def predictor(self) -> EdgewisePredictor:
        """The predictor of the SDK, without references of its own."""
        return EdgewisePredictor(self.core())

    def core(self) -> _core.LatencyPrior:
        """The prior as the core adapts it."""
        return _core.LatencyPrior(
            space=get_space(self.space),
            semantics=list(self.semantics),
            semantics_log_weight=self.semantics_log_weight,
            execution=self.execution,
            mean=self.mean,
            factors=self.factors,
            factor_variance=self.factor_variance,
            own_variance=self.own_variance,
            covariance_log_weight=self.covariance_log_weight,
            noise=self.noise,
            noise_log_weight=self.noise_log_weight,
            floor=self.settings.floor,
            interval_scale=self.settings.interval_scale,
        )

    def tensors(self) -> dict[str, NDArray[Any]]:
        """The tensors "edgewise.*" of a latency bundle."""
        names = np.frombuffer("\n".join(self.semantics).encode(), dtype=np.uint8)
        settings = np.array([self.settings.floor, self.settings.interval_scale])
        return {
            "edgewise.semantics": names,
            "edgewise.semantics_log_weight": self.semantics_log_weight,
            "edgewise.execution": self.execution,
            "edgewise.mean": self.mean,
            "edgewise.factors": self.factors,
            "edgewise.factor_variance": self.factor_variance,
            "edgewise.own_variance": self.own_variance,
            "edgewise.covariance_log_weight": self.covariance_log_weight,
            "edgewise.noise": self.noise,
            "edgewise.noise_log_weight": self.noise_log_weight,
            "edgewise.settings": settings,
        }


def balanced_weights(devices: Sequence[str], info: Mapping[str, DeviceInfo]) -> FloatArray:
    """Weights (D,) that sum to one: families alike, within them hardware, within that settings.

    Raises:
        ArgumentError: a device that ``info`` does not know.
    """
    for device in devices:
        if device not in info:
            raise ArgumentError(f"no family is known for device {device!r}; add it to devices.json")
    families = {info[device].family for device in devices}
    weights = []
    for device in devices:
        family = [other for other in devices if info[other].family == info[device].family]
        hardware = {info[other].hardware for other in family}
        same = [other for other in family if info[other].hardware == info[device].hardware]
        weights.append(1.0 / len(families) / len(hardware) / len(same))
    return np.array(weights)
