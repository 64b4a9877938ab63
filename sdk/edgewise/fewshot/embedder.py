"""The embedder: a compiled network that turns pictures into vectors, out of a bundle."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arguments import positive_int
from ..bundle import Bundle
from ..errors import ArgumentError, BundleError
from ..runtimes import get_runtime
from ..shipped import BUNDLES
from .pictures import resized

if TYPE_CHECKING:
    from numpy.typing import NDArray

PRECISIONS = ("float32", "int8")


class Embedder:
    """A loaded embedder. Thread-safe: runs are serialised."""

    def __init__(
        self, bundle: Bundle, *, runtime: str, precision: str | None, threads: int
    ) -> None:
        """Load one of a bundle's models.

        Args:
            bundle: of kind `embedder`.
            runtime: name of a runtime, or `auto`.
            precision: `float32` or `int8`; None takes the first that the bundle names and has.
            threads: of the runtime.

        Raises:
            ArgumentError: the bundle has no such model for that runtime.
            BundleError: its manifest is incomplete.
            RuntimeUnavailableError: the runtime does not work here.
        """
        self.bundle = bundle
        self._about = _about(bundle)
        self.height, self.width = self._about["image"][:2]
        self.dim: int = self._about["dim"]
        chosen = get_runtime(runtime)
        self.runtime = chosen.name
        self.precision = _choose(bundle, self._about, chosen.format, precision)
        model = bundle.blob(f"embedder.{self.precision}.{chosen.format}")
        self._session = chosen.load(model, threads=positive_int("threads", threads))
        self._dtype = self._session.inputs[0].dtype

    @property
    def metric(self) -> str:
        """`cosine` or `euclidean`: how embeddings are compared."""
        return str(self._about["metric"])

    @property
    def temperature(self) -> float:
        """Factor on scores in the softmax, set on classes that were in no training."""
        return float(self._about["temperature"])

    @property
    def unknown_below(self) -> float:
        """A picture whose best score is below this is of no known class."""
        return float(self._about["unknown"]["threshold"])

    def embed(self, pictures: Iterable[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Pictures (H, W, 3) uint8 of any sizes to (N, dim) float32."""
        rows = [
            self._session.run(resized(picture, self.height, self.width).astype(self._dtype))[0][0]
            for picture in pictures
        ]
        return np.array(rows, dtype=np.float32).reshape(len(rows), self.dim)


def open_embedder(embedder: str | Path | Bundle) -> Bundle:
    """The embedder bundle at a path, or for `default` the one that ships with the package.

    Raises BundleError when there is none, or it is damaged or of another kind.
    """
    if isinstance(embedder, Bundle):
        return embedder
    path = BUNDLES / "embedder.safetensors" if embedder == "default" else Path(embedder)
    if embedder == "default" and not path.is_file():
        raise BundleError(f"{path}: no embedder ships with this build; pass the path of a bundle")
    return Bundle.open(path, kind="embedder")


def _about(bundle: Bundle) -> dict[str, Any]:
    about = bundle.manifest.get("embedder")
    wanted = ("dim", "image", "metric", "temperature", "unknown", "weights")
    missing = [key for key in wanted if not isinstance(about, dict) or key not in about]
    if missing or not isinstance(about, dict):
        raise BundleError(
            f"{bundle.path}: the manifest lacks embedder.{missing[0]}; compile it again"
        )
    return about


def _choose(bundle: Bundle, about: dict[str, Any], file_format: str, precision: str | None) -> str:
    if precision is not None and precision not in PRECISIONS:
        raise ArgumentError(f"precision must be one of {', '.join(PRECISIONS)}, not {precision!r}")
    wanted = [precision] if precision else [str(name) for name in about["weights"]]
    for name in wanted:
        if f"embedder.{name}.{file_format}" in bundle:
            return name
    raise ArgumentError(
        f"{bundle.path}: has no {' or '.join(wanted)} model for runtimes that read {file_format}"
    )
