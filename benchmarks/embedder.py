"""The shipped embedder: bytes, milliseconds, accuracy on unseen classes, and how well it judges.

    python benchmarks/embedder.py --data ../shared/data/images

For each bundle and each of its models: its size; one picture in every runtime that works here, on
one thread, timed in turns; 5-way 1- and 5-shot accuracy on the test classes of mini-ImageNet and
CIFAR-FS, and what int8 loses, paired over the same episodes. With the bundle's temperature and rule
for the unknown: expected calibration error, and five known against five unknown classes (area
under the curve, and that of the best score alone; known pictures kept, unknown ones rejected).
`--bundle NAME=FILE` adds embedders of other sizes, and `--plot` draws accuracy against milliseconds
and bytes.

Needs `edgewise[converter]`. Writes `docs/results/fewshot_embedder.json`.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from pathlib import Path
from typing import Any

import numpy as np
from network_timing import time_in_turns
from numpy.typing import NDArray

from edgewise.bundle import Bundle
from edgewise.runtimes import available_runtimes, get_runtime
from edgewise_converter.fewshot.accuracy import accuracies, draw_episodes, interval
from edgewise_converter.fewshot.background import stored_background
from edgewise_converter.fewshot.embedder_calibration import (
    Part,
    auroc,
    calibration_error,
    full_cosine,
    kept_and_rejected,
    known_scores,
)
from edgewise_converter.fewshot.embedders import BundleEmbedder
from edgewise_converter.fewshot.embedding import Embedded, embed_all
from edgewise_converter.fewshot.episodes import EpisodeShape
from edgewise_converter.fewshot.scorers import cosine
from edgewise_converter.images.benchmarks import open_benchmark
from edgewise_converter.latency.report import versions

ROOT = Path(__file__).resolve().parent.parent
SHIPPED = ROOT / "sdk/edgewise/bundles/embedder.safetensors"
DATASETS = ("mini_imagenet", "cifar_fs")
PRECISIONS = ("float32", "int8")
SHOTS = (1, 5)
QUERIES = 15


def main() -> None:
    """Measure everything, print tables, write the JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of the image sets")
    parser.add_argument(
        "--bundle", action="append", type=_named, metavar="NAME=FILE", help="(shipped=the default)"
    )
    parser.add_argument("--part", choices=("val", "test"), default="test", help="(test)")
    parser.add_argument("--episodes", type=int, default=1000, help="of each setting (1000)")
    parser.add_argument("--seed", type=int, default=0, help="of the episodes (0)")
    parser.add_argument("--plot", type=Path, help="also draw accuracy against ms and bytes (PNG)")
    parser.add_argument("--output", type=Path, default=ROOT / "docs/results/fewshot_embedder.json")
    arguments = parser.parse_args()
    bundles = dict(arguments.bundle or [("shipped", SHIPPED)])
    found = {name: _measure(name, Bundle.open(path), arguments) for name, path in bundles.items()}
    if arguments.plot:
        _draw(arguments.plot, found)
    result = {
        "command": shlex.join(["python", "benchmarks/embedder.py", *sys.argv[1:]]),
        "part": arguments.part,
        "episodes": arguments.episodes,
        "seed": arguments.seed,
        "threads": 1,
        "bundles": found,
        "versions": versions(),
    }
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(json.dumps(result, indent=1) + "\n")


def _named(text: str) -> tuple[str, Path]:
    name, _, path = text.partition("=")
    return name, Path(path)


def _measure(name: str, bundle: Bundle, arguments: argparse.Namespace) -> dict[str, Any]:
    size = Path(bundle.path).stat().st_size
    print(f"{name}: {size:,} bytes")
    accuracy = {}
    for dataset in DATASETS:
        embedded = {each: _embed(bundle, dataset, each, arguments) for each in PRECISIONS}
        accuracy[dataset] = {
            "accuracy": _accuracies(dataset, embedded, arguments),
            "judging": _judging(bundle, embedded),
        }
        for precision, judged in accuracy[dataset]["judging"].items():
            print(f"  {dataset}, {precision}, 5-shot: {judged}")
    return {"bytes": size, "models": _models(bundle), "datasets": accuracy}


def _models(bundle: Bundle) -> dict[str, Any]:
    """Bytes of each model, and its milliseconds in each runtime, all timed in turns."""
    runs, keys = [], []
    for runtime in map(get_runtime, available_runtimes()):
        for precision in PRECISIONS:
            model = f"embedder.{precision}.{runtime.format}"
            session = runtime.load(bundle.blob(model))
            info = session.inputs[0]
            picture = np.random.default_rng(0).integers(0, 256, info.shape)
            session.run(picture.astype(info.dtype))
            runs.append(session.invoke)
            keys.append((model, runtime.name))
    timings = time_in_turns(runs, [" in ".join(key) for key in keys], 1)
    found: dict[str, Any] = {}
    for (model, runtime_name), timed in zip(keys, timings.measurements, strict=True):
        entry = found.setdefault(model, {"bytes": len(bundle.blob(model)), "ms": {}})
        entry["ms"][runtime_name] = round(timed.ms, 4)
        print(f"  {model} in {runtime_name}: {entry['bytes']:,} bytes, {timed.ms:.3f} ms")
    return found


def _embed(bundle: Bundle, dataset: str, precision: str, arguments: argparse.Namespace) -> Embedded:
    embedder = BundleEmbedder(bundle, runtime="litert", precision=precision)
    benchmark = open_benchmark(dataset, arguments.data, size=embedder.size)
    return embed_all(embedder, benchmark.images.images, benchmark.rows(arguments.part))


def _accuracies(
    dataset: str, embedded: dict[str, Embedded], arguments: argparse.Namespace
) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for shots in SHOTS:
        shape = EpisodeShape(5, shots, QUERIES)
        right = {name: 100 * _right(each, shape, arguments) for name, each in embedded.items()}
        lost = interval(right["float32"] - right["int8"])
        rows = {name: interval(each) for name, each in right.items()} | {"lost_by_int8": lost}
        found[f"5x{shots}"] = {
            name: {"mean": round(each.mean, 3), "half": round(each.half, 3)}
            for name, each in rows.items()
        }
        told = ", ".join(f"{name} {each.mean:.2f} ± {each.half:.2f}" for name, each in rows.items())
        print(f"  {dataset}, 5-way {shots}-shot, %: {told}", flush=True)
    return found


def _right(
    embedded: Embedded, shape: EpisodeShape, arguments: argparse.Namespace
) -> NDArray[np.float64]:
    episodes = draw_episodes(embedded.sizes, shape, arguments.episodes, arguments.seed)
    return accuracies(embedded.features, episodes, shape, cosine)


def _judging(bundle: Bundle, embedded: dict[str, Embedded]) -> dict[str, Any]:
    about, background = bundle.manifest["embedder"], stored_background(bundle)
    rate = full_cosine if background is None else background.rate
    found = {}
    for precision, each in embedded.items():
        part = Part(each.features, each.sizes)
        (known, unknown), (single, _) = known_scores(part, 5), known_scores(part, 1)
        judged = known_scores(part, 5, rate=rate)
        kept, rejected = kept_and_rejected(*judged, about["unknown"]["threshold"])
        found[precision] = {
            "calibration_error": round(calibration_error(known, about["temperature"]), 4),
            "calibration_error_1_shot": round(calibration_error(single, about["temperature"]), 4),
            "auroc": round(auroc(*judged), 4),
            "auroc_best_score": round(auroc(known, unknown), 4),
            "known_kept": round(kept, 4),
            "unknown_rejected": round(rejected, 4),
        }
    return found


def _draw(path: Path, found: dict[str, Any]) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(10, 4), sharey=True)
    for dataset in DATASETS:
        for shots in SHOTS:
            for precision in PRECISIONS:
                points = []
                for each in found.values():
                    model = each["models"][f"embedder.{precision}.tflite"]
                    score = each["datasets"][dataset]["accuracy"][f"5x{shots}"][precision]["mean"]
                    points.append((model["ms"]["litert"], model["bytes"] / 1e6, score))
                points.sort()
                label = f"{dataset} {shots}-shot {precision}"
                style = "-o" if precision == "float32" else "--s"
                for axis, at in zip(axes, (0, 1), strict=True):
                    axis.plot([p[at] for p in points], [p[2] for p in points], style, label=label)
    axes[0].set(xlabel="ms a picture, LiteRT, one thread", ylabel="5-way accuracy, %")
    axes[1].set(xlabel="MB of the TFLite model")
    axes[1].legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    main()
