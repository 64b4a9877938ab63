"""Query encoder and performance predictor as model files, for apps with a stock runtime alone."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from edgewise.retrieval.dense import Dense
from edgewise_converter.compile.graph import Graph, Node
from edgewise_converter.compile.onnx import onnx_model
from edgewise_converter.compile.parity import (
    Parity,
    installed_runtimes,
    relative_error,
    require,
)
from edgewise_converter.compile.tflite import tflite_model

_CASES = 5
_TOLERANCE = 1e-5


def dense_graph(dense: Dense, last: str) -> Graph:
    """Lower it: `values` (inputs,) to `answer` (outputs,); `last` is `unit` or `sigmoid`."""
    nodes: list[Node] = []
    value = "values"
    for number, (weight, bias) in enumerate(dense.layers):
        if number:
            nodes.append(Node("relu", (value,), f"relu_{number}", (len(weight),)))
            value = f"relu_{number}"
        stored = (np.ascontiguousarray(weight.T), np.ascontiguousarray(bias))
        nodes.append(Node("linear", (value,), f"linear_{number}", bias.shape, stored))
        value = f"linear_{number}"
    shape = (dense.outputs,)
    nodes.append(Node(last, (value,), "answer", shape))
    return Graph("values", (dense.inputs,), "answer", shape, tuple(nodes))


def compile_heads(
    query: Dense, performance: Dense, seed: int = 0
) -> tuple[dict[str, bytes], dict[str, list[Parity]]]:
    """Files `query.FORMAT` (statistics to a direction) and `performance.FORMAT` (a query, a
    network's direction and their product, one after the other, to the expected accuracy).

    Returns:
        The files, and how far each lies from torch in every installed runtime.

    Raises:
        ParityError: a file does not compute what torch computes.
    """
    files: dict[str, bytes] = {}
    parity: dict[str, list[Parity]] = {}
    for name, dense, last in (("query", query, "unit"), ("performance", performance, "sigmoid")):
        graph = dense_graph(dense, last)
        own = {"tflite": tflite_model(graph), "onnx": onnx_model(graph)}
        rows = np.random.default_rng(seed).normal(0, 0.2, (_CASES, dense.inputs))
        inputs = rows.astype(np.float32)
        expected = _torch(dense, last, torch.from_numpy(inputs)).numpy()
        parity[name] = _check(own, inputs, expected)
        files |= {f"{name}.{form}": file for form, file in own.items()}
    return files, parity


def _torch(dense: Dense, last: str, rows: Tensor) -> Tensor:
    for number, (weight, bias) in enumerate(dense.layers):
        rows = F.relu(rows) if number else rows
        rows = F.linear(
            rows, torch.from_numpy(np.array(weight.T)), torch.from_numpy(np.array(bias))
        )
    return F.normalize(rows, dim=1) if last == "unit" else torch.sigmoid(rows)


def _check(
    files: dict[str, bytes], inputs: NDArray[np.float32], expected: NDArray[np.float32]
) -> list[Parity]:
    found = []
    for runtime in installed_runtimes():
        session = runtime.load(files[runtime.format])
        answers = [session.run(row[None])[0].astype(np.float32) for row in inputs]
        # All cases at once: runtimes compute sigmoids to so many digits of 1, not of the answer.
        error = relative_error(np.concatenate(answers), expected)
        found.append(Parity(runtime.name, runtime.version(), len(inputs), error))
        require(found[-1], _TOLERANCE)
    return found
