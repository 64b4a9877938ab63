"""Features of all 15,625 architectures against the core's own lowering."""

from __future__ import annotations

import numpy as np
import pytest

from edgewise.spaces import Space, get_space
from edgewise_converter.latency.encodings.nasbench201 import live, one_hot, operation_counts
from edgewise_converter.latency.encodings.registry import encoding_of


@pytest.fixture(scope="module")
def space() -> Space:
    return get_space("nasbench201")


def test_live_operations_are_those_the_core_lowers(space: Space) -> None:
    archs = space.architectures()[::7]
    found = live(space.encode(archs))
    for arch, alive in zip(archs, found, strict=True):
        kept = {
            kernel.position[2]
            for kernel in space.lower(arch, "live")
            if kernel.position[:2] == (1, 2) and kernel.op != "add"
        }
        assert set(np.flatnonzero(alive)) == kept, arch


def test_connected_networks_are_those_that_compute(space: Space) -> None:
    archs = space.architectures()
    found = encoding_of("nasbench201").connected(space.encode(archs))
    assert found.tolist() == [space.flops(arch, "live") > 0 for arch in archs]


def test_counts_and_one_hot_by_hand(space: Space) -> None:
    arch = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|avg_pool_3x3~0|nor_conv_3x3~1|none~2|"
    codes = space.encode(arch)
    # Kinds in code order after none: skip, 1x1, 3x3, pool.
    assert operation_counts(codes).tolist() == [[1, 0, 2, 1]]
    # Node 2 leads nowhere, so the skip into it is dead.
    assert operation_counts(codes, live(codes)).tolist() == [[0, 0, 2, 1]]
    hot = one_hot(codes).reshape(6, 4)
    assert hot.argmax(1)[[0, 2, 3, 4]].tolist() == [2, 0, 3, 2]
    assert hot[[1, 5]].sum() == 0
