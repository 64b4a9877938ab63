"""The embedder: a compiled network that turns pictures into vectors, out of a bundle."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from .. import _core
from ..arguments import positive_int
from ..bundle import Bundle
from ..errors import ArgumentError, BundleError, RuntimeUnavailableError
from ..runtimes import RUNTIMES, Runtime, Session, get_runtime
from ..shipped import describe, open_shipped

if TYPE_CHECKING:
    from numpy.typing import NDArray

PRECISIONS = ("float32", "int8")
METRICS = ("cosine", "euclidean")
_BEST_SCORE, _BACKGROUND = "best_score", "background"
"""Rules: the best score is held against the threshold as it is, or less the background's level."""
_LARGEST = 1 << 16  # of a picture's side, or numbers of an embedding


class Calibration(NamedTuple):
    """Constants of a head that the host set on classes that were in no training."""

    temperature: float
    """Probabilities are softmax(temperature * score)."""
    threshold: float
    """A picture whose best score, less the background's level, is below this is of no known
    class."""
    background: _core.Background | None = None
    """What any picture is somewhat like; None: the best score is taken as it is."""


class Network(Protocol):
    """What a classifier stands on: a loaded network that describes pictures. Thread-safe."""

    bundle: Bundle
    name: str
    height: int
    """Of the pictures it takes, pixels."""
    width: int
    dim: int
    """How many numbers describe a picture."""
    metric: str
    precision: str
    runtime: str

    @property
    def calibration(self) -> Calibration:
        """Of the prototype head."""

    def embed(self, pictures: Iterable[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Pictures of its size, (1, height, width, 3) uint8 each, to (N, dim)."""

    def describe(self) -> dict[str, str]:
        """What a saved file says of it."""

    def has(self, module: str) -> bool:
        """Whether there is `module` in the same precision and for the same runtime."""

    def load(self, module: str) -> Session:
        """A further network, in the same precision and runtime."""


class Embedder:
    """A loaded embedder. Thread-safe: runs are serialised."""

    def __init__(
        self, bundle: Bundle, *, runtime: str, precision: str | None, threads: int
    ) -> None:
        """Load one of a bundle's models.

        Args:
            bundle: of kind `embedder`.
            runtime: name of a runtime; `auto`: the first that works and that the bundle is for.
            precision: `float32` or `int8`; None takes the first that the bundle names and has.
            threads: of the runtime.

        Raises:
            ArgumentError: the bundle has no such model for that runtime.
            BundleError: its manifest is incomplete, or the model is not what it says.
            RuntimeUnavailableError: the runtime does not work here.
        """
        self.bundle = bundle
        self.name = bundle.name
        about = _about(bundle)
        self.height, self.width, _ = about["image"]
        self.dim = about["dim"]
        self.metric = str(about["metric"])
        self._calibration = calibration_of(bundle, "embedder")
        self._threads = positive_int("threads", threads)
        self._engine, self.precision = _choose(bundle, about, runtime, precision)
        self.runtime = self._engine.name
        self._session = self.load("embedder")
        self._dtype = self._checked_dtype()

    @property
    def calibration(self) -> Calibration:
        """Of the prototype head."""
        return self._calibration

    def describe(self) -> dict[str, str]:
        """What a saved file says of it."""
        return describe(self.bundle)

    def has(self, module: str) -> bool:
        """Whether the bundle has `module` in the embedder's precision and for its runtime."""
        return _model(module, self.precision, self._engine) in self.bundle

    def load(self, module: str) -> Session:
        """A network of the bundle, in the embedder's precision and runtime."""
        model = self.bundle.blob(_model(module, self.precision, self._engine))
        try:
            return self._engine.load(model, threads=self._threads)
        except ArgumentError as error:
            raise BundleError(f"{self.bundle.path}: its {module}: {error}") from error

    def embed(self, pictures: Iterable[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Pictures of the embedder's size, (1, height, width, 3) uint8 each, to (N, dim)."""
        run, dtype = self._session.run, self._dtype
        rows = [run(picture.astype(dtype, copy=False))[0] for picture in pictures]
        if not rows:
            return np.zeros((0, self.dim), np.float32)
        whole = rows[0] if len(rows) == 1 else np.concatenate(rows)
        return whole.astype(np.float32, copy=False)

    def _checked_dtype(self) -> np.dtype[Any]:
        """What the model takes; BundleError unless it maps one picture to one embedding."""
        taken, given = self._session.inputs, self._session.outputs
        wanted = [(1, self.height, self.width, 3), (1, self.dim)]
        found = [tensor.shape for tensor in (*taken, *given)]
        if found != wanted or taken[0].dtype not in (np.float32, np.uint8):
            raise BundleError(
                f"{self.bundle.path}: its model has tensors {found} and takes {taken[0].dtype}, "
                f"the manifest says {wanted} and pixels are float32 or uint8"
            )
        return taken[0].dtype


def open_embedder(embedder: str | Path | Bundle) -> Bundle:
    """The embedder bundle at a path, or for `default` the one that ships with the package.

    Raises BundleError when there is none, or it is damaged or of another kind.
    """
    return open_shipped("embedder", embedder)


def calibration_of(bundle: Bundle, head: str) -> Calibration:
    """The constants of a head, `embedder` (prototypes) or `relation`, in a bundle's manifest.

    Raises BundleError when they are missing, cannot be, or have a rule that is unknown here.
    """
    about = bundle.manifest.get(head)
    try:
        unknown = about["unknown"]  # type: ignore[index]
        rule = unknown.get("rule", _BEST_SCORE)
        found = Calibration(_number(about["temperature"]), _number(unknown["threshold"]))  # type: ignore[index]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BundleError(
            f"{bundle.path}: the manifest's {head} has no usable calibration ({error!r})"
        ) from error
    # Only embedders have classes that they learnt from beside them.
    rules = (_BEST_SCORE, _BACKGROUND) if head == "embedder" else (_BEST_SCORE,)
    if rule not in rules or not 0 < found.temperature < math.inf or math.isnan(found.threshold):
        raise BundleError(f"{bundle.path}: {head} has a rule or constants unknown here: {about}")
    if rule == _BACKGROUND:
        found = found._replace(background=_background(bundle, about))  # type: ignore[arg-type]
    return found


def _number(value: object) -> float:
    """A JSON number, as the core reads it too: no text, no truth value; TypeError for these."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{value!r} is no number")
    return float(value)


def _background(bundle: Bundle, about: dict[str, Any]) -> _core.Background:
    """What the rule `background` needs; BundleError when it cannot be, or not with the rest."""
    unknown = about["unknown"]
    rows, scales = bundle.tensor("background"), bundle.tensor("background.scale")
    try:
        nearest, share = unknown["nearest"], _number(unknown["share"])
        if type(nearest) is not int or not 1 <= nearest <= len(rows):
            raise ArgumentError(f"of {len(rows)} directions it takes the nearest {nearest!r}")
        found = _core.Background(rows, scales, share, nearest)
    except (KeyError, TypeError, ValueError) as error:
        raise BundleError(f"{bundle.path}: its background cannot be: {error!r}") from error
    if (found.dim, "cosine") != (about.get("dim"), about.get("metric")):
        raise BundleError(
            f"{bundle.path}: its background of {found.dim} numbers and cosines does not go with "
            f"its dim {about.get('dim')!r} and metric {about.get('metric')!r}"
        )
    return found


def _about(bundle: Bundle) -> dict[str, Any]:
    about = bundle.manifest.get("embedder")
    wanted = ("dim", "image", "metric", "temperature", "unknown", "weights")
    missing = [key for key in wanted if not isinstance(about, dict) or key not in about]
    if missing or not isinstance(about, dict):
        raise BundleError(
            f"{bundle.path}: the manifest lacks embedder.{missing[0]}; compile it again"
        )
    if not _is_sizes([about["dim"]], 1) or not _is_sizes(about["image"], 3):
        raise BundleError(f"{bundle.path}: embedder.dim and embedder.image are no sizes: {about}")
    if not isinstance(about["weights"], list):
        raise BundleError(f"{bundle.path}: embedder.weights is no list")
    if about["metric"] not in METRICS:
        raise BundleError(f"{bundle.path}: its metric {about['metric']!r} is unknown here")
    return about


def _is_sizes(value: Any, count: int) -> bool:
    """Whether a manifest's value is a list of so many sizes."""
    return (
        isinstance(value, list)
        and len(value) == count
        and all(type(size) is int and 1 <= size <= _LARGEST for size in value)
    )


def _choose(
    bundle: Bundle, about: dict[str, Any], runtime: str, precision: str | None
) -> tuple[Runtime, str]:
    """The first runtime that works here and has a model, and the first precision of it."""
    if precision is not None and precision not in PRECISIONS:
        raise ArgumentError(f"precision must be one of {', '.join(PRECISIONS)}, not {precision!r}")
    wanted = [precision] if precision else [str(name) for name in about["weights"]]
    for name in RUNTIMES if runtime == "auto" else (runtime,):
        try:
            engine = get_runtime(name)
        except RuntimeUnavailableError:
            continue
        for each in wanted:
            if _model("embedder", each, engine) in bundle:
                return engine, each
    engine = get_runtime(runtime)  # where none works, this says why
    raise ArgumentError(
        f"{bundle.path}: has no {' or '.join(wanted)} model for runtimes that read {engine.format}"
    )


def _model(module: str, precision: str, engine: Runtime) -> str:
    return f"{module}.{precision}.{engine.format}"
