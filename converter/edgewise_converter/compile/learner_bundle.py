"""A meta-trained learner (Conv4 with prototypes or a relation module) as an `embedder` bundle.

The relation module stands behind the prototype head's interface: two embeddings, a class's mean and
a picture's, to one score. Both graphs are exported by torch's own converters, in float32.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from edgewise.bundle import write_bundle
from edgewise_converter.compile.help_graph import to_onnx, to_tflite
from edgewise_converter.compile.parity import (
    Parity,
    installed_runtimes,
    relative_error,
    require,
    summarise,
)
from edgewise_converter.fewshot.embedder_calibration import (
    Part,
    auroc,
    calibration_error,
    fit_temperature,
    fit_threshold,
    kept_and_rejected,
    known_scores,
)
from edgewise_converter.fewshot.embedders import LearnerEmbedder
from edgewise_converter.fewshot.embedding import embed_all
from edgewise_converter.fewshot.learner import Learner
from edgewise_converter.fewshot.relation import RelationHead
from edgewise_converter.fewshot.scorers import Floats, euclidean, relation
from edgewise_converter.images.benchmarks import Benchmark

_TOLERANCE = 1e-4
_EPISODES = {"relation": 100, "euclidean": 1000}
_SHOTS = 5
_CASES = 3


class Pixels(nn.Module):
    """Pixel values 0..255, channels last, to flat embeddings."""

    def __init__(self, learner: Learner) -> None:
        """Of a learner."""
        super().__init__()
        self.embedder = learner.embedder

    def forward(self, image: Tensor) -> Tensor:
        """(1, H, W, 3) float32 to (1, D)."""
        # The same constants as `standardise`, which starts from whole numbers.
        standardised = (image / 63.75 - 2).permute(0, 3, 1, 2)
        maps: Tensor = self.embedder(standardised)
        return maps.flatten(1)


class Pair(nn.Module):
    """How alike a class and a picture are."""

    def __init__(self, head: RelationHead) -> None:
        """Of a relation module."""
        super().__init__()
        self.head = head
        self._shape = (1, head.of_class.in_channels, head.side, head.side)

    def forward(self, of_class: Tensor, of_picture: Tensor) -> Tensor:
        """(1, D) mean of a class's embeddings and (1, D) embedding of a picture to (1, 1)."""
        head = self.head
        return head.relate(
            head.of_class(of_class.reshape(self._shape)),
            head.of_query(of_picture.reshape(self._shape)),
        )


def compile_learner(learner: Learner) -> tuple[dict[str, bytes], dict[str, list[Parity]]]:
    """Files by the names they have in a bundle, and their parity with torch.

    Raises:
        ParityError: a runtime computes something else.
    """
    height, width = learner.size
    # The converter takes weights as they lie in memory, whatever their strides say.
    learner = copy.deepcopy(learner)
    learner.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    generator = torch.Generator().manual_seed(0)
    images = [torch.rand(1, height, width, 3, generator=generator) * 255 for _ in range(_CASES)]
    modules: dict[str, tuple[nn.Module, list[tuple[Tensor, ...]], list[str]]] = {
        "embedder": (Pixels(learner).eval(), [(image,) for image in images], ["image"])
    }
    if isinstance(learner.head, RelationHead):
        with torch.inference_mode():
            found = [modules["embedder"][0](image) for image in images]
        pairs: list[tuple[Tensor, ...]] = [
            (found[at].clone(), found[at - 1].clone()) for at in range(_CASES)
        ]
        modules["relation"] = (Pair(learner.head).eval(), pairs, ["class", "picture"])
    files: dict[str, bytes] = {}
    parity: dict[str, list[Parity]] = {}
    for name, (module, cases, inputs) in modules.items():
        output = "embedding" if name == "embedder" else "score"
        by_format = {
            "tflite": to_tflite(module, cases[0]),
            "onnx": to_onnx(module, cases[0], inputs, [output]),
        }
        for form, file in by_format.items():
            files[f"{name}.float32.{form}"] = file
            parity[f"{name}.float32.{form}"] = _check(module, file, form, cases)
    return files, parity


def write_learner(
    path: Path,
    learner: Learner,
    benchmark: Benchmark,
    *,
    trained_on: Sequence[str],
    about: Mapping[str, Any],
) -> dict[str, Any]:
    """Compile, calibrate on the validation classes of a benchmark, and write the bundle.

    Args:
        path: of the file.
        learner: in evaluation mode.
        benchmark: at the learner's size.
        trained_on: classes, each `set/class`.
        about: seed, command, licence and the like, for the manifest.

    Returns:
        What the calibration gives on those classes, by head.
    """
    files, parity = compile_learner(learner)
    embedded = embed_all(LearnerEmbedder(learner), benchmark.images.images, benchmark.rows("val"))
    part = Part(embedded.features, embedded.sizes)
    heads = {"embedder": calibrate(part, None)}
    if isinstance(learner.head, RelationHead):
        heads["relation"] = calibrate(part, learner.head)
    metrics = {name: measured for name, (_, measured) in heads.items()}
    manifest: dict[str, Any] = {
        "trained_on": list(trained_on),
        **about,
        "metrics": {
            "validation": metrics,
            "parity": {name: [each.as_json() for each in found] for name, found in parity.items()},
        },
        "embedder": {
            "dim": int(part.features.shape[1]),
            "image": [*learner.size, 3],
            "metric": "euclidean",
            "weights": ["float32"],
            **heads["embedder"][0],
        },
    }
    if "relation" in heads:
        manifest["relation"] = heads["relation"][0]
    write_bundle(path, kind="embedder", name=learner.kind, manifest=manifest, tensors=files)
    return metrics


def calibrate(part: Part, head: RelationHead | None) -> tuple[dict[str, Any], dict[str, float]]:
    """Temperature and threshold of one head, and what they give on the same classes.

    Args:
        part: embeddings of validation classes.
        head: the relation module; None for prototypes.
    """
    rate = squared_distances if head is None else relation(head)
    episodes = _EPISODES["euclidean" if head is None else "relation"]
    known, unknown = known_scores(part, _SHOTS, episodes, rate)
    # Squared distances have a scale of their own: the search is over multiples of it.
    unit = float(1 / max(np.abs(known - known.mean(-1, keepdims=True)).mean(), 1e-12))
    temperature = unit * fit_temperature([known * unit])
    threshold = fit_threshold([(known, unknown)])
    kept, rejected = kept_and_rejected(known, unknown, threshold)
    rule = {"rule": "best_score", "threshold": threshold, "shots": _SHOTS}
    return {"temperature": temperature, "unknown": rule}, {
        "calibration_error": round(calibration_error(known, temperature), 4),
        "auroc": round(auroc(known, unknown), 4),
        "known_kept": round(kept, 4),
        "unknown_rejected": round(rejected, 4),
    }


def squared_distances(labelled: Floats, queries: Floats) -> Floats:
    """Minus squared distances to class means, in full; see ``scorers``."""
    own: Floats = np.square(queries).sum(-1)[..., None]
    return euclidean(labelled, queries) - own


def _check(
    module: nn.Module, file: bytes, form: str, cases: Sequence[tuple[Tensor, ...]]
) -> list[Parity]:
    with torch.inference_mode():
        expected: list[NDArray[np.float32]] = [module(*case).numpy() for case in cases]
    found = []
    for runtime in installed_runtimes():
        if runtime.format != form:
            continue
        session = runtime.load(file)
        errors = [
            relative_error(
                session.run(*(each.numpy() for each in case))[0].astype(np.float32), want
            )
            for case, want in zip(cases, expected, strict=True)
        ]
        found.append(summarise(runtime, errors))
        require(found[-1], _TOLERANCE)
    return found
