"""The space supernet against a slow twin of its reader and of its networks."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from edgewise import ArchitectureError, _core
from edgewise.spaces import Space, get_space

from .kernel_twin import Row, Twin, rows_of

LARGEST: dict[str, Any] = {"ks": [5] * 9, "e": [4] * 9, "d": [3] * 3}
SMALLEST: dict[str, Any] = {"ks": [3] * 9, "e": [2] * 9, "d": [1] * 3}
TEXT = json.dumps(LARGEST, separators=(",", ":"))


@pytest.fixture(scope="module")
def space() -> Space:
    return get_space("supernet")


def canonical(arch: dict[str, Any]) -> dict[str, Any]:
    kept = [block < arch["d"][stage] for stage in range(3) for block in range(3)]
    return {
        "ks": [k if keep else 3 for k, keep in zip(arch["ks"], kept, strict=True)],
        "e": [e if keep else 2 for e, keep in zip(arch["e"], kept, strict=True)],
        "d": list(arch["d"]),
    }


def written(arch: dict[str, Any]) -> str:
    return json.dumps(canonical(arch), separators=(",", ":"))


def drawn(count: int, seed: int) -> list[dict[str, Any]]:
    """Networks whose codes beyond the depth are anything."""
    rng = np.random.default_rng(seed)
    return [
        {
            "ks": rng.choice([3, 5], 9).tolist(),
            "e": rng.choice([2, 3, 4], 9).tolist(),
            "d": rng.choice([1, 2, 3], 3).tolist(),
        }
        for _ in range(count)
    ]


#: Channels between the two small layers of squeeze-and-excitation, by those they scale.
SQUEEZED = {48: 16, 72: 24, 96: 24, 80: 24, 120: 32, 160: 40, 240: 64, 320: 80}


def block(net: Twin, x: int, channels: int, k: int, e: int, stride: int, stage: int) -> int:
    def activated(y: int, out: int, window: int, step: int, groups: int) -> int:
        if stage < 2:
            return net.conv(y, out, window, step, groups, "relu")
        return net.step("hard_swish", net.conv(y, out, window, step, groups))

    before = net.shapes[x][2]
    wide = before * e
    y = activated(x, wide, 1, 1, 1)
    y = activated(y, wide, k, stride, wide)
    if stage > 0:
        z = net.linear(net.mean(y), SQUEEZED[wide], "relu")
        z = net.step("hard_sigmoid", net.linear(z, wide))
        y = net.step("mul", y, z)
    y = net.conv(y, channels, 1)
    return net.step("add", y, x) if stride == 1 and before == channels else y


def lowered(arch: dict[str, Any]) -> list[Row]:
    net = Twin((32, 32, 3))
    x = net.step("hard_swish", net.conv(net.step("batch_norm", -1), 16, 3))
    for stage, channels in enumerate((24, 40, 80)):
        for at in range(arch["d"][stage]):
            net.position = (stage + 1, at, -1)
            number = 3 * stage + at
            stride = 1 if at else 2
            x = block(net, x, channels, arch["ks"][number], arch["e"][number], stride, stage)
    net.position = (4, -1, -1)
    net.mean(net.step("hard_swish", net.conv(x, 160, 1)))
    return net.rows


def test_every_kernel(space: Space) -> None:
    for arch in [*drawn(200, 1), LARGEST, SMALLEST]:
        assert rows_of(space.lower(arch)) == lowered(arch), arch


def test_parsing(space: Space) -> None:
    rng = np.random.default_rng(2)
    for arch in drawn(200, 3):
        shuffled = {key: arch[key] for key in rng.permutation(list(arch)).tolist()}
        text = json.dumps(shuffled, indent=int(rng.integers(3)))
        for form in (arch, shuffled, text, written(arch)):
            assert space.parse(form) == written(arch)
        whole = canonical(arch)
        assert space.encode(arch).tolist() == [[*whole["ks"], *whole["e"], *whole["d"]]]
    assert space.choices == [[3, 5]] * 9 + [[2, 3, 4]] * 9 + [[1, 2, 3]] * 3


def test_codes(space: Space) -> None:
    archs = drawn(500, 4)
    raw = np.array([[*a["ks"], *a["e"], *a["d"]] for a in archs])
    whole = space.encode([written(a) for a in archs])
    for codes in (raw, raw.astype(np.uint8)):
        np.testing.assert_array_equal(space.encode(codes), whole)
        np.testing.assert_array_equal(space.canonical(codes), whole)
        assert space.decode(codes) == [written(a) for a in archs]


def test_features_count_distinct_blocks(space: Space) -> None:
    """The costs of the blocks of a network add up to those of its kernels."""
    columns = _core.feature_columns(space)
    assert len(columns) == 3 * 2 * 6 + 1  # stages, first or later block, choices; the rest
    macs = np.array([sum(kernel.macs for kernel in column.kernels) for column in columns])
    count = np.array([len(column.kernels) for column in columns])
    archs = drawn(100, 5)
    rows = _core.features(space, archs, np.zeros((0, 0)))
    np.testing.assert_allclose(2 * rows @ macs, [space.flops(arch) for arch in archs])
    np.testing.assert_array_equal(rows @ count, [len(space.lower(arch)) for arch in archs])


@pytest.mark.parametrize(
    ("arch", "message"),
    [
        ("", r"at character 0: the text ends too early"),
        ("{}", r"at character 1: a key is missing \('ks'\)"),
        (TEXT + "x", f"at character {len(TEXT)}: unexpected text after the end"),
        (TEXT.replace("[5,", "[7,", 1), "at character 7: a kernel size is none of 3, 5"),
        (TEXT.replace("4],", "6],"), "at character 47: an expansion is none of 2, 3, 4"),
        (TEXT.replace('"d":[3', '"d":[0'), "at character 55: a depth is none of 1, 2, 3"),
        (TEXT.replace('"d":[3', '"d":[1e999'), "at character 55: a depth is none of 1, 2, 3"),
        (TEXT.replace("[5,", "[", 1), r"the list is too short \('ks'\)"),
        (TEXT.replace("[5,", "[5,5,", 1), r"the list is too long \('ks'\)"),
        (TEXT.replace('"d"', '"r"'), "unknown key"),
    ],
)
def test_malformed_strings(space: Space, arch: str, message: str) -> None:
    for refuse in (space.parse, space.encode, space.lower, space.flops):
        with pytest.raises(ArchitectureError, match=f"^supernet: .*{message}") as caught:
            refuse(arch)
        assert """the form is '{"ks":[9 of 3, 5],""" in str(caught.value)


def test_every_prefix_is_refused(space: Space) -> None:
    for length in range(len(TEXT)):
        with pytest.raises(ArchitectureError, match="supernet: at character"):
            space.parse(TEXT[:length])
