"""Networks built in torch, exported to both formats, read back, and compared with torch's hooks.

Run as a program, it writes the models of native/tests/data anew.
"""

from __future__ import annotations

import logging
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import flatbuffers  # type: ignore[import-untyped]
import pytest
import torch
import torch.nn.functional as F
from ai_edge_litert import schema_py_generated as schema
from torch import Tensor, nn

from edgewise import ModelFileError, _core
from edgewise.latency.predictor import open_bundle
from edgewise.spaces import get_space

# op, height, width, channels in, the same out, kernel height and width, stride, groups
Product = tuple[str, int, int, int, int, int, int, int, int, int, int]
WEIGHTED = ("conv", "conv_transpose", "linear")


class Image(nn.Module):
    """What image networks hold: all kinds of convolution, squeeze and excitation, shuffle."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, 2, 1, bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.depthwise = nn.Conv2d(8, 8, 5, 2, 2, groups=8)
        self.grouped = nn.Conv2d(8, 16, 3, 1, 1, groups=4)
        self.squeeze = nn.Conv2d(16, 4, 1)
        self.excite = nn.Conv2d(4, 16, 1)
        self.up = nn.ConvTranspose2d(16, 8, 2, 2)
        self.late = nn.BatchNorm2d(8)
        self.head = nn.Linear(24, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu6(self.norm(self.stem(x)))
        x = F.max_pool2d(x, 3, 2, 1)
        x = F.hardswish(self.depthwise(x))
        x = F.silu(self.grouped(x))
        squeezed = F.relu(self.squeeze(F.adaptive_avg_pool2d(x, 1)))
        x = x * torch.sigmoid(self.excite(squeezed))
        n, c, h, w = x.shape
        x = x.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w)
        a, b = x.chunk(2, 1)
        x = torch.cat([a, F.gelu(b)], 1)
        x = torch.cat([F.relu(self.late(self.up(x))), F.interpolate(x, scale_factor=2)], 1)
        out: Tensor = self.head(x.mean((2, 3)))
        return out


class Attention(nn.Module):
    """A vision transformer of one block."""

    def __init__(self, width: int = 24, heads: int = 4) -> None:
        super().__init__()
        self.heads = heads
        self.patches = nn.Conv2d(3, width, 8, 8)
        self.first = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.project = nn.Linear(width, width)
        self.second = nn.LayerNorm(width)
        self.wide = nn.Linear(width, 2 * width)
        self.narrow = nn.Linear(2 * width, width)
        self.head = nn.Linear(width, 5)
        with torch.no_grad():  # or exporters fold the ones and zeros away
            for norm in (self.first, self.second):
                norm.weight.uniform_(0.5, 1.5)
                norm.bias.uniform_(-1.0, 1.0)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2)
        n, t, c = x.shape
        split = self.qkv(self.first(x)).reshape(n, t, 3, self.heads, c // self.heads)
        q, k, v = split.permute(2, 0, 3, 1, 4)
        weights = (q @ k.transpose(-1, -2) * (c // self.heads) ** -0.5).softmax(-1)
        x = x + self.project((weights @ v).transpose(1, 2).reshape(n, t, c))
        x = x + self.narrow(F.gelu(self.wide(self.second(x))))
        out: Tensor = self.head(x.mean(1))
        return out


def example() -> Tensor:
    return torch.zeros(1, 3, 32, 32)


def build(kind: Callable[[], nn.Module]) -> nn.Module:
    torch.manual_seed(0)
    return kind().eval()


def write_onnx(module: nn.Module, path: Path, *, dynamo: bool) -> None:
    options: dict[str, Any] = {} if dynamo else {"opset_version": 13}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporters, which deprecate themselves
        torch.onnx.export(module, (example(),), path, dynamo=dynamo, verbose=False, **options)


def write_tflite(module: nn.Module, path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import litert_torch

        litert_torch.convert(module, (example(),)).export(str(path))


WRITERS: dict[str, Callable[[nn.Module, Path], None]] = {
    "tflite": write_tflite,
    "onnx": lambda module, path: write_onnx(module, path, dynamo=True),
    "onnx13": lambda module, path: write_onnx(module, path, dynamo=False),
}


def expected(module: nn.Module) -> tuple[Counter[Product], float]:
    """What torch's own hooks see: each product with weights, and their multiply-accumulates."""
    found: Counter[Product] = Counter()
    macs = 0.0

    def see(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal macs
        source = inputs[0]
        if isinstance(layer, nn.Linear):
            rows = source.numel() // layer.in_features
            found[
                ("linear", 1, rows, layer.in_features, 1, rows, layer.out_features, 1, 1, 1, 1)
            ] += 1
            macs += rows * layer.weight.numel()
            return
        assert isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)
        transposed = isinstance(layer, nn.ConvTranspose2d)
        (h, w), (out_h, out_w) = source.shape[2:], output.shape[2:]
        kernel_h, kernel_w = layer.kernel_size
        op = "conv_transpose" if transposed else "conv"
        sizes = (h, w, layer.in_channels, out_h, out_w, layer.out_channels)
        found[(op, *sizes, kernel_h, kernel_w, int(layer.stride[0]), layer.groups)] += 1
        macs += layer.weight.numel() * (h * w if transposed else out_h * out_w)

    kinds = (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)
    hooks = [m.register_forward_hook(see) for m in module.modules() if isinstance(m, kinds)]
    with torch.no_grad():
        module(example())
    for hook in hooks:
        hook.remove()
    return found, macs


def products(model: _core.ModelFile) -> Counter[Product]:
    return Counter(
        (
            k.op, k.height, k.width, k.in_channels, k.out_height, k.out_width, k.out_channels,
            k.kernel_height, k.kernel_width, k.stride, k.groups,
        )
        for k in model.kernels
        if k.op in WEIGHTED
    )  # fmt: skip


def operations(model: _core.ModelFile) -> Counter[str]:
    return Counter(k.op for k in model.kernels)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., _core.ModelFile]]:
    """Exports a network once, and reads it."""
    logging.disable(logging.WARNING)
    folder = tmp_path_factory.mktemp("models")
    models: dict[tuple[str, str], _core.ModelFile] = {}

    def read(kind: type[nn.Module], form: str) -> _core.ModelFile:
        key = (kind.__name__, form)
        if key not in models:
            path = folder / "-".join(key)  # no extension: the content tells
            WRITERS[form](build(kind), path)
            models[key] = _core.read_model(str(path))
        return models[key]

    yield read
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("form", WRITERS)
@pytest.mark.parametrize("kind", [Image, Attention])
def test_products_are_those_of_torch(
    exported: Callable[..., _core.ModelFile], kind: type[nn.Module], form: str
) -> None:
    model = exported(kind, form)
    layers, macs = expected(build(kind))
    assert products(model) == layers
    assert sum(k.macs for k in model.kernels if k.op in WEIGHTED) == macs
    assert model.unknown == []
    assert model.format == form[: len(model.format)]
    assert [shape for _, shape in model.inputs] == [(1, 3, 32, 32)]


@pytest.mark.parametrize("form", WRITERS)
def test_what_is_fused_in_images(exported: Callable[..., _core.ModelFile], form: str) -> None:
    model = exported(Image, form)
    ops = operations(model)
    # swish and gelu; the norm and relu6 of the stem are gone, and so is the late norm.
    assert ops["activation"] == 2
    assert ops["hard_swish"] == ops["sigmoid"] == ops["mul"] == ops["max_pool"] == 1
    assert ops["global_avg_pool"] == 2
    assert ops["concat"] == ops["slice"] == 2
    assert ops["resize"] == 1
    assert not {"batch_norm", "relu", "pad", "add", "reshape"} & set(ops)
    relu = [k.op for k in model.kernels if k.activation == "relu"]
    assert relu == ["conv", "conv", "conv_transpose"]
    # A shuffle is one transpose; what is NCHW in a file of NHWC needs some more.
    assert ops["transpose"] == (1 if form != "tflite" else ops["transpose"])


@pytest.mark.parametrize("form", WRITERS)
def test_what_is_fused_in_attention(exported: Callable[..., _core.ModelFile], form: str) -> None:
    model = exported(Attention, form)
    ops = operations(model)
    assert ops["layer_norm"] == 2
    assert ops["activation"] == 1
    assert ops["add"] == 2  # the residuals; biases are in the products
    assert ops["mul"] == 1  # the scale of the attention
    assert ops["softmax"] == 1
    scores, values = (k for k in model.kernels if k.op == "matmul")
    assert scores.macs == 4 * 16 * 16 * 6
    assert values.macs == 4 * 16 * 6 * 16
    assert (values.batch, values.width, values.in_channels, values.out_channels) == (4, 16, 16, 6)


def test_both_exporters_of_torch_agree(exported: Callable[..., _core.ModelFile]) -> None:
    for kind in (Image, Attention):
        new, old = exported(kind, "onnx"), exported(kind, "onnx13")
        assert operations(new) == operations(old)
        assert new.weight_bytes == old.weight_bytes


def test_weights_may_be_missing(tmp_path: Path) -> None:
    """An ONNX model keeps them in a file beside it, of which only the sizes matter."""
    write_onnx(build(Image), tmp_path / "image.onnx", dynamo=True)
    (tmp_path / "image.onnx.data").unlink()
    model = _core.read_model(str(tmp_path / "image.onnx"))
    assert products(model) == expected(build(Image))[0]


@pytest.mark.parametrize("form", ["tflite", "onnx"])
def test_reference_models_are_what_the_space_lowers(form: str) -> None:
    """The networks that a calibration times: the kernels of the space, its ReLUs joined."""
    bundle, space = open_bundle("nasbench201"), get_space("nasbench201")
    for index, arch in enumerate(bundle.manifest["references"][:6]):
        model = _core.read_model_bytes(bundle.blob(f"reference.{index:02}.{form}"), "reference")
        lowered = space.lower(arch, "live")
        assert model.macs == sum(k.macs for k in lowered)
        found, wanted = operations(model), Counter(k.op for k in lowered)
        for free in ("relu", "identity"):
            del found[free], wanted[free]
        # Poolings of one node are equal, and run once in what a converter writes.
        wanted["avg_pool"] = len({tuple(k.inputs) for k in lowered if k.op == "avg_pool"})
        assert +found == +wanted
        joined = sum(k.activation == "relu" for k in model.kernels)
        assert joined > 0
        assert Counter(
            (k.height, k.in_channels, k.out_channels, k.kernel_height, k.stride)
            for k in model.kernels
            if k.op == "conv"
        ) == Counter(
            (k.height, k.in_channels, k.out_channels, k.kernel_height, k.stride)
            for k in lowered
            if k.op == "conv"
        )


def tflite_of(
    code: int, *, custom: str | None = None, signature: tuple[int, ...] | None = None
) -> bytes:
    """One operator from an image to an image of the same size."""
    graph = schema.SubGraphT()
    graph.tensors = []
    for name in (b"image", b"answer"):
        tensor = schema.TensorT()
        tensor.name, tensor.shape, tensor.buffer = name, [1, 8, 8, 3], 0
        tensor.shapeSignature = None if signature is None else list(signature)
        graph.tensors.append(tensor)
    entry = schema.OperatorT()
    entry.inputs, entry.outputs = [0], [1]
    graph.operators, graph.inputs, graph.outputs = [entry], [0], [1]
    kind = schema.OperatorCodeT()
    kind.builtinCode, kind.deprecatedBuiltinCode, kind.customCode = code, min(code, 127), custom
    model = schema.ModelT()
    model.version, model.subgraphs, model.operatorCodes = 3, [graph], [kind]
    model.buffers = [schema.BufferT()]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def test_unknown_operators_of_tflite_are_named() -> None:
    operators = schema.BuiltinOperator
    custom = _core.read_model_bytes(tflite_of(operators.CUSTOM, custom="Fancy"), "net")
    assert custom.unknown == ["CUSTOM:Fancy"]
    assert [(k.op, k.out_height, k.out_channels) for k in custom.kernels] == [("other", 8, 3)]
    assert _core.read_model_bytes(tflite_of(operators.TOPK_V2), "net").unknown == ["TOPK_V2"]
    assert _core.read_model_bytes(tflite_of(1000), "net").unknown == ["BUILTIN:1000"]
    relu = _core.read_model_bytes(tflite_of(operators.RELU6), "net")
    assert (relu.unknown, [k.op for k in relu.kernels]) == ([], ["relu"])


def test_every_operator_of_tflite_is_read_or_refused() -> None:
    for code in range(256):
        try:
            model = _core.read_model_bytes(tflite_of(code), "net")
        except ModelFileError as error:
            assert "operator 0 (" in str(error)  # noqa: PT017 - refusing is one of two outcomes
        else:
            assert len(model.kernels) <= 1


def test_an_unknown_size_of_tflite() -> None:
    relu = schema.BuiltinOperator.RELU
    free = _core.read_model_bytes(tflite_of(relu, signature=(-1, 8, 8, 3)), "net")
    assert free.inputs == [("image", (1, 8, 8, 3))]
    with pytest.raises(ModelFileError, match=r"input 'image' has an unknown size \(dimension 2\)"):
        _core.read_model_bytes(tflite_of(relu, signature=(1, 8, -1, 3)), "net")


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    write_onnx(build(Image), folder / "image.onnx", dynamo=False)
    write_tflite(build(Image), folder / "image.tflite")
