"""Networks as files to be timed, their weights the constant pattern of `edgewise.pattern`.

Batch normalisation keeps its initial statistics, in which a normalised zero is zero: that is what
makes operations fed only zeros vanish (``compile.lowering``).
"""

from __future__ import annotations

import bisect
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import nn

from edgewise.pattern import Cut, stored_weights, weights
from edgewise_converter.compile.lowering import deployed_graph
from edgewise_converter.compile.onnx import onnx_model
from edgewise_converter.compile.tflite import tflite_model
from edgewise_converter.spaces.registry import build_network, input_shape

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from edgewise_converter.compile.graph import Graph, Node

#: Suffix of a model in a bundle, and the format that ``Runtime.format`` names.
FORMATS = ("tflite", "onnx")


@dataclass(frozen=True)
class PatternModel:
    """A model file, and where its patterned weights are: a bundle need not store them."""

    file: bytes
    cuts: tuple[Cut, ...]


def fill_with_pattern(module: nn.Module) -> None:
    """Overwrite the weights of the convolutions and linear layers of `module`; biases become zero.

    Batch norms with initial statistics then do nothing at all, so that weights they are folded into
    stay the pattern.
    """
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.eps = 0.0
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            rows = weights(layer.weight.shape[0], math.prod(layer.weight.shape[1:]))
            with torch.no_grad():
                layer.weight.copy_(torch.from_numpy(rows).reshape(layer.weight.shape))
                if layer.bias is not None:
                    layer.bias.zero_()


def pattern_network(space: str, arch: str) -> nn.Module:
    """The network of `arch` filled with the pattern: what its reference models compute."""
    module = build_network(space, arch)
    fill_with_pattern(module)
    return module


def model_file(
    module: nn.Module, file_format: str, image: tuple[int, int, int] = (3, 32, 32)
) -> bytes:
    """A classifier of images (C, H, W) in evaluation mode, deployed to a file of a format."""
    return _WRITERS[file_format](deployed_graph(module, image))


def pattern_models(space: str, arch: str) -> dict[str, PatternModel]:
    """The network of `arch` filled with the pattern, as a file of each of `FORMATS`.

    Raises:
        ArchitectureError: the architecture is malformed.
        ArgumentError: `space` has no torch builder.
    """
    graph = deployed_graph(pattern_network(space, arch), input_shape(space, arch))
    files = {file_format: write(graph) for file_format, write in _WRITERS.items()}
    return {
        file_format: PatternModel(file, patterned(graph, file, file_format))
        for file_format, file in files.items()
    }


def reference_models(space: str, archs: Iterable[str]) -> dict[str, PatternModel]:
    """Bundle tensors `reference.NN.<format>`, in the order of `archs`; raises as the above."""
    return {
        f"reference.{index:02d}.{file_format}": model
        for index, arch in enumerate(archs)
        for file_format, model in pattern_models(space, arch).items()
    }


def patterned(graph: Graph, file: bytes, file_format: str) -> tuple[Cut, ...]:
    """Where the weights of `graph`, which are all the pattern, lie in its file; ascending."""
    found: list[Cut] = []
    # The largest first: what a smaller layer holds may be a part of what a larger one holds.
    for shape in sorted(_layers(graph, file_format), key=lambda shape: -math.prod(shape[:3])):
        bisect.insort(found, _find(shape, file, found))
    return tuple(found)


def _find(shape: tuple[int, int, int, int], file: bytes, taken: Sequence[Cut]) -> Cut:
    """The first place of a layer's weights in `file` that overlaps none of `taken` (ascending)."""
    content = stored_weights(*shape).tobytes()
    offset = file.find(content)
    for cut in taken:
        if offset < cut.offset + cut.size and cut.offset < offset + len(content):
            offset = file.find(content, cut.offset + cut.size)
    if offset < 0:
        raise AssertionError(f"the file does not hold the pattern of a layer {shape}")
    return Cut(offset, *shape)


def _layers(graph: Graph, file_format: str) -> Iterator[tuple[int, int, int, int]]:
    """Outputs, inputs, window and order of each layer's weights."""
    for node in graph.nodes:
        if node.op in ("conv", "linear"):
            outputs, inputs, *window = node.weights[0].shape
            order = _order(node) if file_format == "tflite" else 0
            yield outputs, inputs, math.prod(window), order


def _order(node: Node) -> int:
    """Of weights in a TFLite file; see `Cut.order`."""
    if node.op == "linear":
        return 0
    return 2 if node.depthwise else 1


_WRITERS = {"tflite": tflite_model, "onnx": onnx_model}
