"""Encodings against the core's own lowering, and against HELP's description written by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest

from edgewise.errors import ArgumentError
from edgewise.spaces import Space, get_space
from edgewise_converter.latency.encodings.nasbench201 import live, one_hot, operation_counts
from edgewise_converter.latency.encodings.registry import encoding_of, help_inputs


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


def chain_columns(space: Space, archs: list[str]) -> np.ndarray:
    return help_inputs(space, space.encode(archs)).numpy()


def test_fbnet_is_described_as_help_does() -> None:
    """Kernel 3 or 5, then the expansion, of each layer; nothing of a skip."""
    fbnet = get_space("fbnet")
    layers = ["k3_e1", "k3_e1_g2", "k3_e3", "k3_e6", "k5_e1", "k5_e1_g2", "k5_e3", "k5_e6", "skip"]
    expected = {
        "k3_e1": [1, 0, 1, 0, 0, 0],
        "k5_e1_g2": [0, 1, 0, 1, 0, 0],
        "k5_e6": [0, 1, 0, 0, 0, 1],
        "skip": [0] * 6,
    }
    names = (layers * 3)[:22]
    (found,) = chain_columns(fbnet, [",".join(names)]).reshape(1, 22, 6)
    for name, columns in zip(names, found, strict=True):
        assert columns.tolist() == expected.get(name, columns.tolist())
    codes, encoding = fbnet.encode(",".join(names)), encoding_of("fbnet")
    assert encoding.counts(codes).tolist() == [[fbnet.flops(",".join(names)) / 1e8, 20]]
    assert encoding.depth(codes).tolist() == [20]
    assert encoding.linear(codes).sum() == 20
    assert encoding.columns == 132


def test_ofa_is_described_as_help_does() -> None:
    """Kernels and expansions of the layers that are there, then the resolution."""
    ofa, encoding = get_space("ofa"), encoding_of("ofa")
    generator = np.random.default_rng(0)
    archs = [
        {
            "ks": generator.choice((3, 5, 7), 20).tolist(),
            "e": generator.choice((3, 4, 6), 20).tolist(),
            "d": generator.choice((2, 3, 4), 5).tolist(),
            "r": int(generator.choice(range(128, 225, 4))),
        }
        for _ in range(50)
    ]
    written = [json.dumps(arch) for arch in archs]
    found = chain_columns(ofa, written)
    for arch, columns in zip(archs, found, strict=True):
        there = [layer % 4 < arch["d"][layer // 4] for layer in range(20)]
        expected = np.zeros(145)
        for layer in np.flatnonzero(there):
            expected[3 * layer + (3, 5, 7).index(arch["ks"][layer])] = 1
            expected[60 + 3 * layer + (3, 4, 6).index(arch["e"][layer])] = 1
        expected[120 + (arch["r"] - 128) // 4] = 1
        assert np.array_equal(columns, expected)
    codes = ofa.encode(written)
    depth = np.array([sum(arch["d"]) for arch in archs])
    assert encoding.depth(codes).tolist() == depth.tolist()
    flops = np.array([ofa.flops(arch) for arch in written])
    np.testing.assert_allclose(encoding.counts(codes), np.column_stack((flops / 1e8, depth)))


@pytest.mark.parametrize("name", ["fbnet", "ofa"])
def test_all_but_linear_spaces_are_told_apart(name: str) -> None:
    """Two architectures that differ in the core's codes differ in every description."""
    space = get_space(name)
    generator = np.random.default_rng(1)
    drawn = np.stack([generator.choice(allowed, 300) for allowed in space.choices], axis=1)
    codes = space.encode(space.decode(drawn.astype(np.uint8)))
    unique = np.unique(codes, axis=0)
    for columns in (help_inputs(space, unique).numpy(), encoding_of(name).linear(unique)):
        assert len(np.unique(columns, axis=0)) == len(unique)


def test_supernet_layers_that_are_there() -> None:
    space, encoding = get_space("supernet"), encoding_of("supernet")
    arch = {"ks": [5, 3, 5, 3, 5, 5, 5, 5, 3], "e": [4, 3, 2, 2, 4, 4, 3, 2, 4], "d": [2, 1, 3]}
    codes = space.encode(arch)
    (found,) = encoding.linear(codes).reshape(1, 9, 5)
    for layer, columns in enumerate(found.tolist()):
        there = layer % 3 < arch["d"][layer // 3]
        kernel = [arch["ks"][layer] == k for k in (3, 5)]
        expansion = [arch["e"][layer] == e for e in (2, 3, 4)]
        assert columns == ([*kernel, *expansion] if there else [0] * 5)
    assert encoding.counts(codes).tolist() == [[space.flops(arch) / 1e8, 6]]
    assert encoding.connected(codes).tolist() == [True]
    drawn = space.draw(300, 1)
    assert len(np.unique(encoding.linear(drawn), axis=0)) == 300
    with pytest.raises(ArgumentError, match="HELP has no network for the 1 networks"):
        help_inputs(space, codes)


def test_transformers_have_no_network() -> None:
    space, encoding = get_space("transformer"), encoding_of("transformer")
    codes = np.array([[10, 6, 20, 30, 8, 4, 9, 12, 14, 6]], np.uint8)
    assert encoding.depth(codes).tolist() == [4]
    assert np.isfinite(encoding.linear(codes)).all()
    assert encoding.counts(codes).shape == (1, 9)
    with pytest.raises(ArgumentError, match="HELP has no network for the 1 transformers"):
        help_inputs(space, codes)


def test_other_spaces_are_refused() -> None:
    with pytest.raises(ArgumentError, match="'darts' has no encoding"):
        encoding_of("darts")
