"""Kills processes while they save: the file is always the old or the new one.

    python benchmarks/kills.py --kills 200

For each kind of file (a profile by `Device.save`, a classifier by `FewShotClassifier.save`, a zoo
by `zoo add`) a process is started again and again that replaces a good file by another, and ended
with SIGKILL at a random moment of the time that this takes; half of those that add to a zoo are
killed only once they write. What is there afterwards must be the old or the new file to the byte,
and be read. What a killed process had written aside stays lying there for all that follow. Writes
`docs/results/kills.json`; the exit status is 1 when a file was anything else.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import random
import signal
import statistics
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import edgewise
from edgewise.bundle import write_bundle
from edgewise.latency import Device

ROOT = Path(__file__).resolve().parent.parent
FIXTURES = max((ROOT / "tests" / "fixtures").glob("*/answers.json")).parent
KINDS = ("profile", "classifier", "zoo")
_ASIDE = (".edgewise-", ".part")


@dataclass(frozen=True)
class Case:
    """A file and what replaces it."""

    path: Path
    save: Callable[[Callable[[], object]], None]
    """Replaces it; calls its argument when it begins to write, where that takes long to come."""
    read: Callable[[], object]
    """Reads it as an app does."""


def main() -> int:
    """Run, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=200, help="of each kind (200)")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument("--seed", type=int, default=0, help="of the moments (0)")
    parser.add_argument("--output", type=Path, default=ROOT / "docs/results/kills.json")
    arguments = parser.parse_args()
    result: dict[str, Any] = {
        "command": f"python benchmarks/kills.py --kills {arguments.kills} --seed {arguments.seed}"
    }
    for kind in arguments.kinds:
        with tempfile.TemporaryDirectory() as folder:
            case = _CASES[kind](Path(folder))
            result[kind] = _kill(case, arguments.kills, random.Random(arguments.seed))
        print(kind, json.dumps(result[kind]), flush=True)
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(json.dumps(result, indent=1) + "\n")
    return int(any(result[kind]["faults"] for kind in arguments.kinds))


def _kill(case: Case, kills: int, draw: random.Random) -> dict[str, Any]:
    old = case.path.read_bytes()
    took = []
    for _ in range(3):
        case.path.write_bytes(old)
        took.append(_save(case, None))
    new = case.path.read_bytes()
    if new == old:
        raise AssertionError("saving changes nothing: nothing would be shown")
    whole = statistics.median(at for at, _ in took)
    writing = statistics.median(at - began for at, began in took)
    found: Counter[str] = Counter()
    faults: list[str] = []
    for number in range(kills):
        case.path.write_bytes(old)
        late = writing < 0.5 * whole and number % 2 == 1
        span = writing if late else whole
        _save(case, draw.uniform(0, 1.2 * span), from_writing=late)
        now = case.path.read_bytes()
        found["old" if now == old else "new" if now == new else "another"] += 1
        try:
            case.read()
        except Exception as error:
            faults.append(f"kill {number}: {error!r}")
        if now not in (old, new):
            faults.append(f"kill {number}: {len(now)} bytes that are neither")
    aside = [path.name for path in case.path.parent.iterdir() if path != case.path]
    faults += [
        f"{name} is left"
        for name in aside
        if not (name.startswith(_ASIDE[0]) and name.endswith(_ASIDE[1])) and name[0] != "_"
    ]
    case.path.write_bytes(old)
    _save(case, None)
    if case.path.read_bytes() != new:
        faults.append("what was left behind is in the way of the next")
    return {
        "kills": kills,
        "old": found["old"],
        "new": found["new"],
        "another": found["another"],
        "left_aside": sum(name.endswith(_ASIDE[1]) for name in aside),
        "milliseconds_to_save": round(1e3 * whole, 2),
        "faults": faults,
    }


def _save(case: Case, moment: float | None, *, from_writing: bool = False) -> tuple[float, float]:
    """Save in a process of its own, killed after `moment` seconds, or left to end.

    Returns seconds until it ended and until it began to write.
    """
    ready, tell = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(tell, b"r")
            case.save(functools.partial(os.write, tell, b"w"))
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    os.close(tell)
    os.read(ready, 1)
    began = writing = time.monotonic()
    if from_writing or moment is None:
        if os.read(ready, 1):  # nothing where the child does not say
            writing = time.monotonic()
        else:
            from_writing = False
    if moment is not None:
        time.sleep(moment)
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    ended = time.monotonic()
    os.close(ready)
    if moment is None and status:
        raise AssertionError("saving failed")
    return ended - began, writing - began


def _profile(folder: Path) -> Case:
    path = folder / "device.profile"
    bundle = FIXTURES / "latency.safetensors"
    device = Device.load(FIXTURES / "device.profile", bundle=bundle)
    device.save(path)
    device.update(device.measurements[0].name, 77.0)
    return Case(path, lambda _: device.save(path), lambda: Device.load(path, bundle=bundle))


def _classifier(folder: Path) -> Case:
    path, embedder = folder / "things.classifier", FIXTURES / "embedder.safetensors"
    classifier = edgewise.FewShotClassifier.load(
        FIXTURES / "things.classifier", embedder=embedder, runtime="onnxruntime"
    )
    classifier.save(path)
    height, width = classifier._embedder.height, classifier._embedder.width
    picture = np.random.default_rng(0).integers(0, 256, (1, height, width, 3), np.uint8)
    classifier.add("another", picture)
    return Case(
        path,
        lambda _: classifier.save(path),
        lambda: edgewise.FewShotClassifier.load(path, embedder=embedder, runtime="onnxruntime"),
    )


def _zoo(folder: Path) -> Case:
    # Imported here: it brings torch, which the others can do without.
    from edgewise_converter.compile import zoo_add

    path, embedder = folder / "zoo.safetensors", FIXTURES / "embedder.safetensors"
    path.write_bytes((FIXTURES / "zoo.safetensors").read_bytes())
    network, pictures = _own_network(folder / "_own.onnx"), _own_pictures(folder / "_pictures")
    addition = zoo_add.Addition("own", network, pictures)

    def save(writes: Callable[[], object]) -> None:
        def told(*arguments: Any, **named: Any) -> None:
            writes()
            write_bundle(*arguments, **named)

        setattr(zoo_add, "write_bundle", told)  # noqa: B010 - in this process, which ends
        zoo_add.add_to_zoo(path, addition, embedder=embedder)

    return Case(path, save, lambda: edgewise.ModelZoo(path, embedder=embedder))


def _own_network(path: Path) -> Path:
    """A classifier of pictures (1, 3, 16, 16) into two classes."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    generator = np.random.default_rng(0)
    weights = {
        "kernel": generator.normal(0, 1, (6, 3, 5, 5)),
        "matrix": generator.normal(0, 1, (2, 6)),
        "bias": np.zeros(2),
    }
    nodes = [
        helper.make_node("Conv", ["image", "kernel"], ["maps"]),
        helper.make_node("Relu", ["maps"], ["positive"]),
        helper.make_node("GlobalAveragePool", ["positive"], ["means"]),
        helper.make_node("Flatten", ["means"], ["flat"]),
        helper.make_node("Gemm", ["flat", "matrix", "bias"], ["logits"], transB=1),
    ]
    graph = helper.make_graph(
        nodes,
        "own",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, 16, 16])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, 2])],
        [numpy_helper.from_array(a.astype(np.float32), name) for name, a in weights.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), path)
    return path


def _own_pictures(folder: Path) -> Path:
    from PIL import Image

    for level, name in enumerate(("dark", "bright")):
        (folder / name).mkdir(parents=True)
        for at in range(10):
            noise = np.random.default_rng(at).integers(0, 60, (16, 16, 3))
            pixels = (noise + 150 * level).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{at}.png")
    return folder


_CASES: dict[str, Callable[[Path], Case]] = {
    "profile": _profile,
    "classifier": _classifier,
    "zoo": _zoo,
}


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    sys.exit(main())
