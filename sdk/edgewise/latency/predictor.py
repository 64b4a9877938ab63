"""The interface of both predictors, and how one is taken from a bundle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ..bundle import Bundle
from ..errors import ArgumentError, BundleError
from ..shipped import BUNDLES
from .prediction import Prediction

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

PREDICTORS = ("edgewise", "help")
"""Names that `calibrate(predictor=...)` takes."""


class Adapted(Protocol):
    """A predictor that knows one device."""

    @property
    def embedding(self) -> NDArray[np.float64]:
        """The device, as a vector; devices that behave alike are near each other."""

    @property
    def noise(self) -> float:
        """Relative noise of the timings, as the predictor sees it."""

    @property
    def semantics(self) -> str:
        """Which operations this device's runtime executes, by name; empty if not modelled."""

    @property
    def hypotheses(self) -> Mapping[str, float]:
        """Probability of each such name that is still believed; empty if not modelled."""

    def predict(self, archs: str | Sequence[str], confidence: float = 0.9) -> Prediction:
        """Milliseconds and interval of one architecture or of a sequence. Thread-safe."""

    def next_reference(self, candidates: Sequence[str]) -> str:
        """The candidate whose timing would teach most."""


class Predictor(Protocol):
    """A meta-trained predictor that does not know the device yet."""

    @property
    def references(self) -> list[str]:
        """Architectures to time, the most telling first."""

    @property
    def min_samples(self) -> int:
        """The fewest timings it can adapt to."""

    def design(self, candidates: Sequence[str], count: int) -> list[str]:
        """The `count` candidates whose timings would teach most, chosen before any is timed.

        Raises ArgumentError when the predictor cannot do with these candidates.
        """

    def adapt(self, archs: Sequence[str], ms: ArrayLike, unsteady: float = 0.0) -> Adapted:
        """Learn a device on which `archs` took `ms` (N,) milliseconds each.

        `unsteady` is the relative standard deviation of the speed of the device as a whole while
        it was timed. It widens every interval and changes nothing else.
        """


def open_bundle(space: str, bundle: str | Path | Bundle | None = None) -> Bundle:
    """The latency bundle of `space`: the one given, or the one that ships with the package.

    Raises BundleError when there is none or it is unreadable, ArgumentError when the given one
    is for another space.
    """
    if bundle is None:
        path = BUNDLES / f"{space}.safetensors"
        if not path.is_file():
            raise BundleError(
                f"{path}: no latency bundle ships for space {space!r}; "
                "compile one (edgewise-converter compile latency) and pass it as bundle="
            )
        bundle = path
    opened = bundle if isinstance(bundle, Bundle) else Bundle.open(bundle, kind="latency")
    found = opened.manifest.get("space")
    if found != space:
        raise ArgumentError(f"{opened.path}: is for space {found!r}, not {space!r}")
    return opened


def load_predictor(name: str, bundle: Bundle, runtime: str) -> Predictor:
    """The predictor called `name` of a latency bundle.

    `runtime` (a name or `auto`) runs the compiled graphs of `help`; `edgewise` needs none.
    Raises ArgumentError for an unknown name, BundleError when the bundle lacks it.
    """
    if name == "edgewise":
        from .edgewise import EdgewisePredictor

        return EdgewisePredictor.from_bundle(bundle)
    if name == "help":
        from .help import HelpPredictor

        return HelpPredictor.from_bundle(bundle, runtime)
    raise ArgumentError(f"unknown predictor {name!r}; the predictors are {', '.join(PREDICTORS)}")
