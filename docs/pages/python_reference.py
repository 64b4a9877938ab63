"""The page of the Python interface: which names it shows, in which order; autodoc does the rest."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
from pathlib import Path
from typing import Any

import edgewise

from . import stub_reference

SECTIONS: dict[str, tuple[str, tuple[str, ...]]] = {
    "Latency": (
        "What is calibrated and asked.",
        ("calibrate", "predict", "current_device", "reference_model", "Device"),
    ),
    "What latency answers": (
        "Records; none is made by a caller.",
        (
            "Prediction",
            "NetworkPrediction",
            "latency.Plan",
            "latency.Check",
            "latency.Found",
            "measure.Measurement",
        ),
    ),
    "Few-shot classification": (
        "Classes that are shown while the app runs.",
        ("FewShotClassifier", "Classification"),
    ),
    "Retrieval": (
        "Pretrained networks, by pictures and limits.",
        ("ModelZoo", "Hits", "Hit", "Entry", "retrieval.ZooNetwork", "retrieval.Answer"),
    ),
    "Spaces": (
        "How architectures are written and taken apart.",
        ("spaces.get_space", "spaces.space_names", "spaces.Space", "spaces.Kernel"),
    ),
    "Bundles": (
        "The file that crosses from host to device (:doc:`file-format`).",
        ("bundle.Bundle", "bundle.write_bundle"),
    ),
    "Errors": (
        "All of them are `edgewise.EdgewiseError`.",
        (
            "EdgewiseError",
            "ArgumentError",
            "ArchitectureError",
            "PictureError",
            "BundleError",
            "ModelFileError",
            "RuntimeUnavailableError",
            "MeasurementError",
            "NotCalibratedError",
            "ProfileError",
            "StorageError",
        ),
    ),
}
"""Title, what is said of it, and names below `edgewise`. Every public name is in one of them."""

_OF_THE_CORE = ("spaces.Space", "spaces.Kernel")


def page() -> str:
    """The page as reStructuredText.

    Raises:
        ValueError: a name of `edgewise.__all__` is in no section.
    """
    shown = {name for _, names in SECTIONS.values() for name in names}
    missing = set(edgewise.__all__) - shown - {"__version__"}
    if missing:
        raise ValueError(f"no section of the Python reference shows {', '.join(sorted(missing))}")
    lines = [*_title("Python interface", "="), ".. py:module:: edgewise", ""]
    lines += [
        "``import edgewise as sdk``. What stands here below ``edgewise`` itself is what the",
        ":doc:`version <changelog>` promises; names of its modules are what those answer with.",
        "",
        ".. py:data:: __version__",
        "   :type: str",
        "",
        "   The version of the package and of its core, MAJOR.MINOR.PATCH.",
        "",
    ]
    for title, (about, names) in SECTIONS.items():
        lines += [*_title(title, "-"), about, ""]
        for name in names:
            lines += [*_directive(name), ""]
    return "\n".join(lines)


def _title(text: str, line: str) -> list[str]:
    return [text, line * len(text), ""]


def _directive(name: str) -> list[str]:
    module, _, last = f"edgewise.{name}".rpartition(".")
    if name in _OF_THE_CORE:
        stub = Path(edgewise.__file__).with_name("_core.pyi")
        return stub_reference.directive(stub, last, f"edgewise.{name}")
    value: Any = getattr(importlib.import_module(module), last)
    if not inspect.isclass(value):
        return [f".. autofunction:: edgewise.{name}"]
    lines = [f".. autoclass:: edgewise.{name}", "   :members:"]
    if dataclasses.is_dataclass(value):  # a field whose name says it all has no docstring
        lines.append("   :undoc-members:")
    if issubclass(value, edgewise.EdgewiseError):
        lines = [f".. autoexception:: edgewise.{name}", "   :show-inheritance:"]
    return lines
