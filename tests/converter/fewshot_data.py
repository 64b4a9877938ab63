"""Made-up pictures: a benchmark that Conv4 learns within a few steps, and files of image sets."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from edgewise_converter.images.benchmarks import Benchmark
from edgewise_converter.images.image_set import ImageSet
from edgewise_converter.images.splits import ClassSplit

SIDE = 16
PER_CLASS = 24


def made_up(classes: int = 24, seed: int = 0) -> Benchmark:
    """Each class is a smooth pattern of its own under noise: half to train, a quarter each else."""
    generator = np.random.default_rng(seed)
    coarse = generator.uniform(40, 215, (classes, 1, 4, 4, 3))
    patterns = coarse.repeat(SIDE // 4, 2).repeat(SIDE // 4, 3)
    noise = generator.normal(0, 60, (classes, PER_CLASS, SIDE, SIDE, 3))
    images = np.clip(patterns + noise, 0, 255).astype(np.uint8).reshape(-1, SIDE, SIDE, 3)
    names = tuple(f"class {at}" for at in range(classes))
    labels = np.repeat(np.arange(classes), PER_CLASS)
    half, quarter = classes // 2, classes // 4
    split = ClassSplit(
        "made up", names[:half], names[half : half + quarter], names[half + quarter :]
    )
    return Benchmark("made_up", ImageSet("made up", images, labels, names), split)


def write_set(
    path: Path,
    images: ImageSet,
    classes: tuple[str, ...] | None = None,
    coarse: tuple[str, ...] = (),
) -> None:
    """Write an image set as a Parquet file; with other classes, labels start again after them.

    `coarse` are names of a second column of labels, `coarse_label`: those of the first in turns.
    """
    encoded = []
    for picture in images.images:
        buffer = io.BytesIO()
        Image.fromarray(picture).save(buffer, "PNG")
        encoded.append({"bytes": buffer.getvalue(), "path": None})
    names = list(classes or images.classes)
    features = {"label": {"names": names}}
    columns = {"image": encoded, "label": images.labels % len(names)}
    if coarse:
        features["coarse_label"] = {"names": list(coarse)}
        columns["coarse_label"] = images.labels % len(coarse)
    about = json.dumps({"info": {"features": features}})
    pq.write_table(pa.table(columns).replace_schema_metadata({"huggingface": about}), path)
