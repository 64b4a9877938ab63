"""Peak memory against an oracle that walks every step and looks ahead for every use."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import pytest

from edgewise import ArgumentError
from edgewise._core import memory
from edgewise.spaces import get_space, space_names

VIEWS = ("identity", "reshape")


class Step(Protocol):
    """What the oracle looks at of a kernel."""

    @property
    def op(self) -> str: ...
    @property
    def inputs(self) -> list[int]: ...
    @property
    def input_bytes(self) -> float: ...
    @property
    def output_bytes(self) -> float: ...


def holder(kernels: Sequence[Step], result: int) -> int | None:
    """The kernel or network input whose memory `result` lies in; None for a constant's."""
    while result >= 0 and kernels[result].op in VIEWS:
        if not kernels[result].inputs:
            return None
        result = kernels[result].inputs[0]
    return result


def size(kernels: Sequence[Step], result: int) -> int:
    if result >= 0:
        return int(kernels[result].output_bytes)
    readers = [k for k in kernels if result in k.inputs]
    return max(int(k.input_bytes / len(k.inputs)) for k in readers)


def peak(kernels: Sequence[Step]) -> int:
    """The most bytes that are alive at any step: what it writes, and all still to be read."""
    inputs = {i for k in kernels for i in k.inputs if i < 0}
    sizes = {each: size(kernels, each) for each in [*inputs, *range(len(kernels))]}
    most = 0
    for step in range(len(kernels)):
        needed = {result for later in kernels[step:] for result in later.inputs if result < step}
        alive = {holder(kernels, result) for result in [*needed, step]}
        most = max(most, sum(sizes[each] for each in alive if each is not None))
    return most


@pytest.mark.parametrize("name", space_names())
def test_random_networks(name: str) -> None:
    space = get_space(name)
    archs = space.decode(space.draw(12, seed=2))
    for semantics in space.semantics:
        peaks, weights = space.memory(archs, semantics)
        assert peaks.dtype == np.int64
        assert weights.dtype == np.int64
        for arch, most, learnt in zip(archs, peaks, weights, strict=True):
            kernels = space.lower(arch, semantics)
            assert most == peak(kernels), arch
            assert learnt == sum(k.weight_bytes for k in kernels), arch
            assert memory(kernels) == (most, learnt)


def test_one_architecture_codes_and_dicts() -> None:
    space = get_space("ofa")
    codes = space.draw(40, seed=3)
    peaks, weights = space.memory(codes)
    again = space.memory(space.decode(codes))
    np.testing.assert_array_equal(peaks, again[0])
    np.testing.assert_array_equal(weights, again[1])
    arch = {"ks": [7] * 20, "e": [6] * 20, "d": [4] * 5, "r": 224}
    most, learnt = space.memory(arch)
    # The first stage expands 24 channels to 144 at 112 x 112 and halves the sides.
    assert most.tolist() == [4 * 144 * (112 * 112 + 56 * 56)]
    assert learnt.shape == (1,)
    assert [part.shape for part in space.memory([])] == [(0,), (0,)]


def test_by_hand() -> None:
    """In a cell of convolutions, the input, two nodes, a sum and what is added to it."""
    space = get_space("nasbench201")
    full = "+".join(
        "|" + "".join(f"nor_conv_3x3~{node}|" for node in range(inputs)) for inputs in (1, 2, 3)
    )
    image = 4 * 32 * 32 * 16
    assert space.memory(full)[0][0] == 5 * image
    nothing = "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"
    assert [part.tolist() for part in space.memory(nothing)] == [[0], [0]]
    with pytest.raises(ArgumentError, match="unknown semantics"):
        space.memory(full, "some")


def test_graphs() -> None:
    assert memory([]) == (0, 0)
    kernels = get_space("fbnet").lower(",".join(["skip"] * 22))
    # In another order: the second kernel would read itself or what comes later.
    with pytest.raises(ArgumentError, match=r"kernel 0 reads kernel \d+, which comes later"):
        memory(kernels[1:])
