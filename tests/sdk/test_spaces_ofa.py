"""The space ofa against a slow twin of its reader and of its networks."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgewise import ArchitectureError
from edgewise.spaces import Space, get_space

from .kernel_twin import Row, Twin, rows_of

LARGEST: dict[str, Any] = {"ks": [7] * 20, "e": [6] * 20, "d": [4] * 5, "r": 224}
TEXT = json.dumps(LARGEST, separators=(",", ":"))
WIDTH = 1.2


@pytest.fixture(scope="module")
def space() -> Space:
    return get_space("ofa")


def canonical(arch: dict[str, Any]) -> dict[str, Any]:
    kept = [block < arch["d"][stage] for stage in range(5) for block in range(4)]
    return {
        "ks": [k if keep else 3 for k, keep in zip(arch["ks"], kept, strict=True)],
        "e": [e if keep else 3 for e, keep in zip(arch["e"], kept, strict=True)],
        "d": list(arch["d"]),
        "r": arch["r"],
    }


def written(arch: dict[str, Any]) -> str:
    return json.dumps(canonical(arch), separators=(",", ":"))


def drawn(count: int, seed: int) -> list[dict[str, Any]]:
    """Networks whose codes beyond the depth are anything."""
    rng = np.random.default_rng(seed)
    return [
        {
            "ks": rng.choice([3, 5, 7], 20).tolist(),
            "e": rng.choice([3, 4, 6], 20).tolist(),
            "d": rng.choice([2, 3, 4], 5).tolist(),
            "r": int(rng.choice(np.arange(128, 225, 4))),
        }
        for _ in range(count)
    ]


def eighths(channels: float) -> int:
    """The authors' make_divisible: the nearest multiple of 8, at most a tenth below."""
    nearest = max(8, math.floor(channels / 8 + 0.5) * 8)
    return nearest + 8 if nearest < 0.9 * channels else nearest


def convolve(net: Twin, x: int, channels: int, k: int, stride: int, groups: int, act: str) -> int:
    if act == "relu":
        return net.conv(x, channels, k, stride, groups, "relu")
    return net.step("hard_swish", net.conv(x, channels, k, stride, groups))


def block(
    net: Twin, x: int, channels: int, k: int, e: int, stride: int, act: str, excites: bool
) -> int:
    before = net.shapes[x][2]
    wide = eighths(before * e)
    y = x if e == 1 else convolve(net, x, wide, 1, 1, 1, act)
    y = convolve(net, y, wide, k, stride, wide, act)
    if excites:
        z = net.linear(net.mean(y), eighths(wide // 4), "relu")
        z = net.step("hard_sigmoid", net.linear(z, wide))
        y = net.step("mul", y, z)
    y = net.conv(y, channels, 1)
    return net.step("add", y, x) if stride == 1 and before == channels else y


def lowered(arch: dict[str, Any]) -> list[Row]:
    net = Twin((arch["r"], arch["r"], 3))
    x = convolve(net, -1, eighths(16 * WIDTH), 3, 2, 1, "hard_swish")
    net.position = (0, 0, -1)
    x = block(net, x, eighths(16 * WIDTH), 3, 1, 1, "relu", False)
    stages = [
        (24, 2, "relu", False),
        (40, 2, "relu", True),
        (80, 2, "hard_swish", False),
        (112, 1, "hard_swish", True),
        (160, 2, "hard_swish", True),
    ]
    for s, (channels, stride, act, excites) in enumerate(stages):
        for b in range(arch["d"][s]):
            net.position = (s + 1, b, -1)
            k, e = arch["ks"][4 * s + b], arch["e"][4 * s + b]
            width = eighths(channels * WIDTH)
            x = block(net, x, width, k, e, stride if b == 0 else 1, act, excites)
    net.position = (6, -1, -1)
    x = net.mean(convolve(net, x, eighths(960 * WIDTH), 1, 1, 1, "hard_swish"))
    net.linear(net.step("hard_swish", net.linear(x, eighths(1280 * WIDTH))), 1000)
    return net.rows


def test_every_kernel(space: Space) -> None:
    smallest = {"ks": [3] * 20, "e": [3] * 20, "d": [2] * 5, "r": 128}
    for arch in [*drawn(150, 1), LARGEST, smallest]:
        assert rows_of(space.lower(arch)) == lowered(arch), arch


def test_parsing(space: Space) -> None:
    rng = np.random.default_rng(2)
    for arch in drawn(200, 3):
        shuffled = {key: arch[key] for key in rng.permutation(list(arch)).tolist()}
        text = json.dumps(shuffled, indent=int(rng.integers(3)))
        for form in (arch, shuffled, text, written(arch), {**arch, "wid": None}):
            assert space.parse(form) == written(arch)
        whole = canonical(arch)
        expected = [*whole["ks"], *whole["e"], *whole["d"], whole["r"]]
        assert space.encode(arch).tolist() == [expected]
        arrays = {
            "ks": np.array(arch["ks"], np.int8),
            "e": tuple(arch["e"]),
            "d": np.array(arch["d"], np.float32),
            "r": np.uint8(arch["r"]),
        }
        assert space.encode([arrays, text]).tolist() == [expected, expected]


def test_codes(space: Space) -> None:
    archs = drawn(500, 4)
    raw = np.array([[*a["ks"], *a["e"], *a["d"], a["r"]] for a in archs])
    whole = space.encode([written(a) for a in archs])
    for codes in (raw, raw.astype(np.uint8), np.asfortranarray(raw.astype(np.int16))):
        before = codes.copy()
        np.testing.assert_array_equal(space.encode(codes), whole)
        np.testing.assert_array_equal(space.canonical(codes), whole)
        np.testing.assert_array_equal(codes, before)
        assert space.decode(codes) == [written(a) for a in archs]
    assert space.encode(whole) is whole
    assert space.choices == [[3, 5, 7]] * 20 + [[3, 4, 6]] * 20 + [[2, 3, 4]] * 5 + [
        list(range(128, 225, 4))
    ]


def test_the_measured_architectures(space: Space, shared_data: Path) -> None:
    with np.load(shared_data / "latency" / "ofa.npz") as table:
        columns = [table[name] for name in ("kernel", "expand", "depth", "resolution")]
    codes = np.concatenate([*columns[:3], columns[3][:, None]], axis=1)
    archs = [
        {"ks": k.tolist(), "e": e.tolist(), "d": d.tolist(), "r": int(r)}
        for k, e, d, r in zip(*columns, strict=True)
    ]
    np.testing.assert_array_equal(space.encode(codes), space.encode(archs))
    assert space.decode(codes) == [written(arch) for arch in archs]


@pytest.mark.parametrize(
    ("arch", "message"),
    [
        ("", r"at character 0: the text ends too early"),
        ("[]", r"at character 0: expected '\{'"),
        ("{}", r"at character 1: a key is missing \('ks'\)"),
        (TEXT[:-1], "at character 117: the text ends too early"),
        (TEXT + "x", "at character 118: unexpected text after the end"),
        (TEXT.replace('"r":224', '"r":225'), r"at character 114: the resolution is none of 128"),
        (TEXT.replace('"r":224', '"r":480'), "at character 114: the resolution"),
        (TEXT.replace('"r":224', '"r":1e999'), "at character 114: the resolution"),
        (TEXT.replace('"r":224', '"r":-224'), "at character 114: the resolution"),
        (TEXT.replace('"r":224', '"r":224.5'), "at character 114: the resolution"),
        (TEXT.replace('"r":224', '"r":"224"'), r"at character 114: expected a number \('r'\)"),
        (TEXT.replace('"r":224', '"r":true'), "at character 114: expected a number"),
        (TEXT.replace('"r":224', '"r":[224]'), "at character 114: expected a number"),
        (TEXT.replace("[7,", "[4,", 1), "at character 7: a kernel size is none of 3, 5, 7"),
        (TEXT.replace("6],", "5],"), "at character 91: an expansion is none of 3, 4, 6"),
        (TEXT.replace('"d":[4', '"d":[1'), "at character 99: a depth is none of 2, 3, 4"),
        (TEXT.replace("[7,", "[", 1), r"at character 44: the list is too short \('ks'\)"),
        (TEXT.replace("[7,", "[7,7,", 1), r"at character 46: the list is too long \('ks'\)"),
        (TEXT.replace('"e"', '"ex"'), "at character 48: unknown key"),
        (TEXT.replace('"e"', '"ks"'), r"at character 48: a key is there twice"),
        (TEXT.replace('"r":224', '"wid":1'), r"expected null \('wid'\)"),
        (TEXT.replace('"r":224', '"r":224,'), "at character 118: expected a key in double quotes"),
        (TEXT.replace('"', "'"), "at character 1: expected a key in double quotes"),
        (TEXT.replace(":", "=", 1), r"at character 5: expected ':' \('ks'\)"),
        ("{" * 1000, "at character 1: expected a key"),
    ],
)
def test_malformed_strings(space: Space, arch: str, message: str) -> None:
    for refuse in (space.parse, space.encode, space.lower, space.flops):
        with pytest.raises(ArchitectureError, match=f"^ofa: .*{message}") as caught:
            refuse(arch)
        assert """the form is '{"ks":[20 of 3, 5, 7],""" in str(caught.value)
        assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"r": 100}, "the resolution is none of"),
        ({"r": "176"}, "'r' holds a str, not a number"),
        ({"r": True}, "'r' holds a bool, not a number"),
        ({"r": np.array([176, 176])}, "expected a number"),
        ({"r": None}, "expected a number"),
        ({"r": object()}, "'r' holds a object, not a number"),
        ({"ks": [7] * 19}, r"the list is too short \('ks'\)"),
        ({"ks": []}, r"the list is too short \('ks'\)"),
        ({"ks": 7}, r"expected a list \('ks'\)"),
        ({"ks": [[7]] * 20}, "'ks' holds a list, not a number"),
        ({"ks": [None] * 20}, "'ks' holds a NoneType, not a number"),
        ({"ks": b"7" * 20}, "'ks' holds a bytes, not a number"),
        ({"r": float("nan")}, "expected a number"),
        ({"r": float("inf")}, "expected a number"),
        ({"depth": 3}, "unknown key"),
        ({3: 3}, "a key is a int"),
        ({'r"': 3}, "a key is there twice"),
    ],
)
def test_malformed_dicts(space: Space, changes: dict[Any, Any], message: str) -> None:
    with pytest.raises(ArchitectureError, match=message):
        space.parse({**LARGEST, **changes})
    with pytest.raises(ArchitectureError, match=rf"^architecture 1: .*({message})"):
        space.encode([LARGEST, {**LARGEST, **changes}])


def test_a_number_without_dimensions(space: Space) -> None:
    assert space.parse({**LARGEST, "r": np.array(224)}) == TEXT


def test_every_prefix_is_refused(space: Space) -> None:
    for length in range(len(TEXT)):
        with pytest.raises(ArchitectureError, match="ofa: at character") as caught:
            space.parse(TEXT[:length])
        found = re.search(r"at character (\d+)", str(caught.value))
        # Of a key that is cut off, the position is where it begins.
        assert found is not None
        assert length - 4 < int(found.group(1)) <= length
