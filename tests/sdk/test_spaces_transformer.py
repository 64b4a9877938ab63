"""The space transformer against HAT's tables and a slow twin."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgewise import ArchitectureError, ArgumentError
from edgewise.spaces import Space, get_space

from .kernel_twin import Row, Twin, rows_of

COLUMNS = [
    "encoder_embed_dim",
    "encoder_layer_num",
    "encoder_ffn_embed_dim_avg",
    "encoder_self_attention_heads_avg",
    "decoder_embed_dim",
    "decoder_layer_num",
    "decoder_ffn_embed_dim_avg",
    "decoder_self_attention_heads_avg",
    "decoder_ende_attention_heads_avg",
    "decoder_arbitrary_ende_attn_avg",
]
ONE = dict(
    zip(COLUMNS, [640, 6, 5888 / 3, 6.0, 512, 3, 5120 / 3, 14 / 3, 5 + 1 / 3, 5 / 3], strict=True)
)
TEXT = json.dumps(ONE)
TABLES = [
    "iwslt14deen_gpu_titanxp",
    "wmt14ende_cpu_xeon",
    "wmt14ende_gpu_titanxp",
    "wmt14enfr_cpu_raspberrypi",
    "wmt14enfr_cpu_xeon",
    "wmt14enfr_gpu_titanxp",
    "wmt19ende_gpu_titanxp",
]


@pytest.fixture(scope="module")
def space() -> Space:
    return get_space("transformer")


@pytest.mark.parametrize("name", TABLES)
def test_every_measured_row(space: Space, shared_data: Path, name: str) -> None:
    with (shared_data / "latency" / "transformer" / f"{name}.csv").open() as file:
        rows = [{key: float(row[key]) for key in COLUMNS} for row in csv.DictReader(file)]
    assert len(rows) == 2000
    codes = space.encode(rows)
    texts = [space.parse(row) for row in rows]
    assert [space.parse(text) for text in texts] == texts
    np.testing.assert_array_equal(space.encode(texts), codes)
    np.testing.assert_array_equal(space.encode([json.dumps(row) for row in rows]), codes)
    assert space.decode(codes) == texts
    layers = {2: 1, 3: 1, 6: 5, 7: 5, 8: 5, 9: 5}
    units = [64, 1, 512, 1, 64, 1, 512, 1, 1, 1]
    for row, text, code in zip(rows, texts, codes.tolist(), strict=True):
        values = list(row.values())
        sums = [
            value * (values[layers[i]] if i in layers else 1) / units[i]
            for i, value in enumerate(values)
        ]
        assert code == [round(total) for total in sums]
        assert json.loads(text) == pytest.approx(row, abs=1e-4)


def shares(total: int, layers: int) -> list[int]:
    return [total * (i + 1) // layers - total * i // layers for i in range(layers)]


def attention(net: Twin, x: int, memory: int, heads: int) -> int:
    part, queries, keys = 512 // heads, net.shapes[x][1], net.shapes[memory][1]
    q = net.linear(x, 512)
    k = net.linear(memory, 512)
    v = net.linear(memory, 512)
    seen = (1, queries, keys)
    s = net.step("matmul", q, k, before=(1, queries, part), after=seen, batch=heads)
    s = net.step("softmax", s, batch=heads)
    y = net.step("matmul", s, v, before=seen, after=(1, queries, part), batch=heads)
    net.shapes[y] = (1, queries, 512)  # the heads side by side
    return net.step("layer_norm", net.step("add", net.linear(y, net.shapes[x][2]), x))


def feed_forward(net: Twin, x: int, width: int) -> int:
    y = net.linear(net.linear(x, width, "relu"), net.shapes[x][2])
    return net.step("layer_norm", net.step("add", y, x))


def lowered(codes: list[int]) -> list[Row]:
    net = Twin((1, 30, 1), (1, 30, 1))
    x = net.linear(-1, 64 * codes[0])
    ends = []
    for layer in range(codes[1]):
        net.position = (0, layer, -1)
        x = attention(net, x, x, 2 * shares(codes[3] // 2, codes[1])[layer])
        x = feed_forward(net, x, 512 * shares(codes[2], codes[1])[layer])
        ends.append(x)
    net.position = (1, -1, -1)
    x = net.linear(-2, 64 * codes[4])
    for layer in range(codes[5]):
        net.position = (1, layer, -1)
        x = attention(net, x, x, 2 * shares(codes[7] // 2, codes[5])[layer])
        count = shares(codes[9], codes[5])[layer]
        memory = ends[-1]
        if count > 1:
            before, after = (1, 30, 64 * codes[0] * count), (1, 30 * count, 64 * codes[0])
            memory = net.step("concat", *ends[-count:], before=before, after=after)
        x = attention(net, x, memory, 2 * shares(codes[8] // 2, codes[5])[layer])
        x = feed_forward(net, x, 512 * shares(codes[6], codes[5])[layer])
    net.position = (2, -1, -1)
    net.linear(x, 32768)
    return net.rows


def test_every_kernel(space: Space) -> None:
    for codes in space.draw(100, seed=1).tolist():
        assert rows_of(space.lower(space.decode(codes)[0])) == lowered(codes), codes


def test_flops(space: Space) -> None:
    """By hand: an embedding multiplies one number a column, attention 2 x 30 x keys x 512."""
    codes = [8, 6, 24, 24, 10, 2, 6, 8, 8, 3]
    encoder = 6 * (4 * 30 * 512 * 512 + 2 * 30 * 30 * 512) + 2 * 30 * 512 * 24 * 512
    own = 2 * (4 * 30 * 640 * 512 + 2 * 30 * 30 * 512) + 2 * 30 * 640 * 6 * 512
    cross = 2 * 2 * 30 * 640 * 512 + 3 * (2 * 30 * 512 * 512 + 2 * 30 * 30 * 512)
    ends = 30 * 512 + 30 * 640 + 30 * 640 * 32768
    assert space.flops(space.decode(codes)[0]) == 2 * (encoder + own + cross + ends)


def test_draws_are_spread_over_what_the_layers_can_have(space: Space) -> None:
    codes = space.draw(6000, seed=3)
    layers = codes[:, 5]
    assert np.bincount(layers)[1:].min() > 800
    for column, low, high in ((6, 1, 6), (7, 2, 8), (9, 1, 3)):
        averages = codes[:, column] / layers
        assert averages.min() == low
        assert averages.max() == high
        assert abs(np.mean(averages) - (low + high) / 2) < 0.05 * (high - low)
    rng = np.random.default_rng(4)
    raw = np.stack([rng.choice(choices, 1000) for choices in space.choices], axis=1)
    with pytest.raises(ArchitectureError, match=r"row \d+: transformer: position \d holds"):
        space.encode(raw)
    whole = space.canonical(raw)
    np.testing.assert_array_equal(space.encode(whole), whole)
    with pytest.raises(ArgumentError, match="row 1: position 1 holds 7, which is none of its"):
        space.canonical([whole[0].tolist(), [8, 7, *whole[0, 2:].tolist()]])


def test_parsing(space: Space) -> None:
    text = space.parse(ONE)
    assert text == json.dumps(json.loads(text), separators=(",", ":"))
    assert '"encoder_ffn_embed_dim_avg":1962.6667,"encoder_self_attention_heads_avg":6,' in text
    assert list(json.loads(text)) == COLUMNS
    for change in (1e-4, 9e-4, -9e-4):
        assert space.parse({**ONE, COLUMNS[7]: ONE[COLUMNS[7]] + change}) == text
    assert space.parse(dict(reversed(ONE.items()))) == text
    assert space.parse(TEXT.replace("640", "6.4e+2").replace("512", "51200E-2")) == text
    assert (space.size, space.semantics) == (0, ["live"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"encoder_embed_dim": 576}, r"no network of the space has this \('encoder_embed_dim'\)"),
        ({"encoder_embed_dim": 641}, r"\('encoder_embed_dim'\)"),
        ({"encoder_layer_num": 5}, r"\('encoder_layer_num'\)"),
        ({"decoder_layer_num": 7}, r"\('decoder_layer_num'\)"),
        ({"decoder_layer_num": 0}, r"\('decoder_layer_num'\)"),
        ({"decoder_layer_num": 2}, r"\('decoder_ffn_embed_dim_avg'\)"),
        ({"decoder_layer_num": 2.5}, r"\('decoder_layer_num'\)"),
        ({"decoder_ffn_embed_dim_avg": 5120 / 3 + 0.002}, r"\('decoder_ffn_embed_dim_avg'\)"),
        ({"decoder_ffn_embed_dim_avg": 3584}, r"\('decoder_ffn_embed_dim_avg'\)"),
        ({"decoder_ffn_embed_dim_avg": -512}, r"\('decoder_ffn_embed_dim_avg'\)"),
        ({"decoder_ffn_embed_dim_avg": 1e300}, r"\('decoder_ffn_embed_dim_avg'\)"),
        ({"decoder_self_attention_heads_avg": 5}, r"\('decoder_self_attention_heads_avg'\)"),
        ({"decoder_arbitrary_ende_attn_avg": 4}, r"\('decoder_arbitrary_ende_attn_avg'\)"),
        ({"latency_mean_encoder": 5}, "unknown key"),
        ({"encoder_embed_dim": [640]}, r"expected a number \('encoder_embed_dim'\)"),
    ],
)
def test_malformed(space: Space, changes: dict[str, Any], message: str) -> None:
    changed = {**ONE, **changes}
    for arch in (changed, json.dumps(changed)):
        with pytest.raises(ArchitectureError, match=r"^transformer: at character ") as caught:
            space.parse(arch)
        caught.match(message)
        assert "the form is an object of HAT's ten columns" in str(caught.value)


def test_every_prefix_and_every_missing_key(space: Space) -> None:
    for length in range(len(TEXT)):
        with pytest.raises(ArchitectureError, match="transformer: at character"):
            space.parse(TEXT[:length])
    for key in COLUMNS:
        with pytest.raises(ArchitectureError, match=rf"a key is missing \('{key}'\)"):
            space.parse({k: v for k, v in ONE.items() if k != key})
