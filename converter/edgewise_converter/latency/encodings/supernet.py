"""The zoo's supernet: three stages of one to three layers."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from edgewise.errors import ArgumentError
from edgewise_converter.latency.encodings.encoding import BoolArray, Codes, FloatArray
from edgewise_converter.latency.encodings.work import work

_STAGES, _DEEPEST = 3, 3
_LAYERS = _STAGES * _DEEPEST
_KERNELS, _EXPANSIONS = (3, 5), (2, 3, 4)


class SupernetEncoding:
    """Kernel and expansion of each layer that is there.

    Codes hold nine kernels, nine expansions and three depths, as numbers. HELP has no network for
    these: it would have to be meta-trained on devices, of which there are no timings.
    """

    columns = 0

    def inputs(self, choices: Tensor) -> Tensor:
        """There are none: ArgumentError."""
        raise ArgumentError(
            f"HELP has no network for the {len(choices)} networks of the supernet; leave out help, "
            "maml and meta-sgd"
        )

    def linear(self, codes: Codes) -> FloatArray:
        """(N, 45): kernel and expansion of each layer, one-hot; zeros beyond the depth."""
        kernel, expand, depth = np.split(codes, (_LAYERS, 2 * _LAYERS), axis=1)
        there = (np.arange(_DEEPEST) < depth[:, :, None]).reshape(len(codes), _LAYERS, 1)
        hot = np.concatenate(
            (kernel[:, :, None] == _KERNELS, expand[:, :, None] == _EXPANSIONS), axis=2
        )
        return (hot & there).reshape(len(codes), -1).astype(np.float64)

    def counts(self, codes: Codes) -> FloatArray:
        """(N, 2): what is multiplied, and the layers."""
        return np.column_stack((work("supernet", codes), self.depth(codes)))

    def depth(self, codes: Codes) -> FloatArray:
        """(N,): layers of all stages."""
        depth: FloatArray = codes[:, 2 * _LAYERS :].sum(axis=1).astype(np.float64)
        return depth

    def connected(self, codes: Codes) -> BoolArray:
        """(N,): all of them."""
        return np.ones(len(codes), dtype=np.bool_)
