"""Small dense networks as a zoo's bundle holds them: `NAME.0.weight`, `NAME.0.bias`, and so on."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..errors import BundleError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..bundle import Bundle


@dataclass(frozen=True)
class Dense:
    """Layers `x @ weight + bias` with ReLU between them."""

    layers: tuple[tuple[NDArray[np.float32], NDArray[np.float32]], ...]
    """(weight (inputs, outputs), bias (outputs,)) of each."""

    @property
    def inputs(self) -> int:
        """How many numbers it takes."""
        return int(self.layers[0][0].shape[0])

    @property
    def outputs(self) -> int:
        """How many numbers it gives."""
        return int(self.layers[-1][0].shape[1])

    def __call__(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """(N, inputs) to (N, outputs)."""
        for number, (weight, bias) in enumerate(self.layers):
            if number:
                rows = np.maximum(rows, np.float32(0))
            rows = rows @ weight + bias
        return rows

    def tensors(self, name: str) -> dict[str, NDArray[np.float32]]:
        """Under the names that :func:`read_dense` finds."""
        return {
            f"{name}.{number}.{part}": array
            for number, layer in enumerate(self.layers)
            for part, array in zip(("weight", "bias"), layer, strict=True)
        }


def read_dense(bundle: Bundle, name: str, inputs: int, outputs: int) -> Dense:
    """The network of that name.

    Raises BundleError, which names the bundle, when there is none, or not one of these sizes.
    """
    layers = []
    for number in itertools.count():
        if f"{name}.{number}.weight" not in bundle:
            break
        parts = [bundle.tensor(f"{name}.{number}.{part}") for part in ("weight", "bias")]
        if any(part.dtype != np.float32 or not np.isfinite(part).all() for part in parts):
            raise BundleError(f"{bundle.path}: {name}.{number} is not finite single precision")
        layers.append((parts[0], parts[1]))
    sizes = [inputs]
    for weight, bias in layers:
        if weight.ndim != 2 or weight.shape[0] != sizes[-1] or bias.shape != weight.shape[1:]:
            raise BundleError(
                f"{bundle.path}: layers of {name} do not fit: {weight.shape}, {bias.shape} "
                f"after {sizes[-1]} values"
            )
        sizes.append(len(bias))
    if not layers or sizes[-1] != outputs:
        raise BundleError(f"{bundle.path}: has no network {name} of {inputs} to {outputs} values")
    return Dense(tuple(layers))


def to_unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N, D) at unit length; a row of zeros stays one."""
    lengths = np.linalg.norm(rows, axis=-1, keepdims=True)
    return np.asarray(rows / np.maximum(lengths, np.float32(1e-12)), np.float32)
