"""What the product's embedder may learn from: base classes of several benchmarks at once.

A training class of one benchmark may be what another one tests or validates with. Those are left
out by the list below, so that every score is of classes that the network has not seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edgewise_converter.fewshot.episodes import Rows
from edgewise_converter.images.benchmarks import Benchmark, open_benchmark

LEFT_OUT = {
    # Tests of mini-ImageNet: mixing bowl, school bus, lion. Its validation: white wolf.
    "cifar_fs": ("bowl", "bus", "lion", "wolf"),
    # Arctic fox; CIFAR-FS tests with fox.
    "mini_imagenet": ("n02120079",),
}
"""Training classes that another benchmark of these validates or tests with."""


@dataclass(frozen=True)
class Base:
    """One benchmark's part in the training.

    Attributes:
        benchmark: images and split.
        classes: training classes that stay.
        rows: indices of their images, one array a class.
    """

    benchmark: Benchmark
    classes: tuple[str, ...]
    rows: tuple[Rows, ...]


def open_bases(folder: Path, cache: Path | None = None) -> list[Base]:
    """Open the benchmarks of `LEFT_OUT`, each at its own size; errors are ``open_benchmark``'s."""
    return [_base(open_benchmark(name, folder, cache=cache)) for name in LEFT_OUT]


def _base(benchmark: Benchmark) -> Base:
    left_out = LEFT_OUT[benchmark.name]
    classes = tuple(name for name in benchmark.split.train if name not in left_out)
    return Base(benchmark, classes, benchmark.images.rows(classes))
