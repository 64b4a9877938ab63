"""A network's topology as numbers: what the model encoder reads beside the functional embedding."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgewise_converter.retrieval.choice import (
    DEPTHS,
    EXPANSIONS,
    KERNELS,
    MOST_BLOCKS,
    STAGES,
    Choice,
)

BLOCKS = STAGES * MOST_BLOCKS
TOPOLOGY_SIZE = BLOCKS * (len(KERNELS) + len(EXPANSIONS)) + STAGES * len(DEPTHS)
"""How many numbers."""


def topology(choice: Choice, *, masked: bool) -> NDArray[np.float32]:
    """(54,) float32: one-hot kernel and expansion of each block, one-hot depth of each stage.

    As the paper writes an architecture down (TANS, arXiv 2103.01495, section 3.2).

    Args:
        choice: the network, canonical.
        masked: blocks that are not there are zeros, and not the first choice.
    """
    there = np.zeros((BLOCKS, 1), np.float32)
    there[[stage * MOST_BLOCKS + at for stage, at in choice.blocks()]] = 1
    mask = there if masked else np.ones_like(there)
    parts = (
        _one_hot(choice.kernels, KERNELS) * mask,
        _one_hot(choice.expansions, EXPANSIONS) * mask,
        _one_hot(choice.depths, DEPTHS),
    )
    return np.concatenate([part.ravel() for part in parts])


def _one_hot(values: tuple[int, ...], choices: tuple[int, ...]) -> NDArray[np.float32]:
    found: NDArray[np.float32] = (np.array(values)[:, None] == choices).astype(np.float32)
    return found
