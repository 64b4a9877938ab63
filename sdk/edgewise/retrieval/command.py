"""`edgewise retrieve`: networks of a zoo for a folder of folders of pictures, within limits."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ..fewshot.command import class_folders

if TYPE_CHECKING:
    from .hits import Hits


def add_options(parser: argparse.ArgumentParser, *, size: Callable[[str], int]) -> None:
    """What `retrieve` takes; `size` reads an amount of bytes."""
    parser.add_argument("folder", type=Path, help="one folder of pictures for each class")
    parser.add_argument("--max-ms", type=float, help="limit, milliseconds on this device")
    parser.add_argument("--max-params", type=int, help="limit of parameters")
    parser.add_argument("--max-bytes", type=size, metavar="SIZE", help="limit of the model, 500kB")
    parser.add_argument("--k", type=int, default=5, help="how many (default 5)")
    parser.add_argument(
        "--zoo", metavar="FILE", default="default", help="a bundle, not the shipped"
    )
    parser.add_argument(
        "--embedder", metavar="FILE", default="default", help="the bundle the zoo was made with"
    )
    parser.add_argument("--runtime", default="auto", help="auto, litert, tflite or onnxruntime")
    parser.add_argument(
        "--profile", type=Path, metavar="FILE", help="a saved device (default: the last calibrated)"
    )
    parser.add_argument(
        "--skip-unreadable", action="store_true", help="pass over pictures that cannot be read"
    )


def run(options: argparse.Namespace) -> int:
    """Retrieve and print; 1 when nothing keeps to the limits."""
    # Imported here: not every command needs them.
    from ..latency import Device
    from .zoo import ModelZoo

    zoo = ModelZoo(options.zoo, embedder=options.embedder, runtime=options.runtime)
    shown = class_folders(options.folder)
    hits = zoo.retrieve(
        [file for _, files in shown for file in files],
        [label for label, files in shown for _ in files],
        k=options.k,
        max_ms=options.max_ms,
        max_params=options.max_params,
        max_bytes=options.max_bytes,
        device=None if options.profile is None else Device.load(options.profile),
        unreadable="skip" if options.skip_unreadable else "refuse",
    )
    if options.json:
        closest = None if hits.closest is None else hits.closest.as_json()
        found = {"hits": [hit.as_json() for hit in hits], "reason": hits.reason, "closest": closest}
        print(json.dumps(found, indent=2))
    else:
        print(_table(hits))
    return 0 if hits else 1


def _table(hits: Hits) -> str:
    if not hits:
        return hits.reason
    lines = ["expected  predicted ms         parameters      bytes  network"]
    for hit in hits:
        ms = "not calibrated"
        if hit.predicted_ms is not None:
            ms = f"{hit.predicted_ms:.3f} ({hit.predicted_low:.3f} to {hit.predicted_high:.3f})"
        lines.append(
            f"{hit.expected_accuracy:8.1%}  {ms:22}{hit.params:9,} {hit.bytes:10,}  {hit.name}"
        )
    return "\n".join(lines)
