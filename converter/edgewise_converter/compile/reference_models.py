"""Networks as files to be timed, their weights a constant pattern that compresses to nothing.

Time does not depend on the weights' values as long as everything stays finite and normal, so every
layer holds one pattern of 61 numbers over and over, scaled to the spread that keeps activations
steady. The period is a prime and no dimension of a network is a multiple of it, so no two channels
are alike. Batch normalisation keeps its initial statistics, in which a normalised zero is zero:
that is what makes operations fed only zeros vanish (``compile.graph``).
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from edgewise_converter.compile.graph import deployed_graph
from edgewise_converter.compile.onnx import onnx_model
from edgewise_converter.compile.tflite import tflite_model
from edgewise_converter.spaces.registry import build_network

if TYPE_CHECKING:
    from collections.abc import Iterable

    from edgewise_converter.compile.graph import Array

#: Suffix of a model in a bundle, and the format that ``Runtime.format`` names.
FORMATS = ("tflite", "onnx")
PERIOD = 61


def pattern() -> Array:
    """(61,) float32: normal quantiles in a scattered order, of mean 0 and variance 1."""
    quantiles = [NormalDist().inv_cdf((i + 0.5) / PERIOD) for i in range(PERIOD)]
    values = np.array([quantiles[(22 * i) % PERIOD] for i in range(PERIOD)])
    scaled: Array = (values / values.std()).astype(np.float32)
    return scaled


def fill_with_pattern(module: nn.Module, file_format: str) -> None:
    """Overwrite the weights of the convolutions and linear layers of `module`; biases become zero.

    The pattern runs in the order in which `file_format` stores a convolution: (out, height, width,
    in) in TFLite, (out, in, height, width) in ONNX. Along any other order it compresses less well.
    """
    for layer in module.modules():
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            _fill(layer, channels_last=file_format == "tflite")


def _fill(layer: nn.Conv2d | nn.Linear, *, channels_last: bool) -> None:
    outputs, inputs, *window = layer.weight.shape
    terms = inputs * math.prod(window)
    rows = np.resize(pattern(), (outputs, terms))
    # Whole periods sum to zero, so a row would cancel what its inputs have in common, and layer
    # after layer only rounding errors would be left. As large a mean as random rows have, of either
    # sign, keeps the network as well conditioned as theirs (by halves, as that compresses best).
    rows[: outputs // 2] += terms**-0.5
    rows[outputs // 2 :] -= terms**-0.5
    # He et al. 2015: the variance at which a ReLU network keeps the size of its activations.
    tiled = torch.from_numpy(rows * np.float32(math.sqrt(2.0 / terms)))
    with torch.no_grad():
        if channels_last:
            layer.weight.copy_(tiled.reshape(outputs, *window, inputs).movedim(-1, 1))
        else:
            layer.weight.copy_(tiled.reshape(outputs, inputs, *window))
        if layer.bias is not None:
            layer.bias.zero_()


def pattern_network(space: str, arch: str, file_format: str) -> nn.Module:
    """The network of `arch` filled with the pattern: what a file of that format computes."""
    module = build_network(space, arch)
    fill_with_pattern(module, file_format)
    return module


def model_file(module: nn.Module, file_format: str) -> bytes:
    """A classifier in evaluation mode, deployed to a file of one of `FORMATS`."""
    return _WRITERS[file_format](deployed_graph(module))


def reference_models(space: str, archs: Iterable[str]) -> dict[str, bytes]:
    """Bundle tensors `reference.NN.<format>`, in the order of `archs`.

    Raises:
        ArchitectureError: an architecture is malformed.
        ArgumentError: `space` has no torch builder.
    """
    models: dict[str, bytes] = {}
    for index, arch in enumerate(archs):
        for file_format in FORMATS:
            network = pattern_network(space, arch, file_format)
            models[f"reference.{index:02d}.{file_format}"] = model_file(network, file_format)
    return models


_WRITERS = {"tflite": tflite_model, "onnx": onnx_model}
