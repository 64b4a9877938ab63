"""`edgewise classify`: classes from a folder of folders, pictures classified, classes kept."""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path
from typing import Any

from ..errors import ArgumentError
from .classifier import Classification, FewShotClassifier


def add_options(parser: argparse.ArgumentParser) -> None:
    """What `classify` takes."""
    parser.add_argument("picture", nargs="*", help="files to classify")
    parser.add_argument(
        "--examples", type=Path, metavar="FOLDER", help="one folder of pictures for each class"
    )
    parser.add_argument("--load", type=Path, metavar="FILE", help="classes saved earlier")
    parser.add_argument("--save", type=Path, metavar="FILE", help="keep the classes here")
    parser.add_argument("--embedder", metavar="FILE", help="a bundle other than the shipped one")
    parser.add_argument("--head", help="prototype (default) or relation")
    parser.add_argument("--runtime", default="auto", help="auto, litert, tflite or onnxruntime")
    parser.add_argument("--precision", help="float32 or int8 (the bundle's choice)")
    parser.add_argument(
        "--skip-unreadable", action="store_true", help="pass over pictures that cannot be read"
    )


def run(options: argparse.Namespace) -> int:
    """Learn or load, save, classify, print."""
    if not options.picture and options.save is None:
        raise ArgumentError("nothing to do: name pictures to classify, or --save the classes")
    unreadable = "skip" if options.skip_unreadable else "refuse"
    classifier = _open(options)
    if options.examples is not None:
        for label, files in class_folders(options.examples):
            classifier.add(label, files, unreadable=unreadable)
    if options.save is not None:
        classifier.save(options.save)
    if options.picture:
        _print(options, classifier.predict(options.picture, unreadable=unreadable))
    elif options.json:
        print("[]")
    else:
        print(f"{options.save}: {', '.join(classifier.labels)}")
    return 0


def _open(options: argparse.Namespace) -> FewShotClassifier:
    if options.load is not None:
        if options.head or options.precision:
            raise ArgumentError("--head and --precision are those of the classes that are loaded")
        return FewShotClassifier.load(
            options.load, embedder=options.embedder, runtime=options.runtime
        )
    if options.examples is None:
        raise ArgumentError("there are no classes: give --examples or --load")
    return FewShotClassifier(
        options.embedder or "default",
        options.head or "prototype",
        options.runtime,
        precision=options.precision,
    )


def class_folders(folder: Path) -> list[tuple[str, list[str | Path]]]:
    """Name and files of each folder in a folder, sorted; hidden files are left out."""
    if not folder.is_dir():
        raise ArgumentError(f"{folder}: no such folder; it should hold one folder for each class")
    found: list[tuple[str, list[str | Path]]] = []
    for place in sorted(p for p in folder.iterdir() if p.is_dir() and p.name[0] != "."):
        found.append(
            (place.name, sorted(p for p in place.iterdir() if p.is_file() and p.name[0] != "."))
        )
    if not found:
        raise ArgumentError(f"{folder}: holds no folders; it should hold one for each class")
    return found


def _print(options: argparse.Namespace, found: Classification) -> None:
    rows = [
        {
            "picture": name,
            "label": label,
            "probability": None if math.isnan(probability) else float(probability),
            "is_unknown": bool(unknown),
        }
        for name, label, probability, unknown in zip(options.picture, *found, strict=True)
    ]
    if options.json:
        print(json.dumps(rows, indent=2))
        return
    for row in rows:
        print(_line(row))


def _line(row: dict[str, Any]) -> str:
    if row["label"] is None:
        return f"{'unreadable':24}          {row['picture']}"
    nearest = f"{row['label']} {row['probability']:.0%}"
    what = f"unknown, nearest {nearest}" if row["is_unknown"] else nearest
    return f"{what:34}{row['picture']}"
