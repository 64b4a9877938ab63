"""The deployed graph: what it drops, what it keeps, and that it computes the same."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from edgewise.errors import ArgumentError
from edgewise.spaces import get_space
from edgewise_converter.compile.graph import Graph
from edgewise_converter.compile.lowering import deployed_graph
from edgewise_converter.compile.tflite import fuse_relu
from edgewise_converter.spaces.nasbench201 import build

CELLS = 15


def arch(*operations: str) -> str:
    a, b, c, d, e, f = operations
    return f"|{a}~0|+|{b}~0|{c}~1|+|{d}~0|{e}~1|{f}~2|"


NONE, SKIP, CONV1, CONV3, POOL = (
    "none",
    "skip_connect",
    "nor_conv_1x1",
    "nor_conv_3x3",
    "avg_pool_3x3",
)


def counts(graph: Graph) -> dict[str, int]:
    names = [node.op for node in graph.nodes]
    return {name: names.count(name) for name in sorted(set(names))}


def test_everything_live_is_kept() -> None:
    graph = deployed_graph(build(arch(*[CONV3] * 6)))
    # Six convolutions a cell, the stem, and three in each of two reductions.
    assert counts(graph)["conv"] == 6 * CELLS + 1 + 2 * 3
    assert counts(graph)["add"] == 3 * CELLS + 2


def test_operations_without_a_path_to_the_output_are_dropped() -> None:
    graph = deployed_graph(build(arch(CONV3, CONV3, CONV1, SKIP, NONE, NONE)))
    assert counts(graph)["conv"] == 1 + 2 * 3
    assert "add_constant" not in counts(graph)


def test_operations_fed_only_zeros_are_dropped() -> None:
    graph = deployed_graph(build(arch(NONE, SKIP, CONV3, NONE, CONV3, CONV1)))
    assert counts(graph)["conv"] == CELLS + 1 + 2 * 3
    assert counts(graph).get("add", 0) == 2


def test_trained_statistics_leave_a_constant_to_add() -> None:
    network = build(arch(NONE, SKIP, NONE, SKIP, CONV3, NONE))
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.constant_(layer.bias, 0.5)
    # A normalised zero is no longer zero, but what it becomes does not depend on the image.
    graph = deployed_graph(network)
    assert counts(graph)["add_constant"] == CELLS
    assert counts(graph)["conv"] == 1 + 2 * 3


def test_without_a_path_the_answer_is_a_constant() -> None:
    network = build(arch(CONV3, NONE, NONE, NONE, NONE, CONV3))
    graph = deployed_graph(network)
    assert graph.nodes == ()
    assert graph.constant is not None
    with torch.no_grad():
        expected = network(torch.randn(1, 3, 32, 32)).numpy()[0]
    np.testing.assert_allclose(graph.constant, expected, rtol=1e-6)


def test_equal_operations_on_one_value_run_once() -> None:
    graph = deployed_graph(build(arch(POOL, POOL, NONE, POOL, SKIP, SKIP)))
    assert counts(graph)["avg_pool"] == CELLS + 2


def test_live_convolutions_are_those_the_core_lowers() -> None:
    space = get_space("nasbench201")
    for name in space.architectures()[::997]:
        graph = deployed_graph(build(name))
        expected = [
            (k.in_channels, k.out_channels, k.kernel_height, k.stride)
            for k in space.lower(name, "live")
            if k.op == "conv"
        ]
        found = [
            (n.weights[0].shape[1], n.weights[0].shape[0], n.kernel, n.stride)
            for n in graph.nodes
            if n.op == "conv"
        ]
        assert sorted(found) == sorted(expected), name


def test_relu_is_joined_only_where_nothing_else_reads_the_value() -> None:
    shared = deployed_graph(build(arch(CONV3, SKIP, NONE, SKIP, CONV3, NONE)))
    kept = fuse_relu(shared.nodes)
    # The first convolution of a cell is read by a ReLU alone; the cell's sum by more than that.
    assert sum(node.relu for node in kept if node.op == "conv") == CELLS + 2
    assert sum(node.op == "relu" for node in kept) < sum(n.op == "relu" for n in shared.nodes)


def test_an_unknown_operation_is_refused() -> None:
    with pytest.raises(ArgumentError, match="cannot lower"):
        deployed_graph(nn.Sequential(nn.Conv2d(3, 4, 1), nn.Softmax(dim=1)))


def test_counted_padding_is_refused() -> None:
    with pytest.raises(ArgumentError, match="counts its padding"):
        deployed_graph(nn.Sequential(nn.AvgPool2d(3, 1, 1)))
