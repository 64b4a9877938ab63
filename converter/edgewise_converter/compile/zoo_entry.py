"""An entry of a zoo's bundle: cut from a task's file, compiled, checked in every runtime."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from edgewise import _core
from edgewise.bundle import Bundle
from edgewise.retrieval.models import Layers, fill
from edgewise_converter.compile.graph import Graph
from edgewise_converter.compile.graph_run import run_graph
from edgewise_converter.compile.parity import (
    Parity,
    installed_runtimes,
    relative_error,
    require,
    summarise,
)
from edgewise_converter.compile.zoo_models import (
    features_graph,
    quantised_layers,
    skeletons,
    with_arrays,
)
from edgewise_converter.retrieval.deployed import DeployedFeatures
from edgewise_converter.retrieval.licences import licence_note
from edgewise_converter.retrieval.tasks import SIDE, Task
from edgewise_converter.retrieval.zoo_files import read_network
from edgewise_converter.spaces.mobile import Classifier

_TOLERANCE = 1e-5
_CASES = 2
_AT_ONCE = 256


@dataclass(frozen=True)
class CompiledEntry:
    """A network of a zoo, ready to be written.

    Attributes:
        about: its card, as the manifest has it.
        kernels: (C,) of `_core.network_columns`.
        layers: its weights.
        head: (classes, features + 1) float16; the last column is the bias.
        skeletons: by format; a bundle holds one of each architecture.
        parity: of the files put together, in every runtime.
    """

    about: dict[str, Any]
    kernels: NDArray[np.float64]
    layers: Layers
    head: NDArray[np.float16]
    skeletons: Mapping[str, bytes]
    parity: list[Parity]


def compile_entry(bundle: Bundle, number: int, task: Task | None = None) -> CompiledEntry:
    """Compile the ``number``-th network of a task's file.

    Args:
        bundle: the task's file.
        number: of the network.
        task: the task with its pictures, to measure what 8-bit weights cost; None: not measured.

    Raises:
        BundleError: the file is damaged or has no such network.
        ParityError: a file does not compute what torch computes.
    """
    network = read_network(bundle, number)
    graph = features_graph(network, SIDE)
    layers = quantised_layers(graph)
    dequantised = with_arrays(graph, layers.arrays())
    empty = skeletons(graph)
    files = {form: fill(skeleton, layers) for form, skeleton in empty.items()}
    images = np.random.default_rng(number).integers(0, 256, (_CASES, SIDE, SIDE, 3), np.uint8)
    _check_lowering(network, graph, images)
    parity = _check_files(dequantised, files, images)
    kernels = _core.read_model_bytes(files["tflite"], f"{bundle.path}, network {number}").kernels
    linear = network.head
    assert isinstance(linear, nn.Linear)
    head = torch.cat([linear.weight, linear.bias[:, None]], 1).detach().numpy().astype(np.float16)
    manifest = bundle.manifest
    found = manifest["entries"][number]
    about = {
        "name": f"{manifest['task']}#{number}",
        "task": manifest["task"],
        "arch": found["arch"],
        "labels": list(manifest["labels"]),
        "trained_on": list(manifest["trained_on"]),
        "licence": licence_note(manifest["trained_on"]),
        "validation_accuracy": found["validation_accuracy"],
        "test_accuracy": found["test_accuracy"],
        "parameters": found["parameters"],
        "flops": 2 * sum(kernel.macs for kernel in kernels),
        "bytes": len(files["tflite"]),
    }
    if task is not None:
        about["int8_test_accuracy"] = round(_accuracy(dequantised, head, task), 5)
    return CompiledEntry(about, _core.network_features(kernels), layers, head, empty, parity)


def _check_lowering(network: Classifier, graph: Graph, images: NDArray[np.uint8]) -> None:
    """What is left after folding and before rounding must be the network that was scored."""
    with torch.no_grad():
        expected = DeployedFeatures(network)(_pixels(images)).numpy()
    error = relative_error(run_graph(graph, _pixels(images)).numpy(), expected)
    require(Parity("the lowered graph,", torch.__version__, len(images), error), _TOLERANCE)


def _check_files(
    graph: Graph, files: Mapping[str, bytes], images: NDArray[np.uint8]
) -> list[Parity]:
    expected = run_graph(graph, _pixels(images)).numpy()
    found = []
    for runtime in installed_runtimes():
        session = runtime.load(files[runtime.format])
        answers = [session.run(image[None].astype(np.float32))[0] for image in images]
        errors = [
            relative_error(answer[0].astype(np.float32), row)
            for answer, row in zip(answers, expected, strict=True)
        ]
        found.append(summarise(runtime, errors))
        require(found[-1], _TOLERANCE)
    return found


def _accuracy(graph: Graph, head: NDArray[np.float16], task: Task) -> float:
    """Of the network with 8-bit weights, on the task's test pictures."""
    labels, right = task.labels(task.test), 0
    whole = head.astype(np.float32)
    for start in range(0, len(task.test), _AT_ONCE):
        images = task.images.images[task.test[start : start + _AT_ONCE]]
        features = run_graph(graph, _pixels(images)).numpy()
        answers = (features @ whole[:, :-1].T + whole[:, -1]).argmax(1)
        right += int((answers == labels[start : start + _AT_ONCE]).sum())
    return right / len(task.test)


def _pixels(images: NDArray[np.uint8]) -> torch.Tensor:
    return torch.from_numpy(np.array(images)).permute(0, 3, 1, 2).float()
