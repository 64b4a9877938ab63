"""Checks compiled models against torch, on fresh random inputs, in every runtime that works."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from edgewise.errors import EdgewiseError
from edgewise.runtimes import available_runtimes, get_runtime

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from edgewise.runtimes import Runtime


@dataclass(frozen=True)
class Parity:
    """How far one runtime's answers lie from torch's."""

    runtime: str
    version: str
    """Of the runtime."""
    cases: int
    """Inputs that were compared."""
    error: float
    """Largest relative difference from torch, of the worst case."""

    def as_json(self) -> dict[str, Any]:
        """For a manifest."""
        return asdict(self)


class ParityError(EdgewiseError):
    """A compiled model does not compute what torch computes."""


def relative_error(found: NDArray[np.float32], expected: NDArray[np.float32]) -> float:
    """Largest absolute difference over the largest absolute expected value; inf if not finite."""
    if found.shape != expected.shape or not np.all(np.isfinite(found)):
        return float("inf")
    scale = float(np.abs(expected).max()) or 1.0
    return float(np.abs(found.astype(np.float64) - expected).max()) / scale


def summarise(runtime: Runtime, errors: Sequence[float]) -> Parity:
    """The parity that the errors of single cases amount to."""
    return Parity(runtime.name, runtime.version(), len(errors), max(errors))


def check_classifier(
    module: torch.nn.Module,
    files: Mapping[str, bytes],
    *,
    image: tuple[int, int, int] = (3, 32, 32),
    channels_last: bool = True,
    cases: int = 3,
    seed: int = 0,
    tolerance: float = 1e-5,
) -> list[Parity]:
    """Check a classifier's files, by format, on ``cases`` random images in every runtime.

    Args:
        module: (1, C, H, W) to (1, classes), in evaluation mode.
        files: model files by format, ``tflite`` and ``onnx`` (channels first).
        image: (C, H, W).
        channels_last: the ``tflite`` files take (1, H, W, C), as those written here do.
        cases: number of images.
        seed: of the images.
        tolerance: largest relative error that passes.

    Raises:
        ParityError: a runtime's answers differ by more.
        RuntimeUnavailableError: no installed runtime reads any of the files.
    """
    generator = torch.Generator().manual_seed(seed)
    images = [torch.randn(1, *image, generator=generator) for _ in range(cases)]
    with torch.no_grad():
        expected = [module(image).numpy() for image in images]
    found: list[Parity] = []
    for runtime in installed_runtimes():
        if runtime.format not in files:
            continue
        session = runtime.load(files[runtime.format])
        last = channels_last and runtime.format == "tflite"
        errors = []
        for sample, answer in zip(images, expected, strict=True):
            (output,) = session.run(_layout(sample, last))
            errors.append(relative_error(output.astype(np.float32), answer))
        found.append(summarise(runtime, errors))
    for parity in found:
        require(parity, tolerance)
    return found


def require(parity: Parity, tolerance: float) -> None:
    """Raise ParityError when ``parity`` is worse than ``tolerance``."""
    if not parity.error <= tolerance:
        raise ParityError(
            f"{parity.runtime} {parity.version} differs from torch by {parity.error:.2g} "
            f"(relative), more than {tolerance:g}"
        )


def worst(parities: Iterable[Parity]) -> list[Parity]:
    """The worst of each runtime, with all its cases counted."""
    merged: dict[str, Parity] = {}
    for parity in parities:
        before = merged.get(parity.runtime)
        if before is not None:
            error = max(before.error, parity.error)
            parity = Parity(parity.runtime, parity.version, before.cases + parity.cases, error)
        merged[parity.runtime] = parity
    return list(merged.values())


def installed_runtimes() -> list[Runtime]:
    """Every runtime that works here."""
    return [get_runtime(name) for name in available_runtimes()]


def _layout(image: torch.Tensor, channels_last: bool) -> NDArray[np.float32]:
    array: NDArray[np.float32] = image.numpy()
    return np.ascontiguousarray(array.transpose(0, 2, 3, 1)) if channels_last else array
