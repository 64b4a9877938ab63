"""Assembles a bundle of kind `embedder`: compiled in every format, calibrated, checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from edgewise.borrow import Borrowed
from edgewise.bundle import write_bundle
from edgewise_converter.compile.borrowing import borrowed_from
from edgewise_converter.compile.embedder_graph import as_half, embedder_graph
from edgewise_converter.compile.embedder_parity import check_floats, check_integers
from edgewise_converter.compile.graph import Graph
from edgewise_converter.compile.graph_run import run_graph
from edgewise_converter.compile.onnx import onnx_model
from edgewise_converter.compile.onnx_int8 import int8_onnx_model
from edgewise_converter.compile.parity import Parity
from edgewise_converter.compile.quantise import on_grid, quantise
from edgewise_converter.compile.tflite import tflite_model
from edgewise_converter.compile.tflite_int8 import int8_tflite_model
from edgewise_converter.compile.zoo_bundle import quantised_rows
from edgewise_converter.fewshot.background import choose_background, class_directions
from edgewise_converter.fewshot.base_classes import Base, validating
from edgewise_converter.fewshot.crops import resize
from edgewise_converter.fewshot.embedder import SIDE, Embedder, FinishedEmbedder
from edgewise_converter.fewshot.embedder_calibration import (
    Doubles,
    Part,
    auroc,
    calibration_error,
    choose_finish,
    finishes,
    fit_temperature,
    fit_threshold,
    full_cosine,
    kept_and_rejected,
    known_scores,
)
from edgewise_converter.fewshot.embedder_scores import Embed, embed_pictures
from edgewise_converter.fewshot.embedder_weights import norm_tensors

_BASE_PICTURES = 40  # of each training class, for the centre
_BACKGROUND_PICTURES = 100  # of each training class, for its direction
_CALIBRATION = 256  # pictures of training classes of each set, for the ranges of int8
_BATCH = 64
_SHOTS = 5  # labelled pictures of a class that temperature and threshold are set for
_PARITY = 8  # pictures of each set that files are checked with
_LENDER = "embedder.int8.tflite"  # the one that is stored whole

LICENCE = (
    "Trained artefact of edgewise, Apache-2.0. Learnt from pictures of CIFAR-100 (Krizhevsky 2009; "
    "no licence stated), of mini-ImageNet (ImageNet: research use), and of Omniglot, handwritten "
    "digits and symbols (MIT), as far as `trained_on` lists them; none of them is contained."
)


@dataclass(frozen=True)
class Compiled:
    """An embedder in every format.

    Attributes:
        finished: what was compiled.
        graph: what its float models compute: weights on the grid of the int8 models.
        files: by the name they have in a bundle.
        borrowed: what of them a bundle stores once.
        parity: of each, by name.
    """

    finished: FinishedEmbedder
    graph: Graph
    files: Mapping[str, bytes]
    borrowed: Mapping[str, Borrowed]
    parity: Mapping[str, list[Parity]]


@dataclass(frozen=True)
class Calibrated:
    """How scores become probabilities, and what is unknown.

    Attributes:
        constants: the manifest's `embedder` entries: temperature and rule.
        tensors: the background, where the rule has one.
        metrics: what they give on validation classes, by benchmark; under `best_score` what its
            own best threshold would give without a background.
    """

    constants: Mapping[str, Any]
    tensors: Mapping[str, NDArray[Any]]
    metrics: Mapping[str, Any]


def finish(embedder: Embedder, bases: Sequence[Base]) -> tuple[FinishedEmbedder, dict[str, Any]]:
    """Choose the finish by validation classes, with the weights that will ship.

    Returns:
        The finished embedder, and what each finish would give, percent.
    """
    plain = FinishedEmbedder(embedder, root=False, centre=torch.zeros(embedder.widths.dim))
    embed = partial(run_graph, on_grid(embedder_graph(plain)))
    some = [[rows[:_BASE_PICTURES] for rows in base.rows] for base in bases]
    base = [
        embed_pictures(embed, each.benchmark, rows)[0]
        for each, rows in zip(bases, some, strict=True)
    ]
    # Each set counts the same, whatever the number of its classes.
    least = min(len(each) for each in base)
    candidates = finishes(np.concatenate([each[:: max(1, len(each) // least)] for each in base]))
    name, found = choose_finish(candidates, validation_parts(embed, bases))
    chosen = candidates[name]
    finished = FinishedEmbedder(embedder, root=chosen.root, centre=torch.from_numpy(chosen.centre))
    return finished.eval(), {"chosen": name, "validation_accuracy": found}


def validation_parts(embed: Embed, bases: Sequence[Base]) -> list[Part]:
    """Embeddings of all pictures of the validation classes of each benchmark."""
    return [Part(*embed_pictures(embed, each, each.rows("val"))) for each in validating(bases)]


def compile_embedder(finished: FinishedEmbedder, bases: Sequence[Base], seed: int = 0) -> Compiled:
    """Write and check every format.

    Args:
        finished: the embedder.
        bases: what it was trained on; int8 ranges come from some of these pictures.
        seed: of which pictures.

    Raises:
        ParityError: a file does not compute what it should.
    """
    whole = embedder_graph(finished)
    quantised, graph = quantise(whole, calibration_batches(bases, seed)), on_grid(whole)
    files = {
        "embedder.float32.tflite": tflite_model(graph),
        _LENDER: int8_tflite_model(quantised),
        "embedder.float32.onnx": onnx_model(graph, channels_last=True),
        "embedder.int8.onnx": int8_onnx_model(quantised),
    }
    borrowed = borrowed_from(_LENDER, files, (each.scaled for each in quantised.weights.values()))
    images = calibration_images(bases, _PARITY, seed + 1)
    parity = check_floats(graph, files, images) | check_integers(quantised, files, images)
    return Compiled(finished, graph, files, borrowed, parity)


def standalone_files(compiled: Compiled, bases: Sequence[Base], seed: int = 0) -> dict[str, bytes]:
    """The models as files of their own, which nobody puts together: floats stored in 16 bits.

    Raises:
        ParityError: a file does not compute what it should.
    """
    half = {
        "embedder.float32.tflite": tflite_model(compiled.graph, half=True),
        "embedder.float32.onnx": onnx_model(compiled.graph, half=True, channels_last=True),
    }
    check_floats(as_half(compiled.graph), half, calibration_images(bases, _PARITY, seed + 1))
    return {**compiled.files, **half}


def calibration_images(bases: Sequence[Base], count: int, seed: int) -> NDArray[np.uint8]:
    """(count × sets, 84, 84, 3) pictures of training classes."""
    generator, found = np.random.default_rng(seed), []
    for base in bases:
        rows = np.sort(generator.choice(np.concatenate(base.rows), count, replace=False))
        pixels = resize(base.benchmark.images.images[rows], SIDE).round().clamp(0, 255)
        found.append(pixels.permute(0, 2, 3, 1).numpy().astype(np.uint8))
    return np.concatenate(found)


def calibration_batches(bases: Sequence[Base], seed: int) -> list[Tensor]:
    """The pictures that int8 ranges are taken from: (B, 3, 84, 84) pixel values."""
    images = calibration_images(bases, _CALIBRATION, seed)
    # Every batch has pictures of all sets, as each batch's extremes count.
    mixed = np.random.default_rng(seed).permutation(len(images))
    pixels = torch.from_numpy(images[mixed]).permute(0, 3, 1, 2).float()
    return [pixels[at : at + _BATCH] for at in range(0, len(pixels), _BATCH)]


def calibrate(graph: Graph, bases: Sequence[Base]) -> Calibrated:
    """Temperature, background and threshold by validation classes.

    Args:
        graph: what the float models compute.
        bases: sets it was trained on, whose validation classes judge.
    """
    embed = partial(run_graph, graph)
    parts = validation_parts(embed, bases)
    rows, scales = quantised_rows(base_directions(embed, bases))
    background = choose_background(rows, scales, parts, _SHOTS)
    plain = [known_scores(part, _SHOTS) for part in parts]
    rate = full_cosine if background is None else background.rate
    judged = [known_scores(part, _SHOTS, rate=rate) for part in parts]
    temperature = fit_temperature([known for known, _ in plain])
    thresholds = fit_threshold(judged), fit_threshold(plain)
    metrics = {
        benchmark.name: {
            "calibration_error": round(calibration_error(scores[0], temperature), 4),
            **rejection(*less, thresholds[0]),
            "best_score": rejection(*scores, thresholds[1]),
        }
        for benchmark, scores, less in zip(validating(bases), plain, judged, strict=True)
    }
    rule = {"rule": "best_score"} if background is None else background.rule()
    unknown = {**rule, "threshold": thresholds[0], "shots": _SHOTS}
    return Calibrated(
        {"temperature": temperature, "unknown": unknown},
        {} if background is None else background.tensors(),
        metrics,
    )


def base_directions(embed: Embed, bases: Sequence[Base]) -> NDArray[np.float32]:
    """(B, D): the direction of each training class of some sets, of unit length."""
    found = []
    for base in bases:
        rows = [each[:_BACKGROUND_PICTURES] for each in base.rows]
        found.append(class_directions(Part(*embed_pictures(embed, base.benchmark, rows))))
    return np.concatenate(found)


def rejection(known: Doubles, unknown: Doubles, threshold: float) -> dict[str, float]:
    """How well scores of known and of unknown queries are told apart."""
    kept, rejected = kept_and_rejected(known, unknown, threshold)
    return {
        "auroc": round(auroc(known, unknown), 4),
        "known_kept": round(kept, 4),
        "unknown_rejected": round(rejected, 4),
    }


def write_embedder(
    path: Path,
    compiled: Compiled,
    bases: Sequence[Base],
    *,
    calibrated: Calibrated,
    metrics: Mapping[str, Any],
    about: Mapping[str, Any],
) -> None:
    """Write the bundle.

    Args:
        path: of the file.
        compiled: the models.
        bases: what it was trained on.
        calibrated: temperature and rule for the unknown.
        metrics: what else was measured on validation classes.
        about: seed, command, size, versions.
    """
    dim = compiled.finished.embedder.widths.dim
    manifest = {
        "trained_on": [
            f"{base.benchmark.images.name}/{name}" for base in bases for name in base.classes
        ],
        "licence": LICENCE,
        **about,
        "metrics": {
            **metrics,
            "validation": calibrated.metrics,
            "parity": {
                name: [each.as_json() for each in found] for name, found in compiled.parity.items()
            },
        },
        "embedder": {
            "dim": dim,
            "image": [SIDE, SIDE, 3],
            "metric": "cosine",
            **calibrated.constants,
            "weights": ["float32", "int8"],
        },
    }
    tensors: dict[str, NDArray[Any] | bytes] = {
        **compiled.files,
        **norm_tensors(compiled.finished.embedder),
        **calibrated.tensors,
    }
    write_bundle(
        path,
        kind="embedder",
        name="embedder",
        manifest=manifest,
        tensors=tensors,
        borrowed=compiled.borrowed,
    )
