"""Full-integer quantisation of an embedder's graph: scales from calibration pictures.

As TFLite's 8-bit specification has it (ai.google.dev/edge/litert/models/quantization_spec; Jacob et
al. 2017, arXiv 1712.05877): weights int8, symmetric, a scale for each output channel; activations
int8 with one scale and zero point a value; biases int32 at the product of the scales. Both formats
are written from the same numbers, and so are the float models, whose weights are what the int8
ones mean (``on_grid``), so that a bundle holds them once. What finishes an embedding (root,
centre) stays float32: some hundred numbers, whose steps would be coarse in 8 bits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from edgewise.borrow import Scaled
from edgewise.errors import ArgumentError
from edgewise_converter.compile.embedder_graph import STANDARDISED
from edgewise_converter.compile.graph import Graph, Node
from edgewise_converter.compile.graph_run import run_graph
from edgewise_converter.compile.tflite import fuse_relu
from edgewise_converter.fewshot.embedder import PIXEL_SCALE

_LEVELS = 255
_LEAST, _MOST = -128, 127
_SHARES = np.linspace(0.3, 1.0, 36)
"""Candidate ranges, as shares of the observed one."""
_SAMPLE = 20_000
"""Values of a batch that ranges are chosen by."""


@dataclass(frozen=True)
class Grid:
    """What an 8-bit value q means: scale × (q − zero)."""

    scale: float
    zero: int


@dataclass(frozen=True)
class QuantisedWeights:
    """Of one convolution.

    Attributes:
        weight: (O, I, K, K) int8.
        scales: (O,) of the weights.
        bias: (O,) int32.
        bias_scales: (O,) of the biases.
    """

    weight: NDArray[np.int8]
    scales: NDArray[np.float32]
    bias: NDArray[np.int32]
    bias_scales: NDArray[np.float32]

    @property
    def scaled(self) -> Scaled:
        """The weights alone, which float models have too."""
        return Scaled(self.weight, self.scales)


@dataclass(frozen=True)
class QuantisedGraph:
    """A graph whose operations before the finish are computed in integers.

    Attributes:
        graph: ReLUs joined to what is before them; the first node takes pixels to `standardised`.
        grids: of each integer value, by name.
        weights: of each convolution, by the name of its output.
    """

    graph: Graph
    grids: Mapping[str, Grid]
    weights: Mapping[str, QuantisedWeights]

    @property
    def integer(self) -> tuple[Node, ...]:
        """The nodes in integers, in order; the last one's value is what the finish takes."""
        return tuple(node for node in self.graph.nodes[1:] if node.output in self.grids)

    @property
    def finish(self) -> tuple[Node, ...]:
        """The nodes in float32 after them."""
        return tuple(node for node in self.graph.nodes[1:] if node.output not in self.grids)


def quantise(graph: Graph, batches: Sequence[Tensor]) -> QuantisedGraph:
    """Quantise it.

    Args:
        graph: as ``embedder_graph`` lowers it.
        batches: calibration pictures, (B, 3, H, W) pixel values, of training classes.

    Raises:
        ArgumentError: no calibration picture.
    """
    if not batches:
        raise ArgumentError("int8 needs calibration pictures")
    fused = replace(graph, nodes=tuple(fuse_relu(graph.nodes)))
    finish = ("sqrt", "add_constant")
    names = {node.output for node in fused.nodes if node.op not in finish}
    grids = {name: grid_of(values) for name, values in _observe(fused, batches, names).items()}
    # Pixels are whole numbers already, and their zero is one of them.
    grids[STANDARDISED] = Grid(1 / PIXEL_SCALE, 0)
    weights = {
        node.output: quantise_weights(node, grids[node.inputs[0]].scale)
        for node in fused.nodes
        if node.op == "conv"
    }
    return QuantisedGraph(fused, grids, weights)


def quantise_weights(node: Node, input_scale: float) -> QuantisedWeights:
    """Weights and biases of a convolution."""
    weight, bias = node.weights
    whole, scales = scaled_weights(weight)
    bias_scales = (np.float32(input_scale) * scales).astype(np.float32)
    limit = 2**30  # leaves room for the products that are added to it
    whole_bias = np.rint(bias.astype(np.float64) / bias_scales).clip(-limit, limit)
    return QuantisedWeights(whole, scales, whole_bias.astype(np.int32), bias_scales)


def scaled_weights(weight: NDArray[np.float32]) -> Scaled:
    """Weights (O, I, K, K) in 8 bits: each row's largest becomes 127 or -127."""
    largest = np.abs(weight).reshape(len(weight), -1).max(1)
    scales = (np.maximum(largest, 1e-8) / _MOST).astype(np.float32)
    whole = np.rint(weight / scales[:, None, None, None]).clip(-_MOST, _MOST).astype(np.int8)
    return Scaled(whole, scales)


def on_grid(graph: Graph) -> Graph:
    """The graph in floats with the weights that ``quantise`` gives it; biases as they are."""

    def rounded(node: Node) -> Node:
        if node.op != "conv":
            return node
        weight, bias = node.weights
        return replace(node, weights=(scaled_weights(weight).values(), bias))

    return replace(graph, nodes=tuple(rounded(node) for node in graph.nodes))


def grid_of(values: NDArray[np.float32]) -> Grid:
    """The grid that holds some values with the least squared error; rare large ones are cut off."""
    low, high = min(float(values.min()), 0.0), max(float(values.max()), 1e-6)
    grids = [_grid(low * share, high * share) for share in _SHARES]
    errors = [np.square(_rounded(values, grid) - values).mean() for grid in grids]
    return grids[int(np.argmin(errors))]


def _grid(low: float, high: float) -> Grid:
    scale = (high - low) / _LEVELS
    return Grid(scale, round(_LEAST - low / scale))


def _rounded(values: NDArray[np.float32], grid: Grid) -> NDArray[np.float32]:
    whole = np.rint(values / grid.scale + grid.zero).clip(_LEAST, _MOST)
    found: NDArray[np.float32] = ((whole - grid.zero) * grid.scale).astype(np.float32)
    return found


def _observe(
    graph: Graph, batches: Sequence[Tensor], names: set[str]
) -> dict[str, NDArray[np.float32]]:
    """Some of each value's numbers over the pictures, its extremes among them."""
    seen: dict[str, list[Tensor]] = {name: [] for name in names}
    generator = torch.Generator().manual_seed(0)

    def watch(name: str, value: Tensor) -> None:
        if name in seen:
            flat = value.flatten()
            picked = torch.randint(len(flat), (min(len(flat), _SAMPLE),), generator=generator)
            seen[name].append(torch.cat([flat[picked], flat.min()[None], flat.max()[None]]))

    for batch in batches:
        run_graph(graph, batch, watch)
    return {name: torch.cat(found).numpy() for name, found in seen.items()}
