"""HELP with its inner loop as two model files, so that a device without torch adapts it.

``torch.export`` cannot trace through ``autograd.grad``; ``make_fx`` runs the adaptation once and
records what the gradients turned into, which is plain matrix arithmetic. The graphs hold no
weights: the meta-learnt numbers are an input, so one tensor of the bundle serves both formats and
training again needs no new graphs.

``adapt(learner (P,), embedding (E,), choices (n, K), scaled (n,), noise (S, Z)) -> adapted (S, A)``
    Two Meta-SGD steps for each of S draws of z, whose standard normal noise is given.
``predict(adapted (S, A), embedding (E,), choices (Q, K)) -> scaled (S, Q)``
    Scaled latencies; the prediction is the mean over the draws.

Everything is float32; ``choices`` are codes one-hot (``edgewise.latency.help.one_hot``), of which
the graphs make what the network reads; ``scaled`` latencies are as HELP was trained on them.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, fx, nn
from torch.func import functionalize, vmap
from torch.fx.experimental.proxy_tensor import make_fx

from edgewise.latency.help import one_hot
from edgewise.spaces import get_space
from edgewise_converter.latency.encodings.encoding import Encoding
from edgewise_converter.latency.encodings.registry import encoding_of
from edgewise_converter.latency.help_network import NetworkConfig, predict
from edgewise_converter.latency.help_predictor import DRAWS
from edgewise_converter.latency.meta_training import Learner, TrainingConfig, adapt
from edgewise_converter.latency.parameters import Params

#: Architectures of one run of ``predict``; a shorter list is filled up.
QUERIES = 256

ADAPT_INPUTS = ("learner", "embedding", "choices", "scaled", "noise")
ADAPT_OUTPUTS = ("adapted",)
PREDICT_INPUTS = ("adapted", "embedding", "choices")
PREDICT_OUTPUTS = ("scaled",)

Function = Callable[..., Tensor]


@dataclass(frozen=True)
class Layout:
    """Where each tensor lies in one flat vector."""

    shapes: tuple[tuple[str, torch.Size], ...]

    @classmethod
    def of(cls, tensors: Mapping[str, Tensor]) -> Layout:
        """The layout of ``tensors`` one after the other, in their order."""
        return cls(tuple((name, tensor.shape) for name, tensor in tensors.items()))

    @property
    def size(self) -> int:
        """Length of the vector."""
        return sum(shape.numel() for _, shape in self.shapes)

    def pack(self, tensors: Mapping[str, Tensor]) -> Tensor:
        """(size,) vector of ``tensors``, which must have this layout's names and shapes."""
        if {name: tensor.shape for name, tensor in tensors.items()} != dict(self.shapes):
            raise ValueError("the tensors are not those of the layout")
        return torch.cat([tensors[name].reshape(-1) for name, _ in self.shapes])

    def unpack(self, vector: Tensor) -> Params:
        """Inverse of :meth:`pack`."""
        pieces = torch.split(vector, [shape.numel() for _, shape in self.shapes])
        return {
            name: piece.reshape(shape)
            for (name, shape), piece in zip(self.shapes, pieces, strict=True)
        }


@dataclass(frozen=True)
class HelpFunctions:
    """Adaptation and prediction over flat vectors, in torch: what is compiled, and its oracle."""

    encoding: Encoding
    learner: Layout
    adapted: Layout

    @classmethod
    def create(cls, space: str, network: NetworkConfig) -> HelpFunctions:
        """The functions of every learner of this network's sizes for architectures of ``space``."""
        fresh = Learner.create(TrainingConfig(network=network))
        return cls(encoding_of(space), Layout.of(fresh.tensors()), Layout.of(fresh.params))

    def adapt(
        self, learner: Tensor, embedding: Tensor, choices: Tensor, scaled: Tensor, noise: Tensor
    ) -> Tensor:
        """See the module; a draw of z is one row of ``noise``."""
        parts = Learner.from_tensors(self.learner.unpack(learner))
        inputs = self.encoding.inputs(choices)

        def one(draw: Tensor) -> Tensor:
            params, _ = adapt(parts, embedding, inputs, scaled, draw)
            return self.adapted.pack(params)

        answer: Tensor = vmap(one)(noise)
        return answer

    def predict(self, adapted: Tensor, embedding: Tensor, choices: Tensor) -> Tensor:
        """See the module."""
        inputs = self.encoding.inputs(choices)

        def one(vector: Tensor) -> Tensor:
            return predict(self.adapted.unpack(vector), inputs, embedding)

        answer: Tensor = vmap(one)(adapted)
        return answer


def pack_learner(learner: Learner) -> NDArray[np.float32]:
    """The learner as the (P,) float32 vector that the graphs take."""
    tensors = {name: tensor.detach() for name, tensor in learner.tensors().items()}
    vector: NDArray[np.float32] = Layout.of(tensors).pack(tensors).numpy()
    return vector


def compile_help(space: str, network: NetworkConfig, *, samples: int = 10) -> dict[str, bytes]:
    """Compile both graphs to both formats.

    Args:
        space: whose architectures it reads.
        network: sizes of the predictor.
        samples: timings that it adapts to.

    Returns:
        Files by ``adapt.onnx``, ``adapt.tflite``, ``predict.onnx``, ``predict.tflite``.
    """
    functions = HelpFunctions.create(space, network)
    adapt_arguments = (
        torch.zeros(functions.learner.size),
        torch.rand(network.embedding_size),
        _example_choices(space, samples),
        torch.rand(samples),
        torch.zeros(DRAWS, network.latent_size),
    )
    predict_arguments = (
        torch.zeros(DRAWS, functions.adapted.size),
        torch.rand(network.embedding_size),
        _example_choices(space, QUERIES),
    )
    files: dict[str, bytes] = {}
    for name, function, arguments, inputs, outputs in (
        ("adapt", functions.adapt, adapt_arguments, ADAPT_INPUTS, ADAPT_OUTPUTS),
        ("predict", functions.predict, predict_arguments, PREDICT_INPUTS, PREDICT_OUTPUTS),
    ):
        module = trace(function, arguments)
        files[f"{name}.onnx"] = to_onnx(module, arguments, inputs, outputs)
        files[f"{name}.tflite"] = to_tflite(module, arguments)
    return files


def trace(function: Function, arguments: Sequence[Tensor]) -> fx.GraphModule:
    """`function` as plain tensor arithmetic, gradients taken and constants computed."""
    # A bound method counts its object as one argument more, hence the lambda. Without
    # `functionalize` the trace would write into tensors, which no file format can.
    pure = functionalize(lambda *values: function(*values))
    traced: fx.GraphModule = make_fx(pure)(*arguments)
    _tidy_views(traced.graph)
    _fold_constants(traced)
    traced.graph.eliminate_dead_code()
    traced.recompile()
    return traced


def to_onnx(
    module: nn.Module,
    arguments: tuple[Tensor, ...],
    inputs: Sequence[str],
    outputs: Sequence[str],
) -> bytes:
    """Export to ONNX."""
    with _quiet():
        program = torch.onnx.export(
            module,
            arguments,
            dynamo=True,
            input_names=list(inputs),
            output_names=list(outputs),
            verbose=False,
        )
        assert program is not None
    model = program.model_proto
    for part in (*model.graph.node, *model.graph.input, *model.graph.output):
        part.ClearField("metadata_props")  # where in which source file each came from
    return bytes(model.SerializeToString())


def to_tflite(module: nn.Module, arguments: tuple[Tensor, ...]) -> bytes:
    """Export to TFLite; the inputs keep their order."""
    with _quiet():
        import litert_torch  # takes seconds, and only this function needs it

        model = litert_torch.convert(module.eval(), arguments)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.tflite"
            model.export(str(path))
            return path.read_bytes()


def _example_choices(space: str, count: int) -> Tensor:
    """(count, K): any architectures."""
    known = get_space(space)
    codes = [[allowed[i % len(allowed)] for allowed in known.choices] for i in range(count)]
    return torch.from_numpy(one_hot(known, np.array(codes)))


def _tidy_views(graph: fx.Graph) -> None:
    """Take out views that change no shape, a third of what tracing leaves, and writes in place."""
    aten = torch.ops.aten
    views = (aten.view.default, aten._unsafe_view.default, aten.expand.default)
    # `vmap` squeezes in place below the reach of `functionalize`.
    in_place = {
        aten.squeeze_.dim: aten.squeeze.dim,
        aten.squeeze_.dims: aten.squeeze.dims,
    }
    for node in list(graph.nodes):
        node.target = in_place.get(node.target, node.target)
        if node.target in views and node.meta["val"].shape == node.args[0].meta["val"].shape:
            node.replace_all_uses_with(node.args[0])
            graph.erase_node(node)


def _fold_constants(module: fx.GraphModule) -> None:
    """Compute once what depends on no input: the fixed tables of the cell's graph."""
    graph, known = module.graph, dict[fx.Node, Any]()
    for node in list(graph.nodes):
        if node.op == "get_attr":
            known[node] = getattr(module, str(node.target))
        elif node.op == "call_function" and all(item in known for item in node.all_input_nodes):
            arguments, options = fx.node.map_arg((node.args, node.kwargs), known.__getitem__)
            known[node] = node.target(*arguments, **options)
    for node in list(graph.nodes):
        wanted = any(user not in known for user in node.users)
        if node in known and node.op == "call_function" and wanted:
            name = f"constant_{node.name}"
            module.register_buffer(name, known[node].detach().clone().contiguous())
            with graph.inserting_after(node):
                node.replace_all_uses_with(graph.get_attr(name))


@contextmanager
def _quiet() -> Iterator[None]:
    """The exporters log every pass; their warnings are about packages that are not asked for."""
    import warnings

    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
