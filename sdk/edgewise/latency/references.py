"""The reference models of a bundle: the files that a calibration times."""

from __future__ import annotations

from pathlib import Path

from ..bundle import Bundle
from ..errors import ArgumentError
from ..spaces import get_space
from .predictor import open_bundle

_FORMATS = ("tflite", "onnx")


def reference_model(
    arch: str,
    format: str = "tflite",  # noqa: A002 - the word that runtimes use for it
    *,
    space: str = "nasbench201",
    bundle: str | Path | Bundle | None = None,
) -> bytes:
    """The model file of a reference architecture, to be timed on a device from afar.

    These are the networks that `calibrate(measure=...)` asks for by default: float32, their weights
    a constant pattern that takes the time that any weights take.

    Args:
        arch: one of `calibrate(dry_run=True).architectures`.
        format: `tflite` or `onnx`.
        space: of the architecture.
        bundle: a latency bundle other than the one that ships for the space.

    Raises:
        ArgumentError: the bundle has no model of it, or none of that format.
        ArchitectureError: it is no architecture of the space.
        BundleError: the bundle is missing or damaged.
    """
    if format not in _FORMATS:
        raise ArgumentError(f"format must be one of {', '.join(_FORMATS)}, not {format!r}")
    return model_of(open_bundle(space, bundle), get_space(space).parse(arch), format)


def model_of(bundle: Bundle, arch: str, file_format: str) -> bytes:
    """The reference model of a canonical architecture; ArgumentError if the bundle has none."""
    shipped = bundle.manifest.get("references", [])
    if arch not in shipped:
        raise ArgumentError(
            f"the bundle {bundle.name!r} has no reference model of {arch}; "
            "only its references can be timed here, pass measure= to time others"
        )
    return bundle.blob(f"reference.{shipped.index(arch):02d}.{file_format}")
