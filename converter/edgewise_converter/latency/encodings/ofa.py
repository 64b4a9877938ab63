"""Once-for-all MobileNetV3: five stages of two to four layers, at 25 resolutions."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from edgewise_converter.latency.encodings.encoding import BoolArray, Codes, FloatArray
from edgewise_converter.latency.encodings.work import work

_STAGES, _DEEPEST, _SHALLOWEST = 5, 4, 2
_LAYERS = _STAGES * _DEEPEST
_KERNELS, _EXPANSIONS = (3, 5, 7), (3, 4, 6)
_RESOLUTIONS = 25
_LARGEST = 224
_ONE_HOT = _LAYERS * len(_KERNELS)  # of the kernels, and as many of the expansions


class OfaEncoding:
    """Kernel and expansion of each layer that is there, and the resolution.

    Codes hold 20 kernels, 20 expansions, five depths and the resolution, as numbers.
    """

    columns = 2 * _ONE_HOT + _RESOLUTIONS

    def inputs(self, choices: Tensor) -> Tensor:
        """(N, 145): kernels, expansions (zeros beyond a stage's depth) and resolution, one-hot.

        That is how the released code of HELP (arXiv 2106.08630) describes these networks.
        """
        count = choices.shape[0]
        depths = len(range(_SHALLOWEST, _DEEPEST + 1))
        sizes = [2 * _ONE_HOT, _STAGES * depths, _RESOLUTIONS]
        layers, depth, resolution = torch.split(choices, sizes, dim=1)
        there = depth.reshape(count, _STAGES, depths) @ _layers_of_depth()
        kept = layers.reshape(count, 2, _LAYERS, -1) * there.reshape(count, 1, _LAYERS, 1)
        return torch.cat((kept.reshape(count, -1), resolution), dim=1)

    def linear(self, codes: Codes) -> FloatArray:
        """(N, 145): as HELP's inputs, each layer's weighed by the pixels it runs on."""
        hot, pixels = self._layers(codes), _pixels(codes)
        by_layer = (hot * pixels[:, None, None]).reshape(len(codes), -1)
        flat = hot.reshape(len(codes), -1)
        return np.hstack((by_layer, flat, pixels[:, None]))

    def counts(self, codes: Codes) -> FloatArray:
        """(N, 2): what is multiplied, and the layers."""
        return np.column_stack((work("ofa", codes), self.depth(codes)))

    def depth(self, codes: Codes) -> FloatArray:
        """(N,): layers of all stages."""
        depth: FloatArray = codes[:, 2 * _LAYERS : -1].sum(axis=1).astype(np.float64)
        return depth

    def connected(self, codes: Codes) -> BoolArray:
        """(N,): all of them."""
        return np.ones(len(codes), dtype=np.bool_)

    def _layers(self, codes: Codes) -> FloatArray:
        """(N, 20, 6): kernel and expansion of each layer, one-hot; zeros beyond the depth."""
        kernel, expand, depth, _ = np.split(codes, (_LAYERS, 2 * _LAYERS, -1), axis=1)
        there = (np.arange(_DEEPEST) < depth[:, :, None]).reshape(len(codes), _LAYERS, 1)
        hot = np.concatenate(
            (kernel[:, :, None] == _KERNELS, expand[:, :, None] == _EXPANSIONS), axis=2
        )
        return (hot & there).astype(np.float64)


def _pixels(codes: Codes) -> FloatArray:
    """(N,): pixels of the input, in those of the largest."""
    return (codes[:, -1].astype(np.float64) / _LARGEST) ** 2


def _layers_of_depth() -> Tensor:
    """(3, 4): the layers that are there at each depth of a stage."""
    depths = torch.arange(_SHALLOWEST, _DEEPEST + 1)
    return (torch.arange(_DEEPEST) < depths[:, None]).float()
