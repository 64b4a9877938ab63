"""Runs a deployed graph in torch: what compiled files are checked against, and calibrated with."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from edgewise_converter.compile.graph import Graph, Node

Watch = Callable[[str, Tensor], None]


def run_graph(graph: Graph, images: Tensor, watch: Watch | None = None) -> Tensor:
    """Run it on a batch.

    Args:
        graph: of the operations that embedders and networks of a zoo have.
        images: (B, *input_shape) float32.
        watch: told of every value, by name, as it is computed.

    Returns:
        (B, *output_shape).
    """
    values = {graph.input: images}
    with torch.inference_mode():
        for node in graph.nodes:
            value = _apply(node, [values[name] for name in node.inputs])
            values[node.output] = F.relu(value) if node.relu else value
            if watch is not None:
                watch(node.output, values[node.output])
    return values[graph.output]


def _apply(node: Node, inputs: list[Tensor]) -> Tensor:
    weights = [torch.from_numpy(array) for array in node.weights]
    source = inputs[0]
    match node.op:
        case "conv":
            weight, bias = weights
            return F.conv2d(source, weight, bias, node.stride, node.padding, groups=node.groups)
        case "add":
            return source + inputs[1]
        case "add_constant":
            return source + weights[0]
        case "scale":
            return source * weights[0][:, None, None] + weights[1][:, None, None]
        case "relu":
            return F.relu(source)
        case "sqrt":
            return torch.sqrt(source)
        case "mean":
            return source.mean((2, 3), keepdim=len(node.shape) == 3)
        case "mul":
            return source * inputs[1]
        case "linear":
            return F.linear(source, *weights)
        case "hard_swish":
            return F.hardswish(source)
        case "hard_sigmoid":
            return F.hardsigmoid(source)
        case "sigmoid":
            return torch.sigmoid(source)
        case "unit":
            return F.normalize(source, dim=1)
    raise AssertionError(f"nothing that is checked here has the operation {node.op}")
