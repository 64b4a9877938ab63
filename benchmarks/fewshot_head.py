"""What the prototype head costs, beside the embedder's own time and easyfsl's head in the same run.

    pip install --no-deps --target build/easyfsl easyfsl==1.5.0
    python benchmarks/fewshot_head.py --easyfsl build/easyfsl

One thread, medians of interleaved rounds. *Classify* is `FewShotClassifier.predict` of one picture
of the network's size, beside a run of the runtime alone, its input ready, its output taken; for
every model of the bundle. *Adding* an example's embedding to a class of 1 to 10,000 examples, among
5 or 1,000 classes, shows that it grows with the embedding's length only. The head alone is set
beside `PrototypicalNetworks` of easyfsl (github.com/sicara/easy-few-shot-learning, MIT) on the same
embeddings, those that the bundle's network gives of pictures drawn at random: the largest
difference of what both give (its scores are minus the distance, ours minus its square; for cosine,
its cosine scores of features at unit length), and the times of both. easyfsl imports torchvision
for other methods, so its one file is loaded past that. Results go to
`docs/results/fewshot_head.json`.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
import types
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from interleaved import medians_ms
from numpy.typing import NDArray

import edgewise as sdk
from edgewise import _core
from edgewise.bundle import Bundle
from edgewise.fewshot.embedder import Embedder, open_embedder
from edgewise.machine import cpu_model

ROOT = Path(__file__).resolve().parent.parent
CLASSES, SHOTS, QUERIES = 5, 5, 75
HELD = (
    (256, 5, 1), (256, 5, 100), (256, 5, 10_000), (256, 1000, 1), (1024, 5, 1), (4096, 5, 1),
)  # fmt: skip
"""Dimensions, classes, and examples of each, before one more is added."""

Floats = NDArray[np.float32]


def main() -> None:
    """Time everything, print a table, write the JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--easyfsl", type=Path, required=True, help="folder it was installed to")
    parser.add_argument("--embedder", default="default", help="bundle (the shipped one)")
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--output", type=Path, default=ROOT / "docs/results/fewshot_head.json")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    bundle = open_embedder(arguments.embedder)
    result: dict[str, Any] = {
        "command": "python benchmarks/fewshot_head.py --easyfsl build/easyfsl",
        "machine": cpu_model(),
        "rounds": arguments.rounds,
        "classify": _classify(bundle, arguments.rounds),
        "add": _adding(arguments.rounds),
        "easyfsl": _beside_easyfsl(bundle, arguments.easyfsl, arguments.rounds),
    }
    _print(result)
    arguments.output.write_text(json.dumps(result, indent=1) + "\n")


def _classify(bundle: Bundle, rounds: int) -> list[dict[str, Any]]:
    """Of each model that a runtime here can run: its own time, and that of the whole answer."""
    rows: list[dict[str, Any]] = []
    for runtime in ("litert", "onnxruntime"):
        for precision in bundle.manifest["embedder"]["weights"]:
            classifier = sdk.FewShotClassifier(bundle, runtime=runtime, precision=precision)
            about = {"runtime": runtime, "precision": precision}
            rows.append({**about, **_classify_one(classifier, rounds)})
    return rows


def _classify_one(classifier: sdk.FewShotClassifier, rounds: int) -> dict[str, float]:
    embedder = classifier._embedder
    assert isinstance(embedder, Embedder)
    generator = np.random.default_rng(0)
    shape = (SHOTS, embedder.height, embedder.width, 3)
    for number in range(CLASSES):
        classifier.add(f"class {number}", generator.integers(0, 256, shape, np.uint8))
    picture = generator.integers(0, 256, shape[1:], np.uint8)
    session = embedder._session
    ready = picture[None].astype(session.inputs[0].dtype)
    found = medians_ms(
        rounds,
        {
            "classify_ms": lambda: classifier.predict(picture),
            "runtime_ms": lambda: session.run(ready),
        },
    )
    return {**found, "over_runtime": found["classify_ms"] / found["runtime_ms"] - 1}


def _adding(rounds: int) -> list[dict[str, float]]:
    """Microseconds of one more example."""
    heads = {sizes: _head(*sizes) for sizes in HELD}
    found = medians_ms(
        5 * rounds,
        {
            str(sizes): partial(head.add, "0", _random(1, sizes[0], 1))
            for sizes, head in heads.items()
        },
    )
    keys = ("dim", "classes", "examples")
    return [
        {**dict(zip(keys, sizes, strict=True)), "us": 1e3 * found[str(sizes)]} for sizes in HELD
    ]


def _head(dim: int, classes: int, examples: int) -> _core.Prototypes:
    head = _core.Prototypes(dim, "cosine")
    for label in range(classes):
        head.add(str(label), _random(examples, dim, label))
    return head


def _beside_easyfsl(bundle: Bundle, folder: Path, rounds: int) -> dict[str, Any]:
    """Both heads on the same embeddings, by metric."""
    networks = _prototypical_networks(folder)
    embedder = Embedder(bundle, runtime="auto", precision=None, threads=1)
    support, queries = (
        embedder.embed(picture[None] for picture in _drawn(count, embedder, seed))
        for count, seed in ((CLASSES * SHOTS, 0), (QUERIES, 1))
    )
    about = {"classes": CLASSES, "shots": SHOTS, "queries": QUERIES, "dim": embedder.dim}
    return about | {
        metric: _one_metric(networks, metric, support, queries, rounds)
        for metric in ("euclidean", "cosine")
    }


def _drawn(count: int, embedder: Embedder, seed: int) -> NDArray[np.uint8]:
    """(count, height, width, 3): coarse fields of colour."""
    coarse = np.random.default_rng(seed).integers(0, 256, (count, 6, 6, 3), np.uint8)
    return _core.resize(coarse, embedder.height, embedder.width)


def _one_metric(
    networks: Any, metric: str, support: Floats, queries: Floats, rounds: int
) -> dict[str, float]:
    theirs = networks(feature_normalization=2.0 if metric == "cosine" else None).eval()
    labels = np.repeat(np.arange(CLASSES), SHOTS)
    tensors = [torch.from_numpy(values) for values in (support, labels, queries)]

    def ours() -> Any:
        head = _core.Prototypes(support.shape[1], metric)
        for label in range(CLASSES):
            head.add(str(label), support[label * SHOTS : (label + 1) * SHOTS])
        return head.score(queries)[1]

    def peer() -> Any:
        with torch.inference_mode():
            theirs.process_support_set(*tensors[:2])
            if metric == "euclidean":
                return theirs(tensors[2])
            return theirs.cosine_distance_to_prototypes(theirs.compute_features(tensors[2]))

    alike = -np.sqrt(-ours()) if metric == "euclidean" else ours()
    expected = peer().double().numpy()
    difference = float(np.abs(alike - expected).max())
    found = medians_ms(rounds, {"edgewise_ms": ours, "easyfsl_ms": peer})
    return {
        "largest_difference": difference,
        "relative_to_largest": difference / float(np.abs(expected).max()),
        **found,
        "easyfsl_over_edgewise": found["easyfsl_ms"] / found["edgewise_ms"],
    }


def _prototypical_networks(folder: Path) -> Any:
    """The class, without what else its package imports."""
    sys.path.insert(0, str(folder))
    package = types.ModuleType("easyfsl.methods")
    package.__path__ = [str(folder / "easyfsl" / "methods")]
    sys.modules["easyfsl.methods"] = package
    return importlib.import_module("easyfsl.methods.prototypical_networks").PrototypicalNetworks


def _random(count: int, dim: int, seed: int) -> Floats:
    return np.random.default_rng(seed).standard_normal((count, dim)).astype(np.float32)


def _print(result: dict[str, Any]) -> None:
    print("runtime      precision  runtime ms  classify ms  more")
    for row in result["classify"]:
        print(
            f"{row['runtime']:12} {row['precision']:9} {row['runtime_ms']:11.3f} "
            f"{row['classify_ms']:12.3f} {row['over_runtime']:5.1%}"
        )
    print("\n  dim  classes  examples each  adding one, microseconds")
    for row in result["add"]:
        print(f"{row['dim']:5} {row['classes']:8} {row['examples']:14} {row['us']:25.2f}")
    print("\nmetric     edgewise ms  easyfsl ms  times  largest difference  relative")
    for metric in ("euclidean", "cosine"):
        row = result["easyfsl"][metric]
        print(
            f"{metric:10} {row['edgewise_ms']:11.3f} {row['easyfsl_ms']:11.3f} "
            f"{row['easyfsl_over_edgewise']:6.1f} {row['largest_difference']:19.1e} "
            f"{row['relative_to_largest']:9.1e}"
        )


if __name__ == "__main__":
    main()
