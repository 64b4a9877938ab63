"""What an installed wheel must do on its platform; run by that platform's Python.

    python wheel_smoke.py RUNTIME OUTPUT.json SECONDS

Calibrates this machine through `edgewise calibrate`, predicts networks that were not timed through
`edgewise predict`, checks every byte of the shipped bundles, classifies pictures, and runs the
network that the shipped zoo has for them.
Prints nothing when all is well; whatever is wrong is an exception. OUTPUT gets what the commands
said; timing takes SECONDS at most. Imports nothing but the wheel, numpy and the standard library.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import platform
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import edgewise
from edgewise.bundle import Bundle
from edgewise.cli import main as command
from edgewise.fewshot import FewShotClassifier
from edgewise.retrieval import ModelZoo
from edgewise.shipped import BUNDLES

PREDICTED = (
    "|nor_conv_3x3~0|+|nor_conv_3x3~0|avg_pool_3x3~1|+|skip_connect~0|nor_conv_3x3~1|skip_connect~2|",
    "|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|none~0|skip_connect~1|nor_conv_1x1~2|",
)


def main() -> None:
    """Run all of it."""
    runtime, output, seconds = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
    with tempfile.TemporaryDirectory() as folder:
        os.environ["EDGEWISE_HOME"] = folder
        profile = Path(folder) / "this.profile"
        common = ("--runtime", runtime, "--out", str(profile))
        calibrated = _said("calibrate", *common, "--budget", seconds)
        predicted = _said("predict", "--profile", str(profile), *PREDICTED)
    result = {
        "command": "make wheels-test",
        "wheel": _wheel_tag(),
        "edgewise": edgewise.__version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "machine": platform.machine(),
        "pointer_bits": 8 * np.dtype(np.intp).itemsize,
        "libc": " ".join(platform.libc_ver()),
        "calibrate": calibrated,
        "predict": predicted,
        "bundles": _bundles(),
        "classify": _classify(runtime),
        "retrieve": _retrieve(runtime),
    }
    output.write_text(json.dumps(result, indent=1) + "\n")


def _said(*arguments: str) -> Any:
    """What a command prints as JSON; RuntimeError if it fails."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        code = command([*arguments, "--json"])
    if code != 0:
        raise RuntimeError(f"edgewise {' '.join(arguments)} ended with {code}")
    return json.loads(printed.getvalue())


def _wheel_tag() -> str:
    from importlib.metadata import distribution

    for line in (distribution("edgewise").read_text("WHEEL") or "").splitlines():
        if line.startswith("Tag: "):
            return line.removeprefix("Tag: ")
    raise RuntimeError("edgewise is not installed from a wheel")


def _bundles() -> dict[str, int]:
    """How many tensors each shipped bundle has, every byte of them checked."""
    found = {}
    for path in sorted(BUNDLES.glob("*.safetensors")):
        bundle = Bundle.open(path)
        bundle.verify()
        found[path.name] = len(bundle.names())
    return found


def _classify(runtime: str) -> dict[str, dict[str, float]]:
    """Label and probability of stripes shown a little darker, in either precision."""
    found = {}
    pictures = {name: _stripes(step) for name, step in (("broad", 21), ("narrow", 6))}
    for precision in ("float32", "int8"):
        classifier = FewShotClassifier(runtime=runtime, precision=precision)
        for label, picture in pictures.items():
            classifier.add(label, picture)
        answers = {name: classifier.predict(picture // 2) for name, picture in pictures.items()}
        wrong = {name for name, answer in answers.items() if answer.label != name}
        if wrong:
            raise RuntimeError(f"{precision}: {wrong} is taken for something else: {answers}")
        found[precision] = {name: float(answer.probability) for name, answer in answers.items()}
    return found


def _retrieve(runtime: str) -> dict[str, Any]:
    """The first network of the zoo for stripes, and how sure it is of a class of its own task."""
    pictures = [_stripes(step) // part for step in (21, 6) for part in (1, 2)]
    labels = ["broad", "broad", "narrow", "narrow"]
    (hit,) = ModelZoo(runtime=runtime).retrieve(pictures, labels, k=1)
    answer = hit.load(runtime).predict(pictures[0])
    if answer.label not in hit.entry.labels or not 0 < answer.probability <= 1:
        raise RuntimeError(f"{hit.name} answers {answer}")
    return {
        "name": hit.name,
        "expected_accuracy": hit.expected_accuracy,
        "label": answer.label,
        "probability": answer.probability,
    }


def _stripes(step: int) -> NDArray[np.uint8]:
    """(84, 84, 3): black and bright, `step` pixels each."""
    rows = (np.arange(84) // step % 2 * 220).astype(np.uint8)
    return np.ascontiguousarray(np.broadcast_to(rows[:, None, None], (84, 84, 3)))


if __name__ == "__main__":
    main()
