"""FBNet: 22 layers, each one of nine blocks."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from edgewise_converter.latency.encodings.encoding import BoolArray, Codes, FloatArray
from edgewise_converter.latency.encodings.work import work

_LAYERS = 22
_BLOCKS = 9
_SKIP = 8
_KERNELS = 2
_EXPANSIONS = 4  # 1, 1 in two groups, 3, 6


class FbnetEncoding:
    """Blocks by layer. The first four have kernel 3, the next four kernel 5, the last is a skip."""

    columns = _LAYERS * (_KERNELS + _EXPANSIONS)

    def inputs(self, choices: Tensor) -> Tensor:
        """(N, 132): of each layer its kernel and its expansion one-hot, zeros for a skip.

        That is how the released code of HELP (arXiv 2106.08630) describes FBNet.
        """
        layers = choices.reshape(choices.shape[0], _LAYERS, _BLOCKS)
        return (layers @ _block_columns()).flatten(1)

    def linear(self, codes: Codes) -> FloatArray:
        """(N, 176): blocks by layer but for skips."""
        return self._blocks(codes).reshape(len(codes), -1)

    def counts(self, codes: Codes) -> FloatArray:
        """(N, 2): what is multiplied, and the layers.

        With ten timings that ranks the training devices twice as well as blocks counted by kind.
        """
        return np.column_stack((work("fbnet", codes), self.depth(codes)))

    def depth(self, codes: Codes) -> FloatArray:
        """(N,): layers that are no skips."""
        depth: FloatArray = (codes != _SKIP).sum(axis=1).astype(np.float64)
        return depth

    def connected(self, codes: Codes) -> BoolArray:
        """(N,): all of them."""
        return np.ones(len(codes), dtype=np.bool_)

    def _blocks(self, codes: Codes) -> FloatArray:
        blocks: FloatArray = (codes[:, :, None] == np.arange(_SKIP)).astype(np.float64)
        return blocks


def _block_columns() -> Tensor:
    """(9, 6): kernel and expansion of each block."""
    columns = torch.zeros(_BLOCKS, _KERNELS + _EXPANSIONS)
    block = torch.arange(_SKIP)
    columns[block, block // _EXPANSIONS] = 1.0
    columns[block, _KERNELS + block % _EXPANSIONS] = 1.0
    return columns
