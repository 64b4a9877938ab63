"""For apps that carry only a stock runtime: embedder and head in one file.

TFLite: two signatures that share their weights, `embed(images)` and `classify(images, prototypes)`.
ONNX: one graph whose output `embedding` needs `images` alone, and whose `scores` and
`probabilities` need `prototypes` too. Prototypes are (classes, dim), any number of classes: means
of the embeddings' directions, of any length. The head is the native one (cosine, softmax).
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import onnx
from ai_edge_litert import schema_py_generated as schema
from onnx import TensorProto, helper, numpy_helper

from edgewise_converter.compile.embedder_graph import EMBEDDING, IMAGE
from edgewise_converter.compile.tflite_writer import operator_code, packed, unpacked

IMAGES, PROTOTYPES, SCORES, PROBABILITIES = "images", "prototypes", "scores", "probabilities"


def stock_tflite(model: bytes, *, temperature: float) -> bytes:
    """Two signatures around a TFLite embedder.

    Args:
        model: the embedder, float or integer.
        temperature: of the probabilities.
    """
    whole = unpacked(model)
    embed = whole.subgraphs[0]
    # Tensors of both graphs name the same buffers, so the weights are in the file once.
    classify = copy.deepcopy(embed)
    embed.name, classify.name = "embed", "classify"
    head = _TfliteHead(whole, classify)
    embedding = head.named(EMBEDDING)
    dim = int(classify.tensors[embedding].shape[1])
    prototypes = head.tensor(PROTOTYPES, [1, dim], [-1, dim])
    directions = head.tensor("head.directions", [1, dim], [-1, dim])
    direction = head.tensor("head.direction", [1, dim])
    scores = head.tensor(SCORES, [1, 1], [1, -1])
    probabilities = head.tensor(PROBABILITIES, [1, 1], [1, -1])
    for source, unit in ((prototypes, directions), (embedding, direction)):
        head.operator("L2_NORMALIZATION", [source], unit, schema.L2NormOptionsT())
    products = schema.BatchMatMulOptionsT()
    products.adjY = True
    head.operator("BATCH_MATMUL", [direction, directions], scores, products)
    softmax = schema.SoftmaxOptionsT()
    softmax.beta = temperature
    head.operator("SOFTMAX", [scores], probabilities, softmax)
    classify.inputs = [*classify.inputs, prototypes]
    classify.outputs = [scores, probabilities]
    whole.subgraphs = [embed, classify]
    whole.signatureDefs = [
        _signature("embed", 0, {IMAGES: embed.inputs[0]}, {EMBEDDING: embed.outputs[0]}),
        _signature(
            "classify",
            1,
            {IMAGES: classify.inputs[0], PROTOTYPES: prototypes},
            {SCORES: scores, PROBABILITIES: probabilities},
        ),
    ]
    return packed(whole)


def stock_onnx(model: bytes, *, temperature: float) -> bytes:
    """Embedder and head in one ONNX graph; arguments as of :func:`stock_tflite`."""
    whole = onnx.load_from_string(model)
    graph = whole.graph
    for node in graph.node:
        node.input[:] = [IMAGES if name == IMAGE else name for name in node.input]
    graph.input[0].name = IMAGES
    dim = graph.output[0].type.tensor_type.shape.dim[1].dim_value
    # An input with a default may be left out when only the embedding is asked for.
    graph.initializer.append(numpy_helper.from_array(np.ones((1, dim), np.float32), PROTOTYPES))
    graph.initializer.append(
        numpy_helper.from_array(np.array(temperature, np.float32), "head.temperature")
    )
    graph.input.append(_info(PROTOTYPES, ["classes", dim]))
    graph.node.extend(
        [
            helper.make_node("LpNormalization", [EMBEDDING], ["head.direction"], axis=1, p=2),
            helper.make_node("LpNormalization", [PROTOTYPES], ["head.directions"], axis=1, p=2),
            helper.make_node("Transpose", ["head.directions"], ["head.columns"], perm=[1, 0]),
            helper.make_node("MatMul", ["head.direction", "head.columns"], [SCORES]),
            helper.make_node("Mul", [SCORES, "head.temperature"], ["head.logits"]),
            helper.make_node("Softmax", ["head.logits"], [PROBABILITIES], axis=1),
        ]
    )
    for name in (SCORES, PROBABILITIES):
        graph.output.append(_info(name, [1, "classes"]))
    onnx.checker.check_model(whole)
    return bytes(whole.SerializeToString())


class _TfliteHead:
    """Appends tensors and operators to a graph of a model."""

    def __init__(self, model: Any, graph: Any) -> None:
        self._model = model
        self._graph = graph

    def named(self, name: str) -> int:
        names = [bytes(tensor.name).decode() for tensor in self._graph.tensors]
        return names.index(name)

    def tensor(self, name: str, shape: list[int], signature: list[int] | None = None) -> int:
        tensor = schema.TensorT()
        tensor.name, tensor.shape, tensor.buffer = name, shape, 0
        tensor.type = schema.TensorType.FLOAT32
        if signature is not None:
            tensor.shapeSignature = signature
        self._graph.tensors.append(tensor)
        return len(self._graph.tensors) - 1

    def operator(self, code: str, inputs: list[int], output: int, options: Any) -> None:
        entry = schema.OperatorT()
        number = int(getattr(schema.BuiltinOperator, code))
        self._model.operatorCodes.append(operator_code(number, 1))
        entry.opcodeIndex = len(self._model.operatorCodes) - 1
        entry.inputs, entry.outputs = inputs, [output]
        kind = type(options).__name__.removesuffix("T")
        entry.builtinOptionsType = getattr(schema.BuiltinOptions, kind)
        entry.builtinOptions = options
        self._graph.operators.append(entry)


def _signature(key: str, graph: int, inputs: dict[str, int], outputs: dict[str, int]) -> Any:
    signature = schema.SignatureDefT()
    signature.signatureKey, signature.subgraphIndex = key, graph
    signature.inputs = [_tensor_map(*item) for item in inputs.items()]
    signature.outputs = [_tensor_map(*item) for item in outputs.items()]
    return signature


def _tensor_map(name: str, index: int) -> Any:
    entry = schema.TensorMapT()
    entry.name, entry.tensorIndex = name, index
    return entry


def _info(name: str, shape: list[Any]) -> Any:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
