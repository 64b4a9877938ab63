"""A made-up benchmark: classes of coloured pictures that Conv4 tells apart within a few steps."""

from __future__ import annotations

import numpy as np

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
