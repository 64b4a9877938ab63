"""What is left of a network when it is deployed: a small graph, lowered from torch.

A converter does not ship a module as it was written. This one does what every deployment
tool-chain does before it writes a file, so that what is timed is what users run:

* batch normalisation is folded into the convolution before it;
* whatever does not depend on the image is a constant: ``none`` (the input times zero), and
  therefore every operation fed only zeros. Adding zeros is dropped; another constant stays as one
  addition;
* operations with no path to the output are dropped;
* equal operations on one value (the ReLU before two convolutions, two poolings of one node) run
  once.

The last three are exact for finite values. Lowering takes tens of milliseconds, where exporting
through ``torch.export`` takes seconds, and one graph feeds both file formats.
"""

from __future__ import annotations

import math
import operator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from edgewise.errors import ArgumentError
from edgewise_converter.compile.graph import Array, Graph, Node

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


@dataclass(frozen=True)
class _Symbol:
    """A value that depends on the image."""

    name: str
    shape: tuple[int, ...]


class _Lowering:
    """Walks the traced module once, and keeps for each of its values a symbol or a constant."""

    def __init__(self, module: nn.Module, input_shape: tuple[int, int, int]) -> None:
        self._traced = fx.symbolic_trace(module)
        self._modules = dict(self._traced.named_modules())
        self._input_shape = input_shape
        self._values: dict[fx.Node, _Symbol | Tensor] = {}
        self._nodes: dict[str, Node] = {}
        self._seen: dict[tuple[Any, ...], _Symbol] = {}

    def run(self) -> Graph:
        image = _Symbol("image", self._input_shape)
        for item in self._traced.graph.nodes:
            if item.op == "placeholder":
                self._values[item] = image
            elif item.op == "output":
                return self._finish(image, self._values[item.args[0]])
            else:
                self._values[item] = self._apply(item)
        raise AssertionError("a traced module always ends in an output")

    def _finish(self, image: _Symbol, answer: _Symbol | Tensor) -> Graph:
        if isinstance(answer, Tensor):
            constant = _array(answer[0])
            return Graph(image.name, self._input_shape, "logits", constant.shape, (), constant)
        live: list[Node] = []
        wanted = {answer.name}
        for node in reversed(self._nodes.values()):
            if node.output in wanted:
                live.append(node)
                wanted.update(node.inputs)
        live.reverse()
        live[-1] = replace(live[-1], output="logits")
        return Graph(image.name, self._input_shape, "logits", answer.shape, tuple(live))

    def _apply(self, item: fx.Node) -> _Symbol | Tensor:
        target, arguments = self._callee(item)
        look_up: Any = self._values.__getitem__
        sources: Any = fx.map_arg(tuple(arguments), look_up)
        if not any(isinstance(self._values[node], _Symbol) for node in item.all_input_nodes):
            with torch.no_grad():
                folded: Tensor = target(*sources, **item.kwargs)
            return folded
        match target:
            case nn.Identity():
                return _symbol(sources[0])
            case nn.Conv2d():
                return self._conv(target, _symbol(sources[0]))
            case nn.BatchNorm2d():
                return self._norm(target, item, _symbol(sources[0]))
            case nn.ReLU() | torch.relu | F.relu:
                return self._elementwise("relu", sources[0])
            case nn.Hardswish():
                return self._elementwise("hard_swish", sources[0])
            case nn.Hardsigmoid():
                return self._elementwise("hard_sigmoid", sources[0])
            case nn.ChannelShuffle():
                source = _symbol(sources[0])
                groups = int(target.groups)
                return self._emit("channel_shuffle", (source,), source.shape, groups=groups)
            case nn.AvgPool2d():
                return self._average(target, _symbol(sources[0]))
            case nn.MaxPool2d():
                return self._maximum(target, _symbol(sources[0]))
            case nn.AdaptiveAvgPool2d() if target.output_size in (1, (1, 1)):
                source = _symbol(sources[0])
                return self._emit("mean", (source,), (*source.shape[:1], 1, 1))
            case nn.Flatten() if target.start_dim == 1 and target.end_dim == -1:
                source = _symbol(sources[0])
                return self._emit("flatten", (source,), (math.prod(source.shape),))
            case nn.Linear():
                return self._linear(target, _symbol(sources[0]))
            case operator.add:
                return self._add(sources[0], sources[1])
            case Tensor.mul if isinstance(sources[1], float) and sources[1] == 0.0:
                return torch.zeros(1, *_symbol(sources[0]).shape)
            case torch.mul:
                left, right = _symbol(sources[0]), _symbol(sources[1])
                return self._emit("mul", (left, right), left.shape)
            case torch.cat if sources[1:] == (1,):
                return self._concat([_symbol(source) for source in sources[0]])
            case Tensor.mean:
                source = _symbol(sources[0])
                return self._emit("mean", (source,), source.shape[:1])
        raise ArgumentError(f"cannot lower {item.format_node()} to a deployed graph")

    def _callee(self, item: fx.Node) -> tuple[Callable[..., Any], Sequence[Any]]:
        """The module, function or method that ``item`` calls."""
        if item.op == "call_module":
            return self._modules[str(item.target)], item.args
        if item.op == "call_method":
            method: Callable[..., Any] = getattr(Tensor, str(item.target))
            return method, item.args
        if item.op == "call_function" and callable(item.target):
            return item.target, item.args
        raise ArgumentError(f"cannot lower {item.format_node()} to a deployed graph")

    def _emit(
        self, op: str, sources: Sequence[_Symbol], shape: tuple[int, ...], **fields: Any
    ) -> _Symbol:
        inputs = tuple(source.name for source in sources)
        key = (op, inputs, tuple(sorted(fields.items()))) if "weights" not in fields else None
        if key is not None and key in self._seen:
            return self._seen[key]
        symbol = _Symbol(f"{op}_{len(self._nodes)}", shape)
        self._nodes[symbol.name] = Node(op, inputs, symbol.name, shape, **fields)
        if key is not None:
            self._seen[key] = symbol
        return symbol

    def _conv(self, module: nn.Conv2d, source: _Symbol) -> _Symbol:
        kernel, stride = int(module.kernel_size[0]), int(module.stride[0])
        padding = int(module.padding[0])
        return self._emit(
            "conv",
            (source,),
            (module.out_channels, *_sides(source, kernel, stride, padding)),
            weights=(_array(module.weight), _bias(module, module.out_channels)),
            kernel=kernel,
            stride=stride,
            padding=padding,
            groups=module.groups,
        )

    def _norm(self, module: nn.BatchNorm2d, item: fx.Node, source: _Symbol) -> _Symbol:
        assert module.running_mean is not None
        assert module.running_var is not None
        # In double precision, so that folding costs one rounding and not three.
        scale = module.weight.double() / torch.sqrt(module.running_var.double() + module.eps)
        shift = module.bias.double() - module.running_mean.double() * scale
        before = item.args[0]
        producer = self._nodes.get(source.name)
        alone = isinstance(before, fx.Node) and len(before.users) == 1
        if producer is None or producer.op != "conv" or not alone:
            weights = (_array(scale), _array(shift))
            return self._emit("scale", (source,), source.shape, weights=weights)
        weight, bias = (torch.from_numpy(array).double() for array in producer.weights)
        folded = (_array(weight * scale[:, None, None, None]), _array(bias * scale + shift))
        self._nodes[source.name] = replace(producer, weights=folded)
        return source

    def _elementwise(self, op: str, source: object) -> _Symbol:
        symbol = _symbol(source)
        return self._emit(op, (symbol,), symbol.shape)

    def _average(self, module: nn.AvgPool2d, source: _Symbol) -> _Symbol:
        if _side(module.padding) and module.count_include_pad:
            raise ArgumentError("an average that counts its padding is not a deployed pooling")
        return self._pool("avg_pool", module, source)

    def _maximum(self, module: nn.MaxPool2d, source: _Symbol) -> _Symbol:
        if _side(module.dilation) != 1 or module.ceil_mode:
            raise ArgumentError("a dilated or rounded-up maximum is not a deployed pooling")
        return self._pool("max_pool", module, source)

    def _pool(self, op: str, module: nn.AvgPool2d | nn.MaxPool2d, source: _Symbol) -> _Symbol:
        window = (module.kernel_size, module.stride, module.padding)
        kernel, stride, padding = map(_side, window)
        shape = (source.shape[0], *_sides(source, kernel, stride, padding))
        fields = {"kernel": kernel, "stride": stride, "padding": padding}
        return self._emit(op, (source,), shape, **fields)

    def _concat(self, sources: Sequence[_Symbol]) -> _Symbol:
        channels = sum(source.shape[0] for source in sources)
        return self._emit("concat", sources, (channels, *sources[0].shape[1:]))

    def _linear(self, module: nn.Linear, source: _Symbol) -> _Symbol:
        weights = (_array(module.weight), _bias(module, module.out_features))
        return self._emit("linear", (source,), (module.out_features,), weights=weights)

    def _add(self, left: _Symbol | Tensor, right: _Symbol | Tensor) -> _Symbol:
        if isinstance(left, Tensor):
            left, right = right, left
        source = _symbol(left)
        if isinstance(right, _Symbol):
            return self._emit("add", (source, right), source.shape)
        if not bool(torch.any(right)):
            return source
        return self._emit("add_constant", (source,), source.shape, weights=(_array(right[0]),))


def _symbol(value: object) -> _Symbol:
    assert isinstance(value, _Symbol)
    return value


def _array(tensor: Tensor) -> Array:
    return np.ascontiguousarray(tensor.detach().float().numpy())


def _bias(module: nn.Module, outputs: int) -> Array:
    """Of a layer; zeros where it has none."""
    bias: Any = module.bias
    return np.zeros(outputs, np.float32) if bias is None else _array(bias)


def _side(size: int | tuple[int, ...]) -> int:
    """Of a square window, given either way that torch takes it."""
    return size if isinstance(size, int) else int(size[0])


def _sides(source: _Symbol, kernel: int, stride: int, padding: int) -> tuple[int, int]:
    height, width = ((side + 2 * padding - kernel) // stride + 1 for side in source.shape[1:])
    return height, width


def deployed_graph(module: nn.Module, input_shape: tuple[int, int, int] = (3, 32, 32)) -> Graph:
    """Lower a convolutional classifier in evaluation mode to the graph that is deployed.

    Args:
        module: takes (1, C, H, W) float32 and gives (1, classes); square kernels, batch statistics
        frozen. input_shape: (C, H, W) of the image.

    Raises:
        ArgumentError: ``module`` holds an operation that no deployed graph here knows.
    """
    return _Lowering(module, input_shape).run()
