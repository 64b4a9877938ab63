"""The transformers of HAT: ten numbers, those of single layers summed over the layers."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from edgewise.errors import ArgumentError
from edgewise_converter.latency.encodings.encoding import BoolArray, Codes, FloatArray

# Columns of the codes.
_ENCODER_WIDTH, _ENCODER_LAYERS, _ENCODER_FEED_FORWARD, _ENCODER_HEADS = range(4)
_DECODER_WIDTH, _DECODER_LAYERS, _DECODER_FEED_FORWARD, _DECODER_HEADS = range(4, 8)
_CROSS_HEADS, _CROSS_LAYERS = 8, 9
_WIDTHS = ((_ENCODER_WIDTH, _ENCODER_LAYERS), (_DECODER_WIDTH, _DECODER_LAYERS))


class TransformerEncoding:
    """Layers, what they add up to, and its products with the widths.

    HELP has no network for these: its paper's experiment with them is not in its released code.
    """

    columns = 0

    def inputs(self, choices: Tensor) -> Tensor:
        """There are none: ArgumentError."""
        raise ArgumentError(
            f"HELP has no network for the {len(choices)} transformers; leave out help, maml and "
            "meta-sgd"
        )

    def linear(self, codes: Codes) -> FloatArray:
        """(N, 22): the codes, their products with the decoder's depth, and widths with layers."""
        numbers = _scaled(codes)
        by_depth = numbers * numbers[:, [_DECODER_LAYERS]]
        return np.hstack((numbers, by_depth, _products(numbers)[:, [0, 2]]))

    def counts(self, codes: Codes) -> FloatArray:
        """(N, 9): what the layers of encoder and decoder multiply, and what they add up to."""
        numbers = _scaled(codes)
        sums = [_ENCODER_HEADS, _DECODER_LAYERS, _DECODER_HEADS, _CROSS_HEADS, _CROSS_LAYERS]
        return np.hstack((_products(numbers), numbers[:, sums]))

    def depth(self, codes: Codes) -> FloatArray:
        """(N,): decoder layers. The encoder has six in every architecture, and little to do."""
        return codes[:, _DECODER_LAYERS].astype(np.float64)

    def connected(self, codes: Codes) -> BoolArray:
        """(N,): all of them."""
        return np.ones(len(codes), dtype=np.bool_)


def _scaled(codes: Codes) -> FloatArray:
    """(N, 10) in units of what a middling decoder of six layers has."""
    units = np.array([9, 6, 24, 30, 9, 6, 24, 30, 30, 12], dtype=np.float64)
    return codes / units


def _products(numbers: FloatArray) -> FloatArray:
    """(N, 4): of encoder and decoder, width by layers and width by feed-forward width."""
    return np.column_stack(
        [
            numbers[:, width] * numbers[:, other]
            for width, layers in _WIDTHS
            for other in (layers, layers + 1)
        ]
    )
