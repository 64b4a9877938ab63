"""Networks of no space: a model file predicted from whatever was timed on the device.

The file is lowered to kernels, and what they ask for is paid at the device's prices
(`native/include/edgewise/network_latency.hpp`). Prices come from every timing of the device alike:
of architectures, which their space lowers to kernels, and of model files.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _core
from ..bundle import Bundle
from .prediction import Prediction
from .predictor import BUNDLES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..measure import Measurement

_SUFFIXES = (".onnx", ".tflite")

ModelPath = str | os.PathLike[str]


class ModelPrediction(Prediction):
    """A prediction in which model files took part."""

    unknown: tuple[Any, ...]
    """Operators, each once, of which the predictor knows no more than their sizes; they widen the
    interval. Names of one file; of a sequence of N, a tuple of names for each."""

    @classmethod
    def of(cls, ms: Any, low: Any, high: Any, unknown: Sequence[Any]) -> ModelPrediction:
        """Milliseconds and interval, as of `Prediction`."""
        made = cls(ms, low, high)
        made.unknown = tuple(unknown)
        return made


@dataclass(frozen=True)
class TimedNetwork:
    """A model file that was timed. `features`: (C,) float64, of `_core.network_columns`."""

    measurement: Measurement
    features: NDArray[np.float64]


def is_model_file(arch: object) -> bool:
    """Whether `arch` names a model file: a path, or a string with the ending of one."""
    if isinstance(arch, str):
        return arch.lower().endswith(_SUFFIXES)
    return isinstance(arch, os.PathLike)


def read_features(path: ModelPath) -> tuple[NDArray[np.float64], list[str]]:
    """What the kernels of a model file ask for, (C,), and its unknown operators.

    Raises ModelFileError, which names the file, the cause and the cure.
    """
    model = _core.read_model(os.fspath(path))
    return _core.network_features(model.kernels), model.unknown


def no_features() -> NDArray[np.float64]:
    """(C,) of a network without kernels."""
    return np.zeros(len(_core.network_columns()))


@functools.cache
def network_prior() -> _core.NetworkPrior:
    """The prior over prices that ships with the package. Raises BundleError when it is damaged."""
    bundle = Bundle.open(Path(BUNDLES) / "network.safetensors", kind="latency")
    return _core.NetworkPrior.load(bundle.core)


class NetworkPredictor:
    """Predicts model files on one device. Immutable; it adapts when it is first asked."""

    def __init__(
        self, space: _core.Space, timed: Sequence[Measurement], networks: Sequence[TimedNetwork]
    ) -> None:
        """`timed` are architectures of `space`, `networks` the model files timed beside them."""
        self._space = space
        self._timed = timed
        self._networks = networks

    def predict(self, paths: Sequence[ModelPath], confidence: float) -> ModelPrediction:
        """Milliseconds with their interval, (N,) each, of N model files.

        Raises ModelFileError, which names the file, the cause and the cure.
        """
        read = [read_features(path) for path in paths]
        rows = np.array([features for features, _ in read])
        unknown = [tuple(names) for _, names in read]
        ms, low, high = self._adapted.predict(rows, confidence)
        return ModelPrediction.of(ms, low, high, unknown)

    def predict_one(self, path: ModelPath, confidence: float) -> ModelPrediction:
        """The same of one, floats."""
        found = self.predict([path], confidence)
        ms, low, high = (float(value[0]) for value in found)
        return ModelPrediction.of(ms, low, high, found.unknown[0])

    @functools.cached_property
    def _adapted(self) -> _core.AdaptedNetwork:
        rows = [_core.network_features(self._space.lower(m.name)) for m in self._timed]
        rows += [network.features for network in self._networks]
        ms = [m.ms for m in (*self._timed, *(n.measurement for n in self._networks))]
        return network_prior().adapt(np.array(rows), np.array(ms))


def predict_mixed(
    predict: Callable[[Sequence[str], float], Prediction],
    networks: NetworkPredictor,
    archs: Sequence[Any],
    confidence: float,
) -> ModelPrediction:
    """Milliseconds with their interval, (N,) each, of architectures and model files in any order.

    `predict` is asked about the former.
    """
    files = np.array([is_model_file(arch) for arch in archs])
    found = np.empty((3, len(archs)))
    of_files = networks.predict(
        [a for a, file in zip(archs, files, strict=True) if file], confidence
    )
    found[:, files] = of_files
    others = [arch for arch, file in zip(archs, files, strict=True) if not file]
    if others:
        found[:, ~files] = predict(others, confidence)
    ms, low, high = found
    unknown = iter(of_files.unknown)
    return ModelPrediction.of(ms, low, high, [next(unknown) if file else () for file in files])
