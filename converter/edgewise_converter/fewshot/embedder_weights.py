"""Weights of an embedder out of its bundle, so that a training can go on from what was shipped.

The compiled models hold each convolution with its batch norm folded in, rounded to 8 bits with a
scale for each output (float16 in older bundles). The norms themselves are some thousand numbers
and lie beside the models, exactly; divided out again, they give the embedder that the float models
compute. What was rounded off stays lost: half a step, 1/254 of an output's largest weight. Compiled
again without training, the embedder has the same 8-bit weights.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper

from edgewise.bundle import Bundle
from edgewise.errors import ArgumentError
from edgewise_converter.fewshot.embedder import Embedder, Normed, create_embedder

_MODEL = "embedder.float32.onnx"
_PREFIX = "training."
_STATISTICS = ("weight", "bias", "running_mean", "running_var")


def norm_tensors(embedder: Embedder) -> dict[str, NDArray[np.float32]]:
    """The batch norms, as (4, C) tensors of a bundle: weight, bias, mean, variance."""
    return {
        f"{_PREFIX}{at:02d}": np.stack(
            [getattr(layer.norm, name).detach().numpy() for name in _STATISTICS]
        )
        for at, layer in enumerate(_layers(embedder))
    }


def embedder_of(bundle: Bundle) -> Embedder:
    """The embedder that a bundle was compiled from, its weights as the float models have them.

    Raises:
        ArgumentError: the bundle does not hold what a training needs.
    """
    if _MODEL not in bundle or f"{_PREFIX}00" not in bundle:
        raise ArgumentError(f"{bundle.path}: holds nothing that a training could go on from")
    embedder = create_embedder(bundle.manifest["size"], 0)
    folded = _convolutions(bundle.blob(_MODEL))
    layers = list(_layers(embedder))
    if len(folded) != len(layers):
        raise ArgumentError(f"{bundle.path}: {len(folded)} convolutions, not {len(layers)}")
    with torch.no_grad():
        for at, (layer, weight) in enumerate(zip(layers, folded, strict=True)):
            statistics = torch.from_numpy(bundle.tensor(f"{_PREFIX}{at:02d}").copy())
            for name, values in zip(_STATISTICS, statistics, strict=True):
                getattr(layer.norm, name).copy_(values)
            scale = statistics[0] / torch.sqrt(statistics[3] + layer.norm.eps)
            layer.conv.weight.copy_(torch.from_numpy(weight) / _nonzero(scale)[:, None, None, None])
    return embedder.eval()


def _layers(embedder: Embedder) -> Iterator[Normed]:
    """Every convolution with its norm, in the order of execution."""
    return (module for module in embedder.modules() if isinstance(module, Normed))


def _convolutions(model: bytes) -> list[NDArray[np.float32]]:
    graph = onnx.load_from_string(model).graph
    stored = {each.name: numpy_helper.to_array(each) for each in graph.initializer}
    widened = {
        node.output[0]: stored[node.input[0]] for node in graph.node if node.op_type == "Cast"
    }
    return [
        (stored | widened)[node.input[1]].astype(np.float32)
        for node in graph.node
        if node.op_type == "Conv"
    ]


def _nonzero(scale: torch.Tensor) -> torch.Tensor:
    """A channel that its norm switches off has weights of no consequence."""
    return torch.where(scale.abs() < 1e-12, torch.ones_like(scale), scale)
