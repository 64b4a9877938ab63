"""Networks of other spaces and of none, predicted from whatever was timed on the device.

A model file, or an architecture of another space than the device was calibrated in, is lowered to
kernels, and what they ask for is paid at the device's prices
(`native/include/edgewise/network_latency.hpp`). Prices come from every timing of the device alike,
so timings in one space sharpen the predictions in the others.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _core
from ..bundle import Bundle
from ..errors import ArgumentError
from ..shipped import BUNDLES
from .prediction import Prediction

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..measure import Measurement

_SUFFIXES = (".onnx", ".tflite")

ModelPath = str | os.PathLike[str]


class NetworkPrediction(Prediction):
    """A prediction in which model files or architectures of other spaces took part."""

    unknown: tuple[Any, ...]
    """Operators, each once, of which the predictor knows no more than their sizes; they widen the
    interval. Names of one network; of a sequence of N, a tuple of names for each."""

    @classmethod
    def of(cls, ms: Any, low: Any, high: Any, unknown: Sequence[Any]) -> NetworkPrediction:
        """Milliseconds and interval, as of `Prediction`."""
        made = cls(ms, low, high)
        made.unknown = tuple(unknown)
        return made


@dataclass(frozen=True)
class TimedNetwork:
    """A network that was timed, by name: the path of a model file, or a canonical architecture.

    `features`: (C,) float64, of `_core.network_columns`.
    """

    measurement: Measurement
    features: NDArray[np.float64]


@dataclass(frozen=True)
class Network:
    """A network lowered to kernels: what they ask for, (C,), and its unknown operators."""

    name: str
    features: NDArray[np.float64]
    unknown: tuple[str, ...] = ()


def is_model_file(arch: object) -> bool:
    """Whether `arch` names a model file: a path, or a string with the ending of one."""
    if isinstance(arch, str):
        return arch.lower().endswith(_SUFFIXES)
    return isinstance(arch, os.PathLike)


def find_network(arch: Any, own: _core.Space) -> Network | None:
    """The network that `arch` stands for beside space `own`; None for one of `own`, or of nothing.

    Raises ModelFileError, which names the file, the cause and the cure.
    """
    if is_model_file(arch):
        model = _core.read_model(os.fspath(arch))
        features = _core.network_features(model.kernels)
        return Network(os.fspath(arch), features, tuple(model.unknown))
    for name in (own.name, *_core.space_names()):
        space = _core.get_space(name)
        try:
            canonical = space.parse(arch)
        except (ArgumentError, TypeError):
            continue
        if name == own.name:
            return None
        return Network(canonical, _core.network_features(space.lower(canonical)))
    return None


def no_features() -> NDArray[np.float64]:
    """(C,) of a network without kernels."""
    return np.zeros(len(_core.network_columns()))


@functools.cache
def network_prior() -> _core.NetworkPrior:
    """The prior over prices that ships with the package. Raises BundleError when it is damaged."""
    bundle = Bundle.open(BUNDLES / "network.safetensors", kind="latency")
    return _core.NetworkPrior.load(bundle.core)


class NetworkPredictor:
    """Predicts networks by their kernels on one device. Immutable; it adapts when first asked."""

    def __init__(
        self,
        space: _core.Space,
        timed: Sequence[Measurement],
        networks: Sequence[TimedNetwork],
        unsteady: float = 0.0,
    ) -> None:
        """`timed` are architectures of `space`, `networks` whatever was timed beside them.

        `unsteady` as of `Predictor.adapt`.
        """
        self._unsteady = unsteady
        self._space = space
        self._timed = timed
        self._networks = networks

    def predict(self, networks: Sequence[Network], confidence: float) -> NetworkPrediction:
        """Milliseconds with their interval, (N,) each, of N networks."""
        rows = np.array([network.features for network in networks])
        found = self.predict_features(rows, confidence)
        return NetworkPrediction.of(*found, [network.unknown for network in networks])

    def predict_features(self, rows: NDArray[np.float64], confidence: float) -> Prediction:
        """The same of rows (N, C) of features, of `_core.network_columns`."""
        return Prediction(*self._adapted.predict(rows, confidence))

    @functools.cached_property
    def _adapted(self) -> _core.AdaptedNetwork:
        rows = [_core.network_features(self._space.lower(m.name)) for m in self._timed]
        rows += [network.features for network in self._networks]
        ms = [m.ms for m in (*self._timed, *(n.measurement for n in self._networks))]
        return network_prior().adapt(
            np.array(rows), np.array(ms), alike=len(self._timed), unsteady=self._unsteady
        )


def predict_mixed(
    predict: Callable[[Sequence[str], float], Prediction],
    networks: NetworkPredictor,
    archs: Sequence[Any],
    found: Sequence[Network | None],
    confidence: float,
) -> NetworkPrediction:
    """Milliseconds with their interval, (N,) each, of any networks in any order.

    `found` are those among `archs` that are priced by kernels, or None: `predict` is asked.
    """
    others = np.array([network is not None for network in found])
    priced = networks.predict([network for network in found if network is not None], confidence)
    values = np.empty((3, len(archs)))
    values[:, others] = priced
    if not others.all():
        own = [arch for arch, other in zip(archs, others, strict=True) if not other]
        values[:, ~others] = predict(own, confidence)
    ms, low, high = values
    unknown = [network.unknown if network is not None else () for network in found]
    return NetworkPrediction.of(ms, low, high, unknown)
