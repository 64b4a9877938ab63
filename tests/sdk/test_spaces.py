"""The space nasbench201 against a brute-force twin, over all of its 15,625 architectures."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from edgewise import ArchitectureError, ArgumentError
from edgewise.spaces import Kernel, Space, get_space, space_names

OPS = ["none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3"]
EDGES = [(0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3)]  # (from, to), in code order
FULL = "+".join(
    "|" + "".join(f"nor_conv_3x3~{node}|" for node in range(inputs)) for inputs in (1, 2, 3)
)
KernelTuple = tuple[str, int, int, int, int, int, int, int, tuple[int, int, int]]
CONSTANT = -9  # in the twin: what a node that nothing feeds holds


@pytest.fixture(scope="module")
def space() -> Space:
    return get_space("nasbench201")


@pytest.fixture(scope="module")
def architectures(space: Space) -> list[str]:
    return space.architectures()


# The twin: no masks, no tables; it walks every way through the cell and builds every kernel anew.


def ops_of(arch: str) -> list[str]:
    return re.findall(r"([a-z_0-9]+)~[0-2]", arch.replace("|", " "))


def ways(ops: list[str], start: int) -> Iterator[list[int]]:
    """Every way from node `start` to the output, as a list of edges that are not `none`."""
    if start == 3:
        yield []
        return
    for edge, (source, target) in enumerate(EDGES):
        if source == start and ops[edge] != "none":
            for rest in ways(ops, target):
                yield [edge, *rest]


def runs(ops: list[str], semantics: str) -> list[int]:
    """The edges whose operation runs."""
    if semantics == "all":
        return list(range(6))
    starts = [0] if semantics == "live" else [0, 1, 2]
    return sorted({edge for start in starts for way in ways(ops, start) for edge in way})


def cell(
    ops: list[str], edges: list[int], channels: int, side: int, stage: int, index: int
) -> list[KernelTuple]:
    kernels: list[KernelTuple] = []
    targets: set[int] = set()
    for edge in edges:
        where = (stage, index, edge)

        def step(op: str, window: int = 1, at: tuple[int, int, int] = where) -> KernelTuple:
            return (op, side, side, channels, channels, window, 1, 1, at)

        kernels += {
            "none": [step("zero")],
            "skip_connect": [step("identity")],
            "nor_conv_1x1": [step("relu"), step("conv", 1)],
            "nor_conv_3x3": [step("relu"), step("conv", 3)],
            "avg_pool_3x3": [step("avg_pool", 3)],
        }[ops[edge]]
        if EDGES[edge][1] in targets:
            kernels.append(step("add"))
        targets.add(EDGES[edge][1])
    return kernels


def reduction(channels: int, side: int, stage: int) -> list[KernelTuple]:
    """A residual block from (channels, side) to (2 channels, side / 2)."""
    at = (stage, -1, -1)
    wide, half = 2 * channels, side // 2
    return [
        ("relu", side, side, channels, channels, 1, 1, 1, at),
        ("conv", side, side, channels, wide, 3, 2, 1, at),
        ("relu", half, half, wide, wide, 1, 1, 1, at),
        ("conv", half, half, wide, wide, 3, 1, 1, at),
        ("avg_pool", side, side, channels, channels, 2, 2, 1, at),
        ("conv", half, half, channels, wide, 1, 1, 1, at),
        ("add", half, half, wide, wide, 1, 1, 1, at),
    ]


def lowered(arch: str, semantics: str) -> list[KernelTuple]:
    ops = ops_of(arch)
    edges = runs(ops, semantics)
    head: list[KernelTuple] = [
        ("batch_norm", 8, 8, 64, 64, 1, 1, 1, (3, -1, -1)),
        ("relu", 8, 8, 64, 64, 1, 1, 1, (3, -1, -1)),
        ("global_avg_pool", 8, 8, 64, 64, 8, 8, 1, (3, -1, -1)),
        ("linear", 1, 1, 64, 10, 1, 1, 1, (3, -1, -1)),
    ]
    if semantics != "all" and not any(True for _ in ways(ops, 0)):
        return [] if semantics == "live" else cell(ops, edges, 64, 8, 2, 4) + head
    kernels: list[KernelTuple] = [("conv", 32, 32, 3, 16, 3, 1, 1, (0, -1, -1))]
    for stage, (channels, side) in enumerate([(16, 32), (32, 16), (64, 8)]):
        if stage:
            kernels += reduction(channels // 2, side * 2, stage)
        for index in range(5):
            kernels += cell(ops, edges, channels, side, stage, index)
    return kernels + head


def readers(
    ops: list[str], edges: list[int], first: int, source: int
) -> tuple[list[list[int]], int]:
    """What each kernel of a cell reads, where the cell's first kernel is number `first`.

    Also the kernel that holds the cell's result.
    """
    inputs: list[list[int]] = []
    nodes = {0: source}
    for edge in edges:
        start, end = EDGES[edge]
        inputs.append([nodes.get(start, CONSTANT)])
        if ops[edge].startswith("nor_conv"):
            inputs.append([first + len(inputs) - 1])
        result = first + len(inputs) - 1
        if end in nodes:
            inputs.append([nodes[end], result])
            result += 1
        nodes[end] = result
    return inputs, nodes.get(3, CONSTANT)


def network_readers(arch: str, semantics: str) -> list[list[int]]:
    """What each kernel of the network reads; constants are left out."""
    ops = ops_of(arch)
    edges = runs(ops, semantics)
    inputs: list[list[int]] = []
    if semantics == "all" or any(True for _ in ways(ops, 0)):
        inputs, result = [[-1]], 0
        for index in range(15):
            if index in (5, 10):
                n = len(inputs)
                inputs += [[result], [n], [n + 1], [n + 2], [result], [n + 4], [n + 3, n + 5]]
                result = n + 6
            some, result = readers(ops, edges, len(inputs), result)
            inputs += some
    elif semantics == "live":
        return []
    else:
        inputs, result = readers(ops, edges, 0, CONSTANT)
    n = len(inputs)
    inputs += [[result], [n], [n + 1], [n + 2]]
    return [[i for i in each if i != CONSTANT] for each in inputs]


def as_tuple(k: Kernel) -> KernelTuple:
    sizes = (k.height, k.width, k.in_channels, k.out_channels, k.kernel_height, k.stride, k.groups)
    return (k.op, *sizes, k.position)


def macs(kernel: KernelTuple) -> int:
    op, height, _, inputs, outputs, window, stride, groups, _ = kernel
    if op not in ("conv", "linear"):
        return 0
    return (height // stride) ** 2 * inputs * outputs * window**2 // groups


@pytest.mark.parametrize("semantics", ["all", "reachable", "live"])
def test_every_architecture_lowers_as_the_twin_does(
    space: Space, architectures: list[str], semantics: str
) -> None:
    """The first cell, the count and the FLOPs of all; the test below looks at every kernel."""
    outside = [k for k in lowered(FULL, semantics) if k[-1][1] == -1]
    for arch in architectures:
        ops = ops_of(arch)
        if semantics != "all" and not any(True for _ in ways(ops, 0)):
            expected = lowered(arch, semantics)
            assert [as_tuple(k) for k in space.lower(arch, semantics)] == expected, arch
            continue
        first = cell(ops, runs(ops, semantics), 16, 32, 0, 0)
        actual = space.lower(arch, semantics)
        assert len(actual) == len(outside) + 15 * len(first), arch
        assert [as_tuple(k) for k in actual[1 : 1 + len(first)]] == first, arch
        # Every stage's cells take the same work: twice the channels at half the side.
        work = sum(map(macs, outside)) + 15 * sum(map(macs, first))
        assert space.flops(arch, semantics) == 2 * work, arch


@pytest.mark.parametrize("semantics", ["all", "reachable", "live"])
def test_every_kernel_of_some_architectures(
    space: Space, architectures: list[str], semantics: str
) -> None:
    sample = np.random.default_rng(5).choice(len(architectures), 300, replace=False)
    for index in sample:
        arch = architectures[index]
        kernels = space.lower(arch, semantics)
        assert [as_tuple(k) for k in kernels] == lowered(arch, semantics), arch
        assert [k.inputs for k in kernels] == network_readers(arch, semantics), arch
        sides = [(k.out_height, k.out_width, k.out_channels) for k in kernels]
        for k in kernels:
            for i in k.inputs:
                assert i < 0 or sides[i] == (k.height, k.width, k.in_channels), arch


def test_semantics_only_ever_drop(space: Space, architectures: list[str]) -> None:
    assert space.semantics == ["all", "reachable", "live"]
    for arch in architectures[::7]:
        counts = [len(space.lower(arch, semantics)) for semantics in space.semantics]
        assert counts == sorted(counts, reverse=True), arch


def test_codes_are_in_order_and_round_trip(space: Space, architectures: list[str]) -> None:
    assert space.size == len(architectures) == 5**6
    codes = space.encode(architectures)
    assert codes.dtype == np.uint8
    np.testing.assert_array_equal(codes, np.array(list(product(range(5), repeat=6))))
    assert space.decode(codes) == architectures
    assert space.decode(codes.astype(np.int64)) == architectures
    for arch in architectures[::11]:
        assert [OPS.index(op) for op in ops_of(arch)] == space.encode(arch)[0].tolist()
        assert space.parse(arch) == arch


def test_the_measured_architectures_are_all_of_the_space(
    space: Space, architectures: list[str], shared_data: Path
) -> None:
    with np.load(shared_data / "latency" / "nasbench201.npz") as table:
        measured = table["arch"]
    assert sorted(measured.tolist()) == sorted(architectures)
    np.testing.assert_array_equal(space.encode(measured), space.encode(measured.tolist()))


def test_flops_of_the_benchmark(space: Space) -> None:
    """NAS-Bench-201 gives 220.12 M multiply-accumulates for its largest network."""
    assert space.flops(FULL) == 2 * 220_119_680
    assert space.flops(FULL, "all") == space.flops(FULL)
    dead = "|none~0|+|none~0|none~1|+|none~0|nor_conv_3x3~1|none~2|"
    assert space.flops(dead) == 0
    assert space.flops(dead, "reachable") == 2 * (64 * 64 * 9 * 64 + 640)


def test_kernel_costs(space: Space) -> None:
    stem = space.lower(FULL)[0]
    assert stem.macs == 32 * 32 * 27 * 16
    assert stem.bytes == 4 * (32 * 32 * 3 + 32 * 32 * 16 + 27 * 16)
    add = next(k for k in space.lower(FULL) if k.op == "add")
    assert (add.macs, add.bytes) == (0, 4 * 3 * 32 * 32 * 16)
    assert repr(stem) == "Kernel(conv 3x3/1, 32x32x3 -> 16, position=(0, -1, -1))"


@pytest.mark.parametrize(
    ("arch", "message"),
    [
        ("", r"at character 0: the string ends where '\|' belongs"),
        ("nor_conv_3x3", r"at character 0: expected '\|'"),
        (FULL[1:], r"at character 0: expected '\|'"),
        (FULL[:-1], r"at character 94: the string ends where '\|' belongs"),
        (FULL + "\n", "at character 95: unexpected text after the end"),
        (" " + FULL, r"at character 0: expected '\|'"),
        (FULL.replace("3x3~2", "5x5~2"), "at character 80: unknown operation 'nor_conv_5x5'"),
        (FULL.replace("~2", "~0"), "at character 93: expected '2'"),
        (FULL.replace("+", "-", 1), r"at character 16: expected '\+'"),
        ("|~0|", "at character 1: an operation is missing"),
        (FULL.upper(), "at character 1: unknown operation 'NOR_CONV_3X3'"),
        ("|nöne~0|", "at character 1: unknown operation 'nöne'"),
        ("|" * 10_000, "at character 1: an operation is missing"),
        (FULL.replace("~0", "\0~0", 1), "at character 1: unknown operation"),
    ],
)
def test_malformed_strings(space: Space, arch: str, message: str) -> None:
    for refuse in (space.parse, space.encode, space.lower, space.flops):
        with pytest.raises(ArchitectureError, match=message) as caught:
            refuse(arch)
        assert "none, skip_connect, nor_conv_1x1, nor_conv_3x3, avg_pool_3x3" in str(caught.value)
        assert len(str(caught.value)) < 500
        assert isinstance(caught.value, ValueError)


def test_every_prefix_and_every_changed_character(space: Space) -> None:
    for length in range(len(FULL)):
        with pytest.raises(ArchitectureError, match=rf"at character ({length}|\d+):"):
            space.parse(FULL[:length])
    for position in range(len(FULL)):
        changed = FULL[:position] + "#" + FULL[position + 1 :]
        with pytest.raises(ArchitectureError) as caught:
            space.parse(changed)
        found = re.search(r"at character (\d+)", str(caught.value))
        assert found is not None
        # In an operation's name the position is where the name begins.
        assert position - 13 < int(found.group(1)) <= position


@pytest.mark.parametrize("bad", [None, 3, b"|none~0|", ["|none~0|"], "\ud800"])
def test_what_is_no_architecture(space: Space, bad: object) -> None:
    with pytest.raises(
        ArchitectureError, match=r"an architecture (is a string or a dict|string holds)"
    ):
        space.parse(bad)  # type: ignore[arg-type]
    with pytest.raises(ArchitectureError, match=r"architecture 1: an architecture"):
        space.encode([FULL, bad])  # type: ignore[list-item]


def test_a_batch_names_the_bad_one(space: Space) -> None:
    with pytest.raises(ArchitectureError, match=r"^architecture 2: nasbench201: at character 1"):
        space.encode([FULL, FULL, "|foo~0|", FULL])
    with pytest.raises(ArgumentError, match="an array of codes, not int"):
        space.encode(7)  # type: ignore[arg-type]


def test_any_sequence_of_strings(space: Space, architectures: list[str]) -> None:
    some = architectures[:50]
    expected = space.encode(some)
    for archs in (tuple(some), np.array(some), iter(some), dict.fromkeys(some).keys()):
        np.testing.assert_array_equal(space.encode(archs), expected)
    assert space.encode([]).shape == (0, 6)
    assert space.encode(FULL).shape == (1, 6)


@pytest.mark.parametrize(
    ("codes", "message"),
    [
        ([[0, 1, 2, 3, 4, 5]], "nasbench201: position 5 holds 5; it may be 0, 1, 2, 3, 4"),
        ([[0, -1, 2, 3, 4, 0]], "row 0: nasbench201: position 1 holds -1, which is no code"),
        ([[0] * 6, [0, 256, 2, 3, 4, 0]], "row 1: nasbench201: position 1 holds 256, which"),
        ([[0, 1, 2]], r"integers of shape \(N, 6\)"),
        ([[0.0] * 6], r"integers of shape \(N, 6\)"),
        (3, r"integers of shape \(N, 6\)"),
        ([[[0] * 6]], r"integers of shape \(N, 6\)"),
        ("abc", r"integers of shape \(N, 6\)"),
    ],
)
def test_bad_codes(space: Space, codes: object, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        space.decode(codes)  # type: ignore[arg-type]
    assert space.decode([0, 1, 2, 3, 4, 0]) == space.decode([[0, 1, 2, 3, 4, 0]])


def test_unknown_names(space: Space) -> None:
    assert space_names() == ["nasbench201", "fbnet", "ofa", "transformer", "supernet"]
    assert [get_space(name).name for name in space_names()] == space_names()
    with pytest.raises(
        ArgumentError, match="unknown space 'nasbench'; there is nasbench201, fbnet"
    ):
        get_space("nasbench")
    with pytest.raises(ArgumentError, match="unknown semantics 'dead'; one of all, reachable"):
        space.lower(FULL, "dead")


def test_encoding_is_fast(space: Space, architectures: list[str]) -> None:
    """All strings in 1.5 ms on an idle core; the best of many runs, with room for a busy one."""
    shuffled = list(np.random.default_rng(1).permutation(architectures))
    strings = [str(arch) for arch in shuffled]
    best = min(_seconds(space, strings) for _ in range(50))
    assert best < 5e-3


def _seconds(space: Space, strings: list[str]) -> float:
    start = time.perf_counter()
    space.encode(strings)
    return time.perf_counter() - start


def test_many_threads(space: Space, architectures: list[str]) -> None:
    expected = space.encode(architectures)
    wrong: list[int] = []

    def work(number: int) -> None:
        for _ in range(10):
            if not np.array_equal(space.encode(architectures), expected):
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
