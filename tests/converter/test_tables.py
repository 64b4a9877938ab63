"""Tables, splits and device lists: what is read, and one clear error for each fault."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edgewise.errors import ArgumentError
from edgewise_converter.latency.tables import (
    DeviceInfo,
    LatencyTable,
    Split,
    describe_devices,
    load_devices,
    load_splits,
    load_table,
    merge_tables,
    resolve_devices,
    split_of,
)

Write = Callable[..., Path]


def test_what_was_written_is_read(table: LatencyTable, write_table: Write) -> None:
    path = write_table(table)
    loaded = load_table(path)
    assert (loaded.space, loaded.archs, loaded.devices) == (
        table.space,
        table.archs,
        table.devices,
    )
    np.testing.assert_array_equal(loaded.latency_ms, table.latency_ms)
    np.testing.assert_array_equal(loaded.reference, table.reference)
    assert loaded.source == str(path)


def test_nan_is_not_measured(table: LatencyTable, write_table: Write) -> None:
    latency = table.latency_ms.copy()
    latency[0, 3] = latency[1, 5] = np.nan
    loaded = load_table(write_table(table, latency_ms=latency, reference=None))
    assert 3 not in loaded.measured(["gpu_1"])
    assert 5 in loaded.measured(["gpu_1"])
    assert set(range(400)) - set(loaded.measured(["gpu_1", "gpu_2"])) == {3, 5}
    assert loaded.reference.size == 0


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"space": None}, "no column 'space'"),
        ({"devices": None}, "no column 'devices'"),
        ({"latency_ms": None}, "no column 'latency_ms'"),
        ({"arch": None}, "no column 'arch'"),
        ({"arch": np.zeros(400)}, "expected strings"),
        ({"latency_ms": np.ones((8, 3))}, r"\(8 devices, 400 architectures\)"),
        ({"latency_ms": np.full((8, 400), "fast")}, "expected numbers"),
        ({"latency_ms": np.zeros((8, 400))}, "gpu_1 at 0 is 0.0, expected a positive"),
        ({"latency_ms": np.full((8, 400), -2.0)}, "is -2.0"),
        ({"latency_ms": np.full((8, 400), np.inf)}, "is inf"),
        ({"devices": np.array(["one"] * 8)}, "devices holds 'one' twice"),
        ({"arch": np.array(["|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"] * 400)}, "twice"),
        ({"arch": np.array(["same"] * 400)}, "'same'"),
        ({"reference": np.array([400])}, "indices below 400"),
        ({"reference": np.array([-1])}, "indices below 400"),
    ],
)
def test_a_wrong_table_is_refused(
    table: LatencyTable, write_table: Write, columns: dict[str, object], message: str
) -> None:
    path = write_table(table, **columns)
    with pytest.raises(ArgumentError, match=message) as caught:
        load_table(path)
    assert str(path) in str(caught.value)


def test_pickles_are_refused(table: LatencyTable, write_table: Write) -> None:
    path = write_table(table, devices=np.array([{"a": 1}] * 8, dtype=object))
    with pytest.raises(ArgumentError, match="without pickles"):
        load_table(path)


@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\x03\x04 cut off"])
def test_what_is_no_table_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "wrong.npz"
    path.write_bytes(content)
    with pytest.raises(ArgumentError, match=r"wrong\.npz: not an \.npz table"):
        load_table(path)


def test_a_bare_array_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bare.npy"
    np.save(path, np.ones(3))
    with pytest.raises(ArgumentError, match="one bare array"):
        load_table(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    for load in (load_table, load_splits, load_devices):
        with pytest.raises(ArgumentError, match=r"absent: no such file"):
            load(tmp_path / "absent")


def test_an_unknown_device_lists_those_there_are(table: LatencyTable) -> None:
    with pytest.raises(ArgumentError, match="no device 'toaster'; it has gpu_1, gpu_2"):
        table.row("toaster")


def test_other_spaces_are_read_as_they_write_them(tmp_path: Path) -> None:
    latency, fbnet, ofa = np.ones((1, 2)), tmp_path / "fbnet.npz", tmp_path / "ofa.npz"
    ops = np.array([["k3_e1"] * 21 + ["skip"], ["k5_e6"] * 22])
    np.savez(fbnet, space="fbnet", arch=np.zeros((2, 22)), arch_ops=ops, devices=["d"],
             latency_ms=latency)  # fmt: skip
    assert load_table(fbnet).archs == (",".join(ops[0]), ",".join(ops[1]))
    np.savez(ofa, space="ofa", kernel=[[7] * 20, [5] * 20], expand=[[4] * 20, [6] * 20],
             depth=[[2] * 5, [4] * 5], resolution=[128, 160], devices=["d"],
             latency_ms=latency)  # fmt: skip
    shallow, deep = map(json.loads, load_table(ofa).archs)
    assert deep == {"ks": [5] * 20, "e": [6] * 20, "d": [4] * 5, "r": 160}
    # Layers that are not there are written in one way, whatever the table says of them.
    assert shallow == {"ks": [7, 7, 3, 3] * 5, "e": [4, 4, 3, 3] * 5, "d": [2] * 5, "r": 128}
    np.savez(fbnet, space="darts", arch=["a", "b"], devices=["d"], latency_ms=latency)
    with pytest.raises(ArgumentError, match="darts"):
        load_table(fbnet)


HAT = """encoder_embed_dim,encoder_layer_num,encoder_ffn_embed_dim_avg,\
encoder_self_attention_heads_avg,decoder_embed_dim,decoder_layer_num,decoder_ffn_embed_dim_avg,\
decoder_self_attention_heads_avg,decoder_ende_attention_heads_avg,decoder_arbitrary_ende_attn_avg,\
latency_mean_encoder,latency_mean_decoder
640,6,1962.6666666666667,6.0,512,4,1920.0,2.5,5.5,1.5,5.5,124.5
640,6,1706.6666666666667,6.333333333333333,512,5,1024.0,5.2,4.4,2.2,6.5,155.9
640,6,1706.6666666666667,6.333333333333333,512,5,1024.0,5.2,4.4,2.2,7.5,156.1
"""


def test_transformers_are_read_from_csv(tmp_path: Path) -> None:
    path = tmp_path / "wmt14_gpu_toaster.csv"
    path.write_text(HAT)
    loaded = load_table(path)
    assert (loaded.space, loaded.devices) == ("transformer", ("wmt14_gpu_toaster",))
    depth = [json.loads(arch)["decoder_layer_num"] for arch in loaded.archs]
    by_depth = dict(zip(depth, loaded.row("wmt14_gpu_toaster").tolist(), strict=True))
    # The same architecture twice: the mean of its timings.
    assert by_depth == {4: 124.5, 5: pytest.approx(156.0)}
    assert sorted(load_table(path, "encoder").latency_ms[0]) == [5.5, 7.0]
    assert sorted(load_table(path, "total").latency_ms[0]) == [130.0, 163.0]
    known = {"wmt14_gpu_toaster": DeviceInfo("mine", "my_family")}
    assert describe_devices(loaded, known) == known
    named = describe_devices(loaded, {})["wmt14_gpu_toaster"]
    assert (named.hardware, named.family) == ("toaster", "toaster")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "an empty table"),
        (HAT.replace("decoder_layer_num", "depth"), "line 2 has no column 'decoder_layer_num'"),
        (HAT.replace("124.5", "fast"), "line 2: latency_mean_decoder is 'fast'"),
        (HAT.replace("124.5", "-1"), "expected a positive number"),
    ],
)
def test_a_wrong_csv_is_refused(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "table.csv"
    path.write_text(content)
    with pytest.raises(ArgumentError, match=message):
        load_table(path)
    with pytest.raises(ArgumentError, match="unknown target 'mean'"):
        load_table(path, "mean")
    with pytest.raises(ArgumentError, match="no such file"):
        load_table(tmp_path / "absent.csv")


def test_merging_keeps_indices_and_fills_with_nan(table: LatencyTable) -> None:
    other = dataclasses.replace(
        table,
        source="other",
        archs=(table.archs[7], "new"),
        devices=("far",),
        latency_ms=np.array([[1.0, 2.0]]),
        reference=np.array([1]),
    )
    merged = merge_tables([table, other])
    assert merged.archs[:400] == table.archs
    assert merged.devices == (*table.devices, "far")
    np.testing.assert_array_equal(merged.latency_ms[:8, :400], table.latency_ms)
    assert merged.measured(["far"]).tolist() == [7, 400]
    assert merged.row("far")[[7, 400]].tolist() == [1.0, 2.0]
    assert np.isnan(merged.row("gpu_1")[400])
    np.testing.assert_array_equal(merged.reference, table.reference)


def test_tables_that_do_not_go_together_are_refused(table: LatencyTable) -> None:
    with pytest.raises(ArgumentError, match="'gpu_1' is in more than one table"):
        merge_tables([table, table])
    with pytest.raises(ArgumentError, match="is of space 'fbnet'"):
        merge_tables([table, dataclasses.replace(table, space="fbnet")])
    with pytest.raises(ArgumentError, match="no table"):
        merge_tables([])


def test_groups_and_devices_are_resolved(table: LatencyTable, data: Path) -> None:
    split = load_splits(data.parent / "splits.json")["nasbench201"]
    assert split.fits(table)
    assert resolve_devices("meta_valid, gpu_1,phone_a", table, split) == (
        "phone_a",
        "phone_b",
        "gpu_1",
    )
    with pytest.raises(ArgumentError, match="unknown device or group 'toaster'; known are meta_t"):
        resolve_devices("gpu_1,toaster", table, split)
    with pytest.raises(ArgumentError, match="unknown device or group 'meta_train'"):
        resolve_devices("meta_train", table, None)


def test_a_split_is_only_for_its_own_table(table: LatencyTable, data: Path) -> None:
    split = load_splits(data.parent / "splits.json")["nasbench201"]
    far = dataclasses.replace(table, devices=("far",), latency_ms=table.latency_ms[:1])
    assert split_of([table, far], split, "gpu_1") is split
    assert split_of([table, far], split, "far") is None
    assert split_of([table], None, "gpu_1") is None
    assert not Split(split.groups, pool=300, query=101).fits(table)


def test_malformed_json_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "splits.json"
    for content, message in (
        ("{", "not JSON"),
        ("[]", "expected a JSON object"),
        ('{"nasbench201": {"meta_train": []}}', "split 'nasbench201' lacks 'meta_valid'"),
    ):
        path.write_text(content)
        with pytest.raises(ArgumentError, match=message):
            load_splits(path)
    path.write_text('{"gpu_1": {"hardware": "gpu"}}')
    with pytest.raises(ArgumentError, match="device 'gpu_1' lacks 'family'"):
        load_devices(path)


def test_every_measured_table_is_read(shared_data: Path) -> None:
    sizes = {}
    for path in sorted((shared_data / "latency").glob("*.npz")):
        if "accuracy" not in path.name:
            loaded = load_table(path)
            sizes[path.stem] = loaded.latency_ms.shape
    assert sizes == {
        "fbnet": (16, 5000),
        "nasbench201": (19, 15625),
        "nasbench201_mobile": (5, 1999),
        "ofa": (12, 5000),
    }
    folder = shared_data / "latency" / "transformer"
    rows = [load_table(path).latency_ms.shape for path in sorted(folder.glob("*.csv"))]
    assert rows == [(1, count) for count in (1998, 2000, 2000, 1999, 1997, 2000, 1999)]
