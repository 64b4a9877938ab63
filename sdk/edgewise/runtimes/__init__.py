"""Inference runtimes, one file each, behind one small protocol: load from bytes, threads, run.

Nothing here measures, and nothing outside imports a runtime's package: it is imported on first use.
"""

from __future__ import annotations

from ..errors import ArgumentError, EdgewiseError, RuntimeUnavailableError
from ._probe import probe
from .litert import LiteRT
from .onnxruntime import OnnxRuntime
from .protocol import Diagnosis, Runtime, Session, TensorInfo
from .tflite import TFLite

__all__ = [
    "RUNTIMES",
    "Diagnosis",
    "Runtime",
    "Session",
    "TensorInfo",
    "available_runtimes",
    "diagnose",
    "get_runtime",
    "installed_version",
]

_KNOWN = {runtime.name: runtime for runtime in (LiteRT(), TFLite(), OnnxRuntime())}

RUNTIMES = tuple(_KNOWN)
"""Every runtime's name, in the order in which `auto` tries them."""


def get_runtime(name: str = "auto") -> Runtime:
    """The runtime called `name`, or for `auto` the first of `RUNTIMES` that works here.

    Raises RuntimeUnavailableError with the cure when it does not work; ArgumentError for a name
    that is no runtime.
    """
    names = RUNTIMES if name == "auto" else (_known(name),)
    failed = []
    for candidate in names:
        diagnosis = diagnose(candidate)
        if diagnosis.works:
            return _KNOWN[candidate]
        failed.append(f"{candidate}: {diagnosis.reason} ({diagnosis.cure})")
    if name == "auto":
        raise RuntimeUnavailableError("no inference runtime works here. " + "; ".join(failed))
    raise RuntimeUnavailableError(failed[0])


def installed_version(name: str) -> str | None:
    """Version of the package of the runtime called `name`, imported or not; None if it is missing.

    Raises ArgumentError for a name that is no runtime.
    """
    return _KNOWN[_known(name)].package.installed()


def available_runtimes() -> list[str]:
    """Names of the runtimes that work here, in the order of `RUNTIMES`."""
    return [name for name in RUNTIMES if diagnose(name).works]


def diagnose(name: str) -> Diagnosis:
    """Run a model of one addition through the runtime called `name` and say how that went.

    Raises ArgumentError for a name that is no runtime, nothing else.
    """
    runtime = _KNOWN[_known(name)]
    package = runtime.package
    version, obstacle = package.installed(), runtime.obstacle()
    if obstacle is not None:
        return Diagnosis(name, False, version, *obstacle)
    if version is None:
        return Diagnosis(
            name, False, None, f"{package.distribution} is not installed", package.cure
        )
    try:
        probe(runtime)
    except (EdgewiseError, SystemError, RuntimeError, ValueError, OSError) as error:
        reason = " ".join(str(error.__cause__ or error).split())
        cure = f"{package.cure} --force-reinstall"
        return Diagnosis(name, False, version, f"{package.distribution} fails: {reason}", cure)
    return Diagnosis(name, True, version, "", "")


def _known(name: str) -> str:
    if name not in _KNOWN:
        raise ArgumentError(
            f"unknown runtime {name!r}; the runtimes are {', '.join(RUNTIMES)}, and auto"
        )
    return name
