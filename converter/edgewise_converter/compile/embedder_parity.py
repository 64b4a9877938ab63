"""Checks an embedder's files in every runtime: floats against torch, integers against integers."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray

from edgewise.runtimes import Runtime
from edgewise_converter.compile.graph import Graph
from edgewise_converter.compile.graph_run import run_graph
from edgewise_converter.compile.integer_run import run_integers
from edgewise_converter.compile.parity import (
    Parity,
    installed_runtimes,
    require,
    summarise,
)
from edgewise_converter.compile.quantise import QuantisedGraph

_FLOAT_TOLERANCE = 1e-5
_INTEGER_TOLERANCE = 0.06
"""Runtimes scale in single precision, so a value near a half may be a step off here and there. One
in the first layers may push a tenth of the embedding over its own halves: of 160 pictures three
quarters are equal to the last bit, the worst is 0.032 off."""

Images = NDArray[np.uint8]


def check_floats(
    graph: Graph, files: Mapping[str, bytes], images: Images
) -> dict[str, list[Parity]]:
    """Compare the float models with torch.

    Args:
        graph: with the weights that the files hold.
        files: by name; those called `*.float32.*` are checked.
        images: (B, H, W, 3).

    Raises:
        ParityError: a runtime's answers differ by more than 1e-5 in the mean.
    """
    pixels = torch.from_numpy(images).permute(0, 3, 1, 2).float()
    expected = run_graph(graph, pixels).numpy()
    return _check("float32", files, images.astype(np.float32), expected, _FLOAT_TOLERANCE)


def check_integers(
    quantised: QuantisedGraph, files: Mapping[str, bytes], images: Images
) -> dict[str, list[Parity]]:
    """Compare the int8 models with the same arithmetic in plain integers.

    Raises:
        ParityError: a runtime's answers differ by more than a rounding here and there.
    """
    expected = run_integers(quantised, images)
    return _check("int8", files, images, expected, _INTEGER_TOLERANCE)


def _error(found: NDArray[np.float32], expected: NDArray[np.float32]) -> float:
    """Length of the difference over that of the answer: the root near 0 magnifies single steps."""
    length = float(np.linalg.norm(expected)) or 1.0
    return float(np.linalg.norm(found.astype(np.float64) - expected)) / length


def _check(
    precision: str,
    files: Mapping[str, bytes],
    images: NDArray[np.generic],
    expected: NDArray[np.float32],
    tolerance: float,
) -> dict[str, list[Parity]]:
    found: dict[str, list[Parity]] = {}
    for name, file in files.items():
        if f".{precision}." not in name:
            continue
        for runtime in installed_runtimes():
            if runtime.format != name.rpartition(".")[2]:
                continue
            parity = _parity(runtime, file, images, expected)
            require(parity, tolerance)
            found.setdefault(name, []).append(parity)
    return found


def _parity(
    runtime: Runtime,
    file: bytes,
    images: NDArray[np.generic],
    expected: NDArray[np.float32],
) -> Parity:
    session = runtime.load(file)
    errors = []
    for image, answer in zip(images, expected, strict=True):
        (output,) = session.run(np.ascontiguousarray(image[np.newaxis]))
        errors.append(_error(output[0].astype(np.float32), answer))
    return summarise(runtime, errors)
