"""What single operators and small graphs of a model file become, and files that cannot be read."""

from __future__ import annotations

import os
import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from edgewise import ModelFileError, _core

from . import onnx_by_hand as onnx
from .onnx_by_hand import node

DATA = Path(__file__).resolve().parents[2] / "native" / "tests" / "data"
IMAGE = (1, 8, 16, 16)
Kernels = list[_core.Kernel]


def read(raw: bytes) -> _core.ModelFile:
    return _core.read_model_bytes(raw, "net")


def graph(
    *nodes: bytes,
    shape: Sequence[int | str] = IMAGE,
    weights: dict[str, Sequence[int]] | None = None,
    numbers: dict[str, Sequence[int]] | None = None,
    opset: int = 13,
    infos: Sequence[bytes] = (),
    output: str = "y",
) -> bytes:
    """A model from the image `x` to `y`; `weights` by shape, `numbers` by content."""
    tensors = [onnx.tensor(name, sizes) for name, sizes in (weights or {}).items()]
    for name, values in (numbers or {}).items():
        tensors.append(onnx.tensor(name, [len(values)], values))
    return onnx.model(
        nodes, [onnx.info("x", shape)], [onnx.info(output, None)], tensors, infos, opset
    )


def kernels(*nodes: bytes, **options: object) -> Kernels:
    return read(graph(*nodes, **options)).kernels  # type: ignore[arg-type]


def ops(found: Kernels) -> list[str]:
    return [k.op for k in found]


def refused(raw: bytes, message: str) -> None:
    with pytest.raises(ModelFileError, match=message) as caught:
        read(raw)
    assert str(caught.value).startswith("net: ")
    assert "\n" not in str(caught.value)


def output_size(k: _core.Kernel) -> tuple[int, int, int]:
    return k.out_channels, k.out_height, k.out_width


# Sizes, by what the ONNX specification says of each operator.

C4: dict[str, Sequence[int]] = {"w": (4, 8, 3, 3)}
WINDOWS: dict[str, tuple[bytes, dict[str, Sequence[int]], tuple[int, int, int]]] = {
    "padded": (
        node("Conv", ["x", "w"], ["y"], pads=[1, 1, 1, 1]),
        {"w": (4, 8, 3, 3)},
        (4, 16, 16),
    ),
    "valid": (node("Conv", ["x", "w"], ["y"]), C4, (4, 14, 14)),
    "strided": (
        node("Conv", ["x", "w"], ["y"], strides=[2, 2], pads=[1, 1, 1, 1]),
        C4,
        (4, 8, 8),
    ),
    "dilated": (
        node("Conv", ["x", "w"], ["y"], dilations=[2, 2]),
        {"w": (4, 8, 3, 3)},
        (4, 12, 12),
    ),
    "same": (
        node("Conv", ["x", "w"], ["y"], auto_pad="SAME_UPPER", strides=[3, 3]),
        {"w": (4, 8, 5, 5)},
        (4, 6, 6),
    ),
    "oblong": (
        node("Conv", ["x", "w"], ["y"], pads=[0, 2, 0, 2]),
        {"w": (4, 8, 1, 5)},
        (4, 16, 16),
    ),
    "grouped": (node("Conv", ["x", "w"], ["y"], group=4), {"w": (4, 2, 1, 1)}, (4, 16, 16)),
    "multiplied": (node("Conv", ["x", "w"], ["y"], group=8), {"w": (16, 1, 3, 3)}, (16, 14, 14)),
    "transposed": (
        node("ConvTranspose", ["x", "w"], ["y"], strides=[2, 2], output_padding=[1, 1]),
        {"w": (8, 4, 3, 3)},
        (4, 34, 34),
    ),
    "pooled": (node("MaxPool", ["x"], ["y"], kernel_shape=[3, 3], strides=[2, 2]), {}, (8, 7, 7)),
    "pooled up": (
        node("MaxPool", ["x"], ["y"], kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1),
        {},
        (8, 8, 8),
    ),
    "averaged": (node("AveragePool", ["x"], ["y"], kernel_shape=[16, 16]), {}, (8, 1, 1)),
}


@pytest.mark.parametrize("name", WINDOWS)
def test_windows(name: str) -> None:
    made, weights, expected = WINDOWS[name]
    (kernel,) = kernels(made, weights=weights)
    assert output_size(kernel) == expected
    assert (kernel.height, kernel.width, kernel.in_channels) == (16, 16, 8)


def test_a_pool_over_the_whole_image_is_global() -> None:
    (kernel,) = kernels(node("AveragePool", ["x"], ["y"], kernel_shape=[16, 16]))
    assert (kernel.op, kernel.kernel_height, kernel.stride) == ("global_avg_pool", 16, 1)


MOVES: dict[str, tuple[bytes, dict[str, Sequence[int]], tuple[int, ...]]] = {
    "reshape": (node("Reshape", ["x", "n"], ["y"]), {"n": (0, -1, 32, 8)}, (8, 32, 8)),
    "slice": (
        node("Slice", ["x", "n", "e", "a"], ["y"]),
        {"n": (1,), "e": (2**62,), "a": (-1,)},
        (8, 16, 15),
    ),
    "slice back": (
        node("Slice", ["x", "n", "e", "a", "s"], ["y"]),
        {"n": (-1,), "e": (-(2**62),), "a": (1,), "s": (-3,)},
        (3, 16, 16),
    ),
    "gather": (node("Gather", ["x", "n"], ["y"], axis=1), {"n": (0, 1, 2)}, (3, 16, 16)),
    "pad": (node("Pad", ["x", "n"], ["y"]), {"n": (0, 0, 1, 2, 0, 0, 3, 4)}, (8, 20, 22)),
    "resize": (node("Resize", ["x", "", "", "n"], ["y"]), {"n": (1, 8, 5, 7)}, (8, 5, 7)),
    "tile": (node("Tile", ["x", "n"], ["y"]), {"n": (1, 2, 1, 1)}, (16, 16, 16)),
    "depth to space": (node("DepthToSpace", ["x"], ["y"], blocksize=2), {}, (2, 32, 32)),
    "space to depth": (node("SpaceToDepth", ["x"], ["y"], blocksize=4), {}, (128, 4, 4)),
    "concat": (node("Concat", ["x", "x"], ["y"], axis=1), {}, (16, 16, 16)),
    "transpose": (node("Transpose", ["x"], ["y"], perm=[0, 2, 3, 1]), {}, (8, 16, 16)),
}


@pytest.mark.parametrize("name", MOVES)
def test_moves(name: str) -> None:
    made, numbers, expected = MOVES[name]
    (kernel,) = kernels(made, numbers=numbers)
    assert output_size(kernel) == expected


def test_a_slice_of_everything_and_other_copies_are_nothing() -> None:
    found = kernels(
        node("Identity", ["x"], ["a"]),
        node("Dropout", ["a"], ["b"]),
        node("Cast", ["b"], ["c"], to=onnx.FLOAT),
        node("Reshape", ["c", "same"], ["d"]),
        node("Relu", ["d"], ["y"]),
        numbers={"same": IMAGE},
    )
    assert ops(found) == ["relu"]


def test_sizes_computed_from_sizes() -> None:
    """As exporters write `x.view(x.shape[0], x.shape[1] // 2, -1)`."""
    found = kernels(
        node("Shape", ["x"], ["s"]),
        node("Gather", ["s", "one"], ["c"]),
        node("Div", ["c", "two"], ["half"]),
        node("Slice", ["s", "zero", "one"], ["n"]),
        node("Concat", ["n", "half", "rest"], ["t"], axis=0),
        node("Reshape", ["x", "t"], ["y"]),
        numbers={"zero": [0], "one": [1], "two": [2], "rest": [-1]},
    )
    assert ops(found) == ["reshape"]
    assert (found[0].out_width, found[0].out_channels) == (512, 4)


def test_paddings_turned_round() -> None:
    """As torch writes `F.pad`: pairs, the last dimension first, become all begins and all ends."""
    (kernel,) = kernels(
        node("Reshape", ["pairs", "two"], ["a"]),
        node("Slice", ["a", "last", "end", "zero", "last"], ["b"]),
        node("Transpose", ["b"], ["c"], perm=[1, 0]),
        node("Reshape", ["c", "last"], ["d"]),
        node("Cast", ["d"], ["e"], to=onnx.INT64),
        node("Pad", ["x", "e"], ["y"]),
        numbers={
            "pairs": (1, 2, 3, 4, 0, 0, 0, 0),
            "two": (-1, 2),
            "last": [-1],
            "zero": [0],
            "end": [-(2**62)],
        },
    )
    assert (kernel.op, *output_size(kernel)) == ("pad", 8, 16 + 3 + 4, 16 + 1 + 2)


def test_old_opsets_have_attributes_instead_of_inputs() -> None:
    found = kernels(
        node("Slice", ["x"], ["a"], starts=[1], ends=[9], axes=[2]),
        node("Pad", ["a"], ["b"], pads=[0, 0, 2, 2, 0, 0, 2, 2]),
        node("Clip", ["b"], ["c"], min=0.0, max=6.0),
        node("ReduceMean", ["c"], ["d"], axes=[2, 3], keepdims=0),
        node("Unsqueeze", ["d"], ["e"], axes=[2, 3]),
        node("Squeeze", ["e"], ["f"], axes=[3]),
        node("Softmax", ["f"], ["y"]),
        opset=9,
    )
    assert ops(found) == ["slice", "pad", "relu", "global_avg_pool", "reshape", "softmax"]
    assert [output_size(k) for k in found[:3]] == [(8, 8, 16), (8, 12, 20), (8, 12, 20)]


def test_matrices_and_embeddings() -> None:
    (linear,) = kernels(node("MatMul", ["x", "w"], ["y"]), shape=(2, 5, 8), weights={"w": (8, 3)})
    assert (linear.op, linear.batch, linear.width, linear.macs) == ("linear", 2, 5, 240)
    (matmul,) = kernels(node("MatMul", ["x", "x"], ["y"]), shape=(2, 3, 5, 5))
    assert (matmul.op, matmul.batch, matmul.macs) == ("matmul", 6, 6 * 5 * 5 * 5)
    (einsum,) = kernels(
        node("Einsum", ["x", "x"], ["y"], equation="bhid,bhjd->bhij"), shape=(2, 3, 5, 4)
    )
    assert (einsum.op, einsum.batch, einsum.macs) == ("matmul", 6, 6 * 5 * 5 * 4)
    (rows,) = kernels(node("Gather", ["w", "x"], ["y"]), shape=(1, 7), weights={"w": (100, 12)})
    assert (rows.op, rows.width, rows.in_channels, rows.out_channels) == ("linear", 7, 1, 12)


# Fusing.

CONV = node("Conv", ["x", "w"], ["c"])
WEIGHT = {"w": (8, 8, 1, 1), "channel": (8, 1, 1), "scalar": (), "other": (8, 16, 16)}

FUSED: dict[str, tuple[list[bytes], list[str], list[str]]] = {
    "batch norm": (
        [CONV, node("BatchNormalization", ["c", "channel"], ["b"]), node("Relu", ["b"], ["y"])],
        ["conv"],
        ["relu"],
    ),
    "relu6": ([CONV, node("Clip", ["c", "scalar", "scalar"], ["y"])], ["conv"], ["relu"]),
    "factor and shift": (
        [CONV, node("Mul", ["c", "channel"], ["m"]), node("Add", ["channel", "m"], ["y"])],
        ["conv"],
        ["identity"],
    ),
    "factor and shift alone": (
        [
            node("MaxPool", ["x"], ["p"], kernel_shape=[2, 2]),
            node("Mul", ["p", "channel"], ["m"]),
            node("Add", ["m", "channel"], ["a"]),
            node("Relu", ["a"], ["y"]),
        ],
        ["max_pool", "batch_norm"],
        ["identity", "relu"],
    ),
    "a constant image stays an addition": (
        [CONV, node("Add", ["c", "other"], ["y"])],
        ["conv", "add"],
        ["identity"] * 2,
    ),
    "what is read twice stays": (
        [CONV, node("Relu", ["c"], ["r"]), node("Add", ["c", "r"], ["y"])],
        ["conv", "relu", "add"],
        ["identity"] * 3,
    ),
    "swish": (
        [node("Sigmoid", ["x"], ["s"]), node("Mul", ["s", "x"], ["y"])],
        ["activation"],
        ["identity"],
    ),
    "swish of a sum": (
        [
            node("Add", ["x", "x"], ["a"]),
            node("Sigmoid", ["a"], ["s"]),
            node("Mul", ["a", "s"], ["y"]),
        ],
        ["add", "activation"],
        ["identity"] * 2,
    ),
    "hard sigmoid": (
        [
            CONV,
            node("Add", ["c", "scalar"], ["a"]),
            node("Clip", ["a", "scalar", "scalar"], ["r"]),
            node("Div", ["r", "scalar"], ["y"]),
        ],
        ["conv", "hard_sigmoid"],
        ["identity"] * 2,
    ),
    "hard swish": (
        [
            CONV,
            node("Add", ["c", "scalar"], ["a"]),
            node("Clip", ["a", "scalar", "scalar"], ["r"]),
            node("Mul", ["c", "r"], ["m"]),
            node("Div", ["m", "scalar"], ["y"]),
        ],
        ["conv", "hard_swish"],
        ["identity"] * 2,
    ),
    "hard swish of a hard sigmoid": (
        [node("HardSigmoid", ["x"], ["h"]), node("Mul", ["x", "h"], ["y"])],
        ["hard_swish"],
        ["identity"],
    ),
    "gelu": (
        [
            node("Div", ["x", "scalar"], ["d"]),
            node("Erf", ["d"], ["e"]),
            node("Add", ["e", "scalar"], ["a"]),
            node("Mul", ["x", "a"], ["m"]),
            node("Mul", ["m", "scalar"], ["y"]),
        ],
        ["activation"],
        ["identity"],
    ),
    "layer norm": (
        [
            node("ReduceMean", ["x"], ["m"], axes=[-1]),
            node("Sub", ["x", "m"], ["d"]),
            node("Mul", ["d", "d"], ["q"]),
            node("ReduceMean", ["q"], ["v"], axes=[-1]),
            node("Add", ["v", "scalar"], ["e"]),
            node("Sqrt", ["e"], ["r"]),
            node("Div", ["d", "r"], ["y"]),
        ],
        ["layer_norm"],
        ["identity"],
    ),
    "squeeze and excitation stays": (
        [
            node("GlobalAveragePool", ["x"], ["g"]),
            node("Conv", ["g", "w"], ["c"]),
            node("Sigmoid", ["c"], ["s"]),
            node("Mul", ["x", "s"], ["y"]),
        ],
        ["global_avg_pool", "conv", "sigmoid", "mul"],
        ["identity"] * 4,
    ),
    "shuffle": (
        [
            node("Reshape", ["x", "five"], ["a"]),
            node("Transpose", ["a"], ["b"], perm=[0, 2, 1, 3, 4]),
            node("Reshape", ["b", "four"], ["y"]),
        ],
        ["transpose"],
        ["identity"],
    ),
    "dead": ([CONV, node("Relu", ["c"], ["unused"]), node("Tanh", ["x"], ["y"])],
             ["activation"], ["identity"]),
}  # fmt: skip


@pytest.mark.parametrize("name", FUSED)
def test_fusing(name: str) -> None:
    nodes, expected, activations = FUSED[name]
    found = kernels(*nodes, weights=WEIGHT, numbers={"five": (1, 2, 4, 16, 16), "four": IMAGE})
    assert ops(found) == expected
    assert [k.activation for k in found] == activations
    assert output_size(found[-1])[0] == 8


def test_padding_is_done_by_the_convolution() -> None:
    found = kernels(
        node("Pad", ["x", "pads"], ["p"]),
        node("Conv", ["p", "w"], ["y"]),
        weights={"w": (4, 8, 3, 3)},
        numbers={"pads": (0, 0, 1, 1, 0, 0, 1, 1)},
    )
    assert ops(found) == ["conv"]
    assert (found[0].height, found[0].out_height, found[0].inputs) == (16, 16, [-1])


def test_constants_are_folded_and_left_out() -> None:
    raw = graph(
        node("Relu", ["w"], ["r"]),
        node("Add", ["r", "x"], ["y"]),
        weights={"w": (8, 1, 1)},
    )
    (add,) = read(raw).kernels
    assert (add.op, add.inputs) == ("add", [-1])
    answer = graph(node("Relu", ["w"], ["y"]), weights={"w": (1, 5)})
    assert read(answer).kernels == []


def test_inputs_are_told_apart() -> None:
    raw = onnx.model(
        [node("Add", ["x", "z"], ["y"])],
        [onnx.info("x", IMAGE), onnx.info("z", IMAGE)],
        [onnx.info("y", None)],
    )
    model = read(raw)
    assert model.inputs == [("x", IMAGE), ("z", IMAGE)]
    assert model.kernels[0].inputs == [-1, -2]


def test_a_batch_of_any_size_is_one() -> None:
    for batch in ("batch", 0, -1):
        model = read(graph(node("Relu", ["x"], ["y"]), shape=(batch, 3, 4, 4)))
        assert model.inputs == [("x", (1, 3, 4, 4))]
    assert kernels(node("Relu", ["x"], ["y"]), shape=(7, 3, 4, 4))[0].batch == 7


# What is not known.


def test_unknown_operators_are_named_once() -> None:
    raw = graph(
        node("Fancy", ["x"], ["a"], domain="acme"),
        node("Fancy", ["a"], ["b"], domain="acme"),
        node("NonMaxSuppression", ["b"], ["y"]),
        infos=[onnx.info("a", IMAGE), onnx.info("b", ("batch", *IMAGE[1:]))],
    )
    model = read(raw)
    assert model.unknown == ["acme:Fancy", "NonMaxSuppression"]
    assert ops(model.kernels) == ["other"] * 3
    assert output_size(model.kernels[0]) == (8, 16, 16)


def test_an_unknown_size_that_is_needed() -> None:
    raw = graph(node("Fancy", ["x"], ["a"]), node("Relu", ["a"], ["y"]))
    refused(raw, r"node 'y' \(Relu\): needs the size of 'a', which operator 'Fancy'")
    assert read(graph(node("Fancy", ["x"], ["y"]))).unknown == ["Fancy"]


@pytest.mark.parametrize("size", ["height", 0, -5])
def test_an_input_of_unknown_size(size: int | str) -> None:
    raw = graph(node("Relu", ["x"], ["y"]), shape=(1, 3, size, 4))
    refused(raw, r"input 'x' has an unknown size \(dimension 2.*\); export the model with fixed")


def test_an_input_without_a_shape() -> None:
    raw = onnx.model([node("Relu", ["x"], ["y"])], [onnx.info("x", None)], [onnx.info("y", None)])
    refused(raw, "input 'x' has no shape")


def test_a_size_that_only_running_would_tell() -> None:
    raw = graph(
        node("Cast", ["x"], ["n"], to=onnx.INT64), node("Reshape", ["x", "n"], ["y"]), shape=(4,)
    )
    refused(
        raw, r"\(Reshape\): its sizes depend on the numbers in 'n'.*export the model with fixed"
    )


# Graphs made to harm.

HUGE = 2**31 - 1
BAD: dict[str, tuple[bytes, str]] = {
    "cycle": (
        graph(node("Add", ["x", "y"], ["a"]), node("Relu", ["a"], ["y"])),
        "reads 'y', which nothing before it computes",
    ),
    "itself": (graph(node("Add", ["x", "y"], ["y"])), "reads 'y', which nothing before"),
    "twice": (
        graph(node("Relu", ["x"], ["y"]), node("Tanh", ["x"], ["y"])),
        "computes 'y' a second time",
    ),
    "no output": (graph(node("Relu", ["x"], ["z"])), "nothing computes the output 'y'"),
    "no input": (graph(node("Conv", ["x"], ["y"])), "has no input 1"),
    "old": (graph(node("Relu", ["x"], ["y"]), opset=6), "opset 6 is too old; convert"),
    "vast input": (graph(node("Relu", ["x"], ["y"]), shape=(1, HUGE, HUGE)), "2\\^31 elements"),
    "vast weights": (
        graph(node("Conv", ["x", "w"], ["y"]), weights={"w": (HUGE, 8, HUGE, 1)}),
        "2\\^31 elements",
    ),
    "vast result": (
        graph(node("Resize", ["x", "", "", "n"], ["y"]), numbers={"n": (1, 8, HUGE, HUGE)}),
        "2\\^31 elements",
    ),
    "vast padding": (
        graph(node("Pad", ["x", "n"], ["y"]), numbers={"n": (0, 0, 2**62, 0, 0, 0, 2**61, 0)}),
        "2\\^31 elements",
    ),
    "vast filling": (
        graph(
            node("ConstantOfShape", ["n"], ["f"]),
            node("Add", ["x", "f"], ["y"]),
            numbers={"n": (HUGE, HUGE)},
        ),
        "2\\^31 elements",
    ),
    "vast range": (
        graph(
            node("Range", ["a", "b", "c"], ["r"]),
            node("Gather", ["x", "r"], ["y"]),
            numbers={"a": [0], "b": [2**62], "c": [1]},
        ),
        "2\\^31 elements",
    ),
    "negative crop": (
        graph(node("Pad", ["x", "n"], ["y"]), numbers={"n": (0, 0, -9, 0, 0, 0, -9, 0)}),
        "negative size",
    ),
    "empty": (
        graph(
            node("Slice", ["x", "n", "n"], ["a"]), node("Relu", ["a"], ["y"]), numbers={"n": [0]}
        ),
        "is empty",
    ),
    "too deep": (graph(node("Relu", ["x"], ["y"]), shape=[1] * 40), "too many dimensions"),
    "window": (
        graph(node("MaxPool", ["x"], ["y"], kernel_shape=[17, 17])),
        "a window larger than its input",
    ),
    "stride": (
        graph(node("MaxPool", ["x"], ["y"], kernel_shape=[1, 1], strides=[0, 0])),
        "stride, dilation or padding of 0",
    ),
    "groups": (
        graph(node("Conv", ["x", "w"], ["y"], group=3), weights={"w": (4, 2, 1, 1)}),
        "in 3 groups do not fit 8",
    ),
    "step": (
        graph(node("Slice", ["x", "n", "n", "n", "n"], ["y"]), numbers={"n": [0]}),
        "the step 0",
    ),
    "axis": (graph(node("Concat", ["x", "x"], ["y"], axis=4)), "dimension 4 of a tensor"),
    "shapes": (
        graph(node("Add", ["x", "w"], ["y"]), weights={"w": (5,)}),
        "do not fit together",
    ),
    "reshape": (
        graph(node("Reshape", ["x", "n"], ["y"]), numbers={"n": (3, -1)}),
        "cannot reshape",
    ),
    "reshape of two": (
        graph(node("Reshape", ["x", "n"], ["y"]), numbers={"n": (-1, -1)}),
        "two sizes are left open",
    ),
    "order": (graph(node("Transpose", ["x"], ["y"], perm=[0, 1, 1, 2])), "perm is no order"),
    "block": (graph(node("DepthToSpace", ["x"], ["y"], blocksize=0)), "blocks of 0"),
    "control": (graph(node("Re\nlu", ["x"], ["a"]), node("Relu", ["a"], ["y"])), r"Re\\x0alu"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_graphs(name: str) -> None:
    refused(*BAD[name])


def test_more_operators_than_any_network_has() -> None:
    nodes = [b"\x22\x04Relu"] * (2**18 + 1)
    refused(graph(*nodes), "more than 262144 operators")


def test_a_long_chain_takes_no_stack() -> None:
    count = 50_000
    nodes = [node("Tanh", [f"v{i}" if i else "x"], [f"v{i + 1}"]) for i in range(count)]
    assert len(kernels(*nodes, output=f"v{count}")) == count


def test_many_readers_of_one_value_take_no_time() -> None:
    nodes = [node("Sigmoid", ["x"], [f"s{i}"]) for i in range(20_000)]
    nodes += [node("Mul", ["x", f"s{i}"], [f"m{i}"]) for i in range(20_000)]
    nodes.append(node("Concat", [f"m{i}" for i in range(20_000)], ["y"], axis=1))
    found = kernels(*nodes)
    assert ops(found) == ["activation"] * 20_000 + ["concat"]


# Real files, cut and changed. The core's own tests do this under the sanitizers too.

FILES = ("image.onnx", "image.tflite")


@pytest.mark.parametrize("name", FILES)
def test_every_truncation(name: str) -> None:
    raw = (DATA / name).read_bytes()
    for length in range(len(raw)):
        with pytest.raises(ModelFileError, match=r"^net: "):
            read(raw[:length])


@pytest.mark.parametrize("name", FILES)
def test_bytes_changed_at_random(name: str) -> None:
    raw = (DATA / name).read_bytes()
    chance = random.Random(11)
    outcomes = {"read": 0, "refused": 0}
    for _ in range(5000):
        changed = bytearray(raw)
        changed[chance.randrange(len(raw))] = chance.choice((0, 1, 0x7F, 0x80, 0xFF))
        try:
            read(bytes(changed))
            outcomes["read"] += 1
        except ModelFileError:
            outcomes["refused"] += 1
    assert min(outcomes.values()) > 100


def test_what_is_not_a_model(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "empty.onnx").write_bytes(b"")
    (tmp_path / "text.tflite").write_text("hello")
    cases: dict[Path, str] = {
        tmp_path / "absent.onnx": "absent.onnx: cannot be read: No such file",
        tmp_path: "cannot be read: Is a directory",
        tmp_path / "pipe": "not a regular file",
        tmp_path / "empty.onnx": "the file is empty",
        tmp_path / "text.tflite": "text.tflite: ",
    }
    for path, message in cases.items():
        with pytest.raises(ModelFileError, match=message):
            _core.read_model(str(path))


@pytest.mark.parametrize("name", FILES)
def test_a_file_and_its_bytes_are_one_model(name: str, tmp_path: Path) -> None:
    renamed = tmp_path / "model.bin"
    renamed.write_bytes((DATA / name).read_bytes())
    model, same = _core.read_model(os.fsencode(renamed)), read(renamed.read_bytes())
    assert (model.format, model.label) == (name.rsplit(".")[-1], str(renamed))
    assert [repr(k) for k in model.kernels] == [repr(k) for k in same.kernels]
    assert model.macs == sum(k.macs for k in model.kernels) > 0
    peak, weights = _core.memory(model.kernels)
    assert weights == model.weight_bytes
    assert peak > 0
