"""``edgewise-converter evaluate fewshot``."""

from __future__ import annotations

import argparse
import io
import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewise.errors import ArgumentError
from edgewise.storage import write_atomic
from edgewise_converter.fewshot.accuracy import Interval
from edgewise_converter.fewshot.allocation import keep_freed_memory
from edgewise_converter.fewshot.clusters import cluster_quality, draw_tsne
from edgewise_converter.fewshot.embedders import Embedder, RawPixels, open_embedder
from edgewise_converter.fewshot.embedding import Embedded
from edgewise_converter.fewshot.episodes import EpisodeShape
from edgewise_converter.fewshot.evaluation import (
    CROSS_DOMAIN,
    Pictures,
    Question,
    Score,
    embed_question,
    score,
)
from edgewise_converter.latency.report import versions

_RAW = "raw pixels"
Models = dict[str, list[Embedder]]


def add_evaluate_parser(subparsers: Any) -> None:
    """Add ``fewshot`` to the subcommands of ``evaluate``."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "fewshot",
        help="score embedders on classes they have not seen",
        description="All models answer the same episodes. Classes that one of them was trained "
        "on, under this name or another, are left out and listed.",
    )
    parser.add_argument(
        "--dataset",
        action="append",
        required=True,
        help="cifar_fs, fc100, mini_imagenet, omniglot_by_alphabet, tiered_imagenet, the name of "
        f"a small set, or {CROSS_DOMAIN} for all small sets; repeatable",
    )
    parser.add_argument(
        "--data", type=Path, required=True, metavar="DIR", help="folder of the data sets"
    )
    parser.add_argument("--cache", type=Path, metavar="DIR", help="of decoded pictures")
    parser.add_argument(
        "--part",
        choices=("val", "test"),
        default="test",
        help="of a benchmark's classes (test); choose anything by val",
    )
    parser.add_argument(
        "--model",
        action="append",
        type=_model,
        default=[],
        metavar="NAME=FILE,…",
        help="a trained learner or an `embedder` bundle (FILE:int8 for its int8 model); several "
        "files, as of several seeds, count as one by their mean; repeatable",
    )
    parser.add_argument("--no-raw-pixels", action="store_true", help="leave that baseline out")
    parser.add_argument(
        "--compare", metavar="NAME", help="tell paired differences of every model to this one"
    )
    parser.add_argument(
        "--settings",
        type=_settings,
        default=((5, 1), (5, 5), (20, 1), (20, 5)),
        metavar="WxK,…",
        help="ways x shots (5x1,5x5,20x1,20x5); a set of fewer than five classes is asked for "
        "all of them, settings of more ways than it has are left out",
    )
    parser.add_argument(
        "--queries", type=int, default=15, help="of each class, fewer where a set is small (15)"
    )
    parser.add_argument("--episodes", type=int, default=1000, help="of each setting (1000)")
    parser.add_argument("--seed", type=int, default=0, help="of the episodes (0)")
    parser.add_argument("--runtime", default="auto", help="runs bundles (auto)")
    parser.add_argument("--bfloat16", action="store_true", help="run learners in bfloat16")
    parser.add_argument("--threads", type=int, default=1, help="of PyTorch (1)")
    parser.add_argument("--clusters", action="store_true", help="also measure clusters")
    parser.add_argument("--tsne", type=Path, metavar="FILE", help="also draw a map (PNG)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the scores here")
    parser.add_argument(
        "--accuracies", type=Path, metavar="FILE", help="write each episode's accuracies (.npz)"
    )
    parser.set_defaults(run=_evaluate)


def _model(text: str) -> tuple[str, list[str]]:
    name, equals, files = text.partition("=")
    if not (name and equals and all(files.split(","))):
        raise argparse.ArgumentTypeError(f"{text!r}: expected NAME=FILE or NAME=FILE,FILE")
    return name, files.split(",")


def _settings(text: str) -> tuple[tuple[int, int], ...]:
    try:
        pairs = [each.split("x") for each in text.split(",")]
        return tuple((int(ways), int(shots)) for ways, shots in pairs)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r}: expected as in 5x1,5x5") from error


def _evaluate(arguments: argparse.Namespace) -> int:
    import torch

    torch.set_num_threads(arguments.threads)
    keep_freed_memory()
    if arguments.episodes < 2:
        raise ArgumentError(f"an interval needs at least 2 episodes, not {arguments.episodes}")
    models = _open_models(arguments)
    if arguments.compare and arguments.compare not in models:
        raise ArgumentError(f"--compare names {arguments.compare!r}, known are {', '.join(models)}")
    pictures = Pictures(arguments.data, arguments.cache)
    trained = {each for files in models.values() for file in files for each in file.trained_on}
    shapes = [EpisodeShape(ways, shots, arguments.queries) for ways, shots in arguments.settings]
    results: list[dict[str, Any]] = []
    values: dict[str, NDArray[np.float64]] = {}
    for name in (each for dataset in arguments.dataset for each in pictures.names(dataset)):
        question = pictures.question(name, arguments.part, trained)
        embedded = embed_question(pictures, question, arguments.part, models)
        print(_heading(question))
        result = asdict(question) | {"scores": []}
        for scored in score(embedded, models, shapes, arguments.episodes, arguments.seed):
            print(_row(scored, arguments.compare), flush=True)
            result["scores"].append(_as_json(scored, arguments.compare))
            setting = f"{name}/{scored.shape.ways}x{scored.shape.shots}"
            values |= {f"{setting}/{model}": each for model, each in scored.values.items()}
        if arguments.clusters:
            result["clusters"] = _clusters(embedded)
        if arguments.tsne:
            shown = {model: files[0] for model, files in embedded.items() if model != _RAW}
            draw_tsne(arguments.tsne, shown, question.classes)
        results.append(result)
    _store(arguments, models, results, values)
    return 0


def _open_models(arguments: argparse.Namespace) -> Models:
    models: Models = {} if arguments.no_raw_pixels else {_RAW: [RawPixels()]}
    for name, files in arguments.model:
        if name in models:
            raise ArgumentError(f"two models are called {name!r}")
        models[name] = [
            open_embedder(file, runtime=arguments.runtime, low=arguments.bfloat16) for file in files
        ]
    if not models:
        raise ArgumentError("nothing to score: name a --model")
    return models


def _heading(question: Question) -> str:
    text = f"{question.name}: {len(question.classes)} classes"
    if question.left_out:
        text += f"; left out, because trained on: {', '.join(question.left_out)}"
    return text


def _row(scored: Score, compared: str | None) -> str:
    cells = []
    for name, accuracy in scored.accuracy.items():
        cell = f"{name} {_written(accuracy)}"
        if compared and name != compared:
            cell += f" ({_written(scored.difference(name, compared), sign='+')})"
        cells.append(cell)
    return f"  {scored.shape.ways}-way {scored.shape.shots}-shot: " + ", ".join(cells)


def _written(value: Interval, sign: str = "") -> str:
    return f"{100 * value.mean:{sign}.2f} ± {100 * value.half:.2f} %"


def _as_json(scored: Score, compared: str | None) -> dict[str, Any]:
    found: dict[str, Any] = {
        "ways": scored.shape.ways,
        "shots": scored.shape.shots,
        "queries": scored.shape.queries,
        "accuracy": {name: _percent(value) for name, value in scored.accuracy.items()},
        "by_file": {
            name: [_percent(value) for value in files]
            for name, files in scored.by_file.items()
            if len(files) > 1
        },
    }
    if compared:
        found["difference"] = {
            name: _percent(scored.difference(name, compared))
            for name in scored.accuracy
            if name != compared
        }
    return found


def _percent(value: Interval) -> dict[str, float]:
    return {"mean": round(100 * value.mean, 4), "half": round(100 * value.half, 4)}


def _clusters(embedded: Mapping[str, Sequence[Embedded]]) -> dict[str, Any]:
    found = {}
    for name, files in embedded.items():
        qualities = [cluster_quality(each) for each in files]
        found[name] = [asdict(each) | {"ratio": each.ratio} for each in qualities]
        silhouette = np.mean([each.silhouette for each in qualities])
        ratio = np.mean([each.ratio for each in qualities])
        print(f"  {name}: silhouette {silhouette:.4f}, distance within / between {ratio:.3f}")
    return found


def _store(
    arguments: argparse.Namespace,
    models: Models,
    results: list[dict[str, Any]],
    values: Mapping[str, NDArray[np.float64]],
) -> None:
    if arguments.json:
        content = {
            "command": shlex.join(arguments.command_line),
            "part": arguments.part,
            "seed": arguments.seed,
            "episodes": arguments.episodes,
            "compare": arguments.compare,
            "models": {name: len(files) for name, files in models.items()},
            "results": results,
            "versions": versions(),
        }
        text = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
        write_atomic(arguments.json, text.encode())
    if arguments.accuracies:
        buffer = io.BytesIO()
        named: dict[str, Any] = dict(values)
        np.savez_compressed(buffer, **named)
        write_atomic(arguments.accuracies, buffer.getvalue())
