"""The product's embedder as a deployed graph: from pixel values to the finished embedding."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from torch import Tensor, nn

from edgewise_converter.compile.graph import Graph, Node, is_halved
from edgewise_converter.compile.lowering import deployed_graph
from edgewise_converter.fewshot.embedder import (
    PIXEL_SCALE,
    PIXEL_ZERO,
    SIDE,
    Embedder,
    FinishedEmbedder,
)

IMAGE, EMBEDDING, STANDARDISED = "image", "embedding", "standardised"
_SHAPE = (3, SIDE, SIDE)


class _Standardised(nn.Module):
    """An embedder without the step from pixels, which every format writes in its own way."""

    def __init__(self, embedder: Embedder) -> None:
        super().__init__()
        self.embedder = embedder

    def forward(self, pixels: Tensor) -> Tensor:
        return self.embedder.embed(pixels)


def embedder_graph(finished: FinishedEmbedder) -> Graph:
    """Lower it: `image` (3, 84, 84) to `embedding` (dim), batch norms folded.

    The first node takes pixels to `standardised`; of the last ones, `sqrt` and `add_constant` are
    the finish.
    """
    lowered = deployed_graph(_Standardised(finished.embedder.eval()), _SHAPE)
    nodes = [_renamed(node, {lowered.input: STANDARDISED}) for node in lowered.nodes]
    scale = np.full(3, 1 / PIXEL_SCALE, np.float32)
    first = Node("scale", (IMAGE,), STANDARDISED, _SHAPE, (scale, -PIXEL_ZERO * scale))
    dim = lowered.output_shape
    last = lowered.output
    if finished.root:
        nodes.append(Node("sqrt", (last,), "root", dim))
        last = "root"
    centre = np.ascontiguousarray(-finished.centre.numpy())
    nodes.append(Node("add_constant", (last,), EMBEDDING, dim, (centre,)))
    return Graph(IMAGE, _SHAPE, EMBEDDING, dim, (first, *nodes))


def as_half(graph: Graph) -> Graph:
    """The graph with its constants rounded to float16, as files that store them so compute it."""
    return replace(graph, nodes=tuple(_rounded(node) for node in graph.nodes))


def _rounded(node: Node) -> Node:
    weights = tuple(
        array.astype(np.float16).astype(np.float32) if is_halved(array) else array
        for array in node.weights
    )
    return replace(node, weights=weights)


def _renamed(node: Node, names: dict[str, str]) -> Node:
    return replace(node, inputs=tuple(names.get(name, name) for name in node.inputs))
