"""Runs a quantised embedder in plain integers: what its compiled int8 models are checked against.

The arithmetic of TFLite's 8-bit specification, written down anew: sums of products in integers,
then one multiplication by a ratio of scales and one rounding.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from edgewise_converter.compile.embedder_graph import STANDARDISED
from edgewise_converter.compile.graph import Node
from edgewise_converter.compile.quantise import Grid, QuantisedGraph
from edgewise_converter.fewshot.embedder import PIXEL_ZERO

_LEAST, _MOST = -128, 127
Doubles = NDArray[np.float64]


def run_integers(quantised: QuantisedGraph, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Embed pictures, (B, H, W, 3) to (B, dim)."""
    # Whole numbers below 2^53 throughout, so double precision computes them exactly.
    whole = images.transpose(0, 3, 1, 2).astype(np.float64) - PIXEL_ZERO
    values = {STANDARDISED: whole}
    for node in quantised.integer:
        exact = _exact(node, values, quantised)
        grid = quantised.grids[node.output]
        rounded = np.rint(exact / grid.scale) + grid.zero
        least = grid.zero if node.relu else _LEAST
        values[node.output] = rounded.clip(least, _MOST)
    last = quantised.integer[-1].output
    finished = _meaning(values[last], quantised.grids[last])
    for node in quantised.finish:
        finished = np.sqrt(finished) if node.op == "sqrt" else finished + node.weights[0]
    return finished.astype(np.float32)


def _exact(node: Node, values: dict[str, Doubles], quantised: QuantisedGraph) -> Doubles:
    """What a node computes, not yet rounded to its grid."""
    sources = [(values[name], quantised.grids[name]) for name in node.inputs]
    value, grid = sources[0]
    if node.op == "conv":
        weights = quantised.weights[node.output]
        sums = F.conv2d(
            torch.from_numpy(value - grid.zero),
            torch.from_numpy(weights.weight.astype(np.float64)),
            torch.from_numpy(weights.bias.astype(np.float64)),
            node.stride,
            node.padding,
        ).numpy()
        scaled: Doubles = sums * weights.bias_scales.astype(np.float64)[:, None, None]
        return scaled
    if node.op == "add":
        return sum((_meaning(*source) for source in sources), np.zeros(1))
    means: Doubles = _meaning(value, grid).mean((2, 3))
    return means


def _meaning(value: Doubles, grid: Grid) -> Doubles:
    return (value - grid.zero) * grid.scale
