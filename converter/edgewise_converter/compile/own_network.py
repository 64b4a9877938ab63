"""A user's own classifier, ONNX or exported by torch, as a network of a zoo: pixels to features.

What comes out takes one picture (1, H, W, 3), values 0 to 255, standardises it, and answers with
what the network's last linear layer reads; that layer becomes the head.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from edgewise.errors import ArgumentError

PIXELS, FEATURES = "pixels", "features"
_SUFFIXES = (".onnx", ".pt2")


@dataclass(frozen=True)
class OwnNetwork:
    """A classifier cut before its last linear layer.

    Attributes:
        model: ONNX file, `pixels` (1, H, W, 3) to `features` (1, D).
        side: (H, W).
        head: (classes, D + 1); the last column is the bias.
        parameters: learnt numbers, the head's left out.
    """

    model: bytes
    side: tuple[int, int]
    head: NDArray[np.float32]
    parameters: int


def open_own(path: Path, mean: Sequence[float], deviation: Sequence[float]) -> OwnNetwork:
    """Read a classifier of pictures (N, 3, H, W) that are (pixels / 255 - mean) / deviation.

    Args:
        path: `.onnx`, or `.pt2` as ``torch.export.save`` writes it.
        mean: of red, green and blue.
        deviation: the same.

    Raises:
        ArgumentError: it cannot be read, or is no classifier that ends in a linear layer; the
            message says what is in the way.
    """
    if path.suffix not in _SUFFIXES:
        raise ArgumentError(f"{path}: a network is an .onnx file, or .pt2 of torch.export.save")
    if len(mean) != 3 or len(deviation) != 3 or min(deviation) <= 0:
        raise ArgumentError("mean and deviation are three numbers each, deviations above 0")
    try:
        model = onnx.load(path) if path.suffix == ".onnx" else _exported(path)
        model = onnx.shape_inference.infer_shapes(model)
    except ArgumentError:
        raise
    except Exception as error:  # protobuf's and torch's have no base class of their own
        raise ArgumentError(f"{path}: cannot be read ({' '.join(str(error).split())})") from error
    return _Surgery(path, model).cut(mean, deviation)


def _exported(path: Path) -> Any:
    program = torch.export.load(path)
    inputs = program.example_inputs
    if inputs is None or len(inputs[0]) != 1:
        raise ArgumentError(f"{path}: takes {len(inputs[0]) if inputs else 'no'} inputs, not one")
    converted = torch.onnx.export(program, dynamo=True, verbose=False)
    assert converted is not None
    return converted.model_proto


class _Surgery:
    """Takes the head off a graph, and puts the step from pixels before it."""

    def __init__(self, path: Path, model: Any) -> None:
        self._path, self._model, self._graph = path, model, model.graph
        self._constants = {c.name: numpy_helper.to_array(c) for c in self._graph.initializer}
        self._made = {name: node for node in self._graph.node for name in node.output}
        for node in self._graph.node:
            if node.op_type == "Constant" and node.attribute[0].name == "value":
                self._constants[node.output[0]] = numpy_helper.to_array(node.attribute[0].t)

    def cut(self, mean: Sequence[float], deviation: Sequence[float]) -> OwnNetwork:
        source, side = self._input()
        weight, bias, features = self._head()
        nodes = self._live(features, source)
        constants = [c for c in self._graph.initializer if any(c.name in n.input for n in nodes)]
        parameters = sum(
            self._constants[c.name].size
            for c in constants
            if np.issubdtype(self._constants[c.name].dtype, np.floating)
        )
        scale = (1 / (255 * np.asarray(deviation, np.float64))).astype(np.float32)
        shift = (-np.asarray(mean, np.float64) / np.asarray(deviation)).astype(np.float32)
        steps = [
            helper.make_node("Transpose", [PIXELS], ["pixels.first"], perm=[0, 3, 1, 2]),
            helper.make_node("Mul", ["pixels.first", "pixels.scale"], ["pixels.scaled"]),
            helper.make_node("Add", ["pixels.scaled", "pixels.shift"], [source]),
        ]
        constants += [
            numpy_helper.from_array(scale.reshape(1, 3, 1, 1), "pixels.scale"),
            numpy_helper.from_array(shift.reshape(1, 3, 1, 1), "pixels.shift"),
        ]
        flat = helper.make_node("Flatten", [features], [FEATURES], axis=1)
        graph = helper.make_graph(
            [*steps, *nodes, flat],
            "network",
            [helper.make_tensor_value_info(PIXELS, TensorProto.FLOAT, [1, *side, 3])],
            [helper.make_tensor_value_info(FEATURES, TensorProto.FLOAT, [1, weight.shape[1]])],
            constants,
        )
        whole = helper.make_model(
            graph, opset_imports=self._model.opset_import, ir_version=self._model.ir_version
        )
        onnx.checker.check_model(whole)
        head = np.concatenate([weight, bias[:, None]], axis=1).astype(np.float32)
        return OwnNetwork(bytes(whole.SerializeToString()), side, head, int(parameters))

    def _input(self) -> tuple[str, tuple[int, int]]:
        """Name of the picture, and its height and width."""
        inputs = [i for i in self._graph.input if i.name not in self._constants]
        if len(inputs) != 1 or len(self._graph.output) != 1:
            raise ArgumentError(
                f"{self._path}: has {len(inputs)} inputs and {len(self._graph.output)} outputs; "
                "a classifier has one each"
            )
        shape = [d.dim_value for d in inputs[0].type.tensor_type.shape.dim]
        if len(shape) != 4 or shape[1] != 3 or min(shape[2:]) < 1 or shape[0] > 1:
            raise ArgumentError(
                f"{self._path}: takes {shape}; export it for one picture or any number of them, "
                "(1, 3, height, width)"
            )
        return str(inputs[0].name), (shape[2], shape[3])

    def _head(self) -> tuple[NDArray[Any], NDArray[Any], str]:
        """Weight (classes, D) and bias of the last linear layer, and the name of what it reads."""
        node = self._made[self._graph.output[0].name]
        while node.op_type in ("Softmax", "LogSoftmax", "Identity"):
            node = self._made[node.input[0]]
        bias: NDArray[Any] | None = None
        if node.op_type == "Add":
            found = [name for name in node.input if name in self._constants]
            others = [name for name in node.input if name not in self._constants]
            if len(found) == 1 and others and others[0] in self._made:
                bias, node = self._constants[found[0]].ravel(), self._made[others[0]]
        attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        plain = attributes.get("alpha", 1) == attributes.get("beta", 1) == 1
        right = len(node.input) > 1 and node.input[1] in self._constants
        if node.op_type not in ("Gemm", "MatMul") or not right or not plain:
            raise ArgumentError(
                f"{self._path}: ends in {node.op_type}, not in a linear layer whose weights are in "
                "the file; export the classifier in evaluation mode"
            )
        weight = self._constants[node.input[1]]
        if not attributes.get("transB", 0):
            weight = weight.T
        if node.op_type == "Gemm" and len(node.input) > 2:
            bias = self._constants[node.input[2]].ravel()
        return weight, np.zeros(len(weight)) if bias is None else bias, str(node.input[0])

    def _live(self, wanted: str, source: str) -> list[Any]:
        """The nodes that `wanted` needs, in order."""
        needed, kept = {wanted}, []
        for node in reversed(self._graph.node):
            if needed.intersection(node.output):
                needed.update(node.input)
                kept.append(node)
        if source not in needed:
            raise ArgumentError(f"{self._path}: its answer does not depend on the picture")
        return kept[::-1]
