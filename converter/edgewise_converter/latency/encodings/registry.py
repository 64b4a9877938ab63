"""Finds the encoding of a space."""

from __future__ import annotations

import torch
from torch import Tensor

from edgewise.errors import ArgumentError
from edgewise.latency.help import one_hot
from edgewise.spaces import Space
from edgewise_converter.latency.encodings.encoding import Codes, Encoding
from edgewise_converter.latency.encodings.fbnet import FbnetEncoding
from edgewise_converter.latency.encodings.nasbench201 import CellEncoding
from edgewise_converter.latency.encodings.ofa import OfaEncoding
from edgewise_converter.latency.encodings.supernet import SupernetEncoding
from edgewise_converter.latency.encodings.transformer import TransformerEncoding

_ENCODINGS: dict[str, Encoding] = {
    "nasbench201": CellEncoding(),
    "fbnet": FbnetEncoding(),
    "ofa": OfaEncoding(),
    "transformer": TransformerEncoding(),
    "supernet": SupernetEncoding(),
}


def encoding_of(space: str) -> Encoding:
    """The encoding of the space of that name.

    Raises:
        ArgumentError: there is none.
    """
    if space not in _ENCODINGS:
        known = ", ".join(_ENCODINGS)
        raise ArgumentError(f"space {space!r} has no encoding here; those that have are {known}")
    return _ENCODINGS[space]


def help_inputs(space: Space, codes: Codes) -> Tensor:
    """What HELP's network reads of architectures, (…, N, F) float32, by their codes (N, L)."""
    return encoding_of(space.name).inputs(torch.from_numpy(one_hot(space, codes)))
