"""The space fbnet against a slow twin, and against the measured architectures."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from edgewise import ArchitectureError, ArgumentError
from edgewise.spaces import Space, get_space

from .kernel_twin import Row, Twin, rows_of

OPS = ["k3_e1", "k3_e1_g2", "k3_e3", "k3_e6", "k5_e1", "k5_e1_g2", "k5_e3", "k5_e6", "skip"]
LARGEST = ",".join(["k5_e6"] * 22)
# Table 1 of arXiv 1812.03443: channels, blocks, stride of the first.
TABLE = [
    (16, 1, 1),
    (24, 4, 2),
    (32, 4, 2),
    (64, 4, 2),
    (112, 4, 1),
    (184, 4, 2),
    (352, 1, 1),
]


@pytest.fixture(scope="module")
def space() -> Space:
    return get_space("fbnet")


def block(net: Twin, x: int, op: str, channels: int, stride: int) -> int:
    shape = net.shapes[x]
    same = stride == 1 and shape[2] == channels
    if op == "skip":
        return net.step("identity", x) if same else net.conv(x, channels, 1, stride, act="relu")
    found = re.fullmatch(r"k(\d)_e(\d)(?:_g(\d))?", op)
    assert found is not None
    k, e, g = (int(part or 1) for part in found.groups())
    y = net.conv(x, shape[2] * e, 1, groups=g, act="relu")
    if g > 1:
        y = net.step("transpose", y)
    y = net.conv(y, shape[2] * e, k, stride, groups=shape[2] * e, act="relu")
    y = net.conv(y, channels, 1, groups=g)
    return net.step("add", y, x) if same else y


def lowered(arch: str) -> list[Row]:
    ops = iter(arch.split(","))
    net = Twin((224, 224, 3))
    x = net.conv(-1, 16, 3, 2, act="relu")
    for stage, (channels, blocks, stride) in enumerate(TABLE):
        for index in range(blocks):
            net.position = (stage, index, -1)
            x = block(net, x, next(ops), channels, stride if index == 0 else 1)
    net.position = (7, -1, -1)
    net.linear(net.mean(net.conv(x, 1984, 1, act="relu")), 1000)
    return net.rows


def test_every_kernel(space: Space) -> None:
    archs = space.decode(space.draw(200, seed=1))
    for arch in [*archs, LARGEST, ",".join(["skip"] * 22), ",".join(["k3_e1_g2"] * 22)]:
        assert rows_of(space.lower(arch)) == lowered(arch), arch


def test_flops(space: Space) -> None:
    """The paper's FBNet-C takes 375 M multiply-accumulates."""

    def convolution(row: Row) -> int:
        height, width, channels = row.after
        return height * width * channels * row.before[2] * row.window[0] ** 2 // row.groups

    for arch in space.decode(space.draw(20, seed=2)):
        rows = [row for row in lowered(arch) if row.op in ("conv", "linear")]
        assert space.flops(arch) == 2 * sum(map(convolution, rows))
    # FBNet-C as its authors published it.
    c = (
        "k3_e1,k3_e6,skip,k3_e1,k3_e1,k5_e6,k5_e3,k5_e6,k3_e6,k5_e6,k5_e3,k5_e6,k5_e6,"
        "k5_e6,k5_e6,k5_e3,k5_e6,k5_e6,k5_e6,k5_e6,k5_e6,k3_e6"
    )
    assert space.flops(c) / 2e6 == pytest.approx(375, rel=0.03)


def test_the_measured_architectures(space: Space, shared_data: Path) -> None:
    with np.load(shared_data / "latency" / "fbnet.npz") as table:
        names, codes = table["arch_ops"], table["arch"]
    archs = [",".join(row) for row in names]
    assert [space.parse(arch) for arch in archs] == archs
    np.testing.assert_array_equal(space.encode(archs), codes)
    np.testing.assert_array_equal(space.encode(codes), codes)
    assert space.decode(codes) == archs


def test_choices(space: Space) -> None:
    assert space.choices == [list(range(9))] * 22
    assert (space.size, space.semantics) == (0, ["live"])
    assert space.decode(np.arange(22) % 9) == [",".join(OPS[i % 9] for i in range(22))]
    assert space.connected(LARGEST)
    with pytest.raises(ArgumentError, match="unknown semantics 'all'; one of live"):
        space.lower(LARGEST, "all")
    with pytest.raises(ArgumentError, match=r"fbnet has too many .*space\.draw\(1000, seed=0\)"):
        space.architectures()


@pytest.mark.parametrize(
    ("arch", "message"),
    [
        ("", "at character 0: an operation is missing"),
        (LARGEST + ",skip", "at character 131: more than 22 operations"),
        (LARGEST + ",", "at character 131: more than 22 operations"),
        (LARGEST[:-6], "at character 125: only 21 operations"),
        (LARGEST[:-5], "at character 126: an operation is missing"),
        (LARGEST.replace("k5_e6", "k7_e6", 1), "at character 0: unknown operation 'k7_e6'"),
        (LARGEST[:6] + "k5_e6_g2" + LARGEST[11:], "at character 6: unknown operation 'k5_e6_g2'"),
        (LARGEST.replace(",", ", "), "at character 6: unknown operation ' k5_e6'"),
        (LARGEST.replace(",", ";"), "at character 0: unknown operation"),
        (LARGEST.upper(), "at character 0: unknown operation 'K5_E6'"),
        (LARGEST.replace("k5_e6", "skip ", 1), "at character 0: unknown operation 'skip '"),
        (LARGEST + "\n", "at character 126: unknown operation"),
        ("skip", "at character 4: only 1 operations"),
        ("," * 30, "at character 0: an operation is missing"),
        ("k5_e6\0,", "at character 0: unknown operation"),
    ],
)
def test_malformed_strings(space: Space, arch: str, message: str) -> None:
    for refuse in (space.parse, space.encode, space.lower, space.flops):
        with pytest.raises(ArchitectureError, match=f"^fbnet: {message}") as caught:
            refuse(arch)
        assert "22 operations joined by commas, of k3_e1, k3_e1_g2" in str(caught.value)


def test_every_prefix_is_refused(space: Space) -> None:
    arch = ",".join(OPS[i % 9] for i in range(22))
    for length in range(len(arch)):
        with pytest.raises(ArchitectureError, match="fbnet: at character"):
            space.parse(arch[:length])
