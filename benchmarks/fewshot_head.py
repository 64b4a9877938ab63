"""What the prototype head costs, beside the embedder's own time and easyfsl's head in the same run.

    pip install --no-deps --target build/easyfsl easyfsl==1.5.0
    python benchmarks/fewshot_head.py --easyfsl build/easyfsl

One thread, medians of interleaved rounds. *Classify* is `FewShotClassifier.predict` of one picture
of the network's size, beside a run of the runtime alone, its input ready, its output taken.
*Adding* an example's embedding to a class of 1, 100 and 10,000 examples shows that it does not grow
with their number. The head alone is set beside `PrototypicalNetworks` of easyfsl
(github.com/sicara/easy-few-shot-learning, MIT) on the same random embeddings: the largest relative
difference of their distances, and their times. easyfsl imports torchvision for other methods, so
its one file is loaded past that. Results go to `docs/results/fewshot_head.json`.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from interleaved import medians_ms

import edgewise as sdk
from edgewise import _core
from edgewise.fewshot.embedder import Embedder, open_embedder

ROOT = Path(__file__).resolve().parent.parent
DIM, CLASSES, SHOTS, QUERIES = 256, 5, 5, 75
HELD = (1, 100, 10_000)


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
    result = {
        "command": "python benchmarks/fewshot_head.py --easyfsl build/easyfsl",
        "rounds": arguments.rounds,
        **_classify(arguments.embedder, arguments.rounds),
        **_adding(arguments.rounds),
        **_beside_easyfsl(arguments.easyfsl, arguments.rounds),
    }
    for name, value in result.items():
        print(f"{name:36} {value:.4g}" if isinstance(value, float) else f"{name:36} {value}")
    arguments.output.write_text(json.dumps(result, indent=1) + "\n")


def _classify(name: str, rounds: int) -> dict[str, Any]:
    bundle = open_embedder(name)
    classifier = sdk.FewShotClassifier(bundle)
    embedder = Embedder(bundle, runtime="auto", precision=None, threads=1)
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
    share = found["classify_ms"] / found["runtime_ms"] - 1
    about = {"runtime": embedder.runtime, "precision": embedder.precision}
    return {**about, **found, "head_share_percent": 100 * share}


def _adding(rounds: int) -> dict[str, float]:
    one = _embeddings(1, 1)
    runs: dict[str, Callable[[], object]] = {}
    for held in HELD:
        head = _core.Prototypes(DIM, "cosine")
        head.add("it", _embeddings(held, 2))
        runs[f"add_to_{held}_us"] = lambda head=head: head.add("it", one)  # type: ignore[misc]
    return {name: 1e3 * ms for name, ms in medians_ms(rounds, runs).items()}


def _beside_easyfsl(folder: Path, rounds: int) -> dict[str, float]:
    theirs = _prototypical_networks(folder)(torch.nn.Identity()).eval()
    support, queries = _embeddings(CLASSES * SHOTS, 3), _embeddings(QUERIES, 4)
    labels = np.repeat(np.arange(CLASSES), SHOTS)
    tensors = [torch.from_numpy(values) for values in (support, labels, queries)]

    def ours() -> Any:
        head = _core.Prototypes(DIM, "euclidean")
        for label in range(CLASSES):
            head.add(str(label), support[labels == label])
        return head.score(queries)[1]

    def peer() -> Any:
        with torch.no_grad():
            theirs.process_support_set(*tensors[:2])
            return theirs(tensors[2])

    distances, expected = np.sqrt(-ours()), -peer().double().numpy()
    found = medians_ms(rounds, {"head_ms": ours, "easyfsl_ms": peer})
    return {
        "largest_relative_difference": float(np.abs(distances / expected - 1).max()),
        **found,
        "easyfsl_over_edgewise": found["easyfsl_ms"] / found["head_ms"],
    }


def _prototypical_networks(folder: Path) -> Any:
    """The class, without what else its package imports."""
    sys.path.insert(0, str(folder))
    package = types.ModuleType("easyfsl.methods")
    package.__path__ = [str(folder / "easyfsl" / "methods")]
    sys.modules["easyfsl.methods"] = package
    return importlib.import_module("easyfsl.methods.prototypical_networks").PrototypicalNetworks


def _embeddings(count: int, seed: int) -> Any:
    return np.random.default_rng(seed).standard_normal((count, DIM)).astype(np.float32)


if __name__ == "__main__":
    main()
