"""What the layers of a chain multiply, by the core's own lowering."""

from __future__ import annotations

import numpy as np

from edgewise.spaces import get_space
from edgewise_converter.latency.encodings.encoding import Codes, FloatArray

_UNIT = 1e8  # a middling layer or two, so that work and layers are of one size


def work(space: str, codes: Codes) -> FloatArray:
    """(N,) floating-point operations of networks of ``space``, in hundreds of millions."""
    known = get_space(space)
    written = known.semantics[0]
    return np.array([known.flops(arch, written) for arch in known.decode(codes)]) / _UNIT
