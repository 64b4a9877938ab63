"""What the product's embedder may learn from: base classes of several sets at once.

Photographs are of two benchmarks. A training class of one may be what the other one tests or
validates with; those are left out by the list below, so that every score is of classes that the
network has not seen. Drawn characters and symbols are of sets whose source states a permissive
licence (MIT), and of two of these half the classes, the rest is left to be asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgewise.errors import ArgumentError
from edgewise_converter.fewshot.episodes import Rows
from edgewise_converter.images.benchmarks import FILES, Benchmark, open_benchmark
from edgewise_converter.images.parquet import load_parquet
from edgewise_converter.images.splits import ClassSplit

LEFT_OUT = {
    # Tests of mini-ImageNet: mixing bowl, school bus, lion. Its validation: white wolf.
    "cifar_fs": ("bowl", "bus", "lion", "wolf"),
    # Arctic fox; CIFAR-FS tests with fox.
    "mini_imagenet": ("n02120079",),
    # street_characters_chars74k asks for the letters.
    "omniglot_by_alphabet": ("Latin/",),
}
"""Training classes that another set validates or tests with; "alphabet/" for all of one."""

SYMBOLS = {
    "handwritten_digits_mnist": ("0", "1", "2", "3", "4"),
    "math_symbols": ("0", "1", "2", "3", "4", "dot", "minus", "plus", "slash"),
}
"""Classes of small sets without a split that are for training; the others are for test."""

SETS = (*LEFT_OUT, *SYMBOLS)
"""All there is to learn from, by name."""

DRAWN = ("omniglot_by_alphabet", *SYMBOLS)
"""Sets of strokes on paper: mirrored, a character is another one, in other colours the same."""


@dataclass(frozen=True)
class Base:
    """One set's part in the training.

    Attributes:
        benchmark: images and split.
        classes: training classes that stay.
        rows: indices of their images, one array a class.
    """

    benchmark: Benchmark
    classes: tuple[str, ...]
    rows: tuple[Rows, ...]

    @property
    def drawn(self) -> bool:
        """Whether these are strokes on paper; see `DRAWN`."""
        return self.benchmark.name in DRAWN


def open_bases(folder: Path, cache: Path | None = None, sets: Sequence[str] = SETS) -> list[Base]:
    """Open some of `SETS`, each at its own size.

    Args:
        folder: of the Parquet files and `splits.json`.
        cache: folder of decoded pictures, or None for the user's own.
        sets: their names.

    Raises:
        ArgumentError: an unknown name; or as ``open_benchmark`` and ``load_parquet``.
        StorageError: the cache could not be written.
    """
    if unknown := [name for name in sets if name not in SETS]:
        raise ArgumentError(f"unknown set {unknown[0]!r}; known are {', '.join(SETS)}")
    return [
        _base(
            _symbols(name, folder, cache)
            if name in SYMBOLS
            else open_benchmark(name, folder, cache=cache)
        )
        for name in sets
    ]


def validating(bases: Sequence[Base]) -> list[Benchmark]:
    """The benchmarks among them: those with validation classes.

    Raises:
        ArgumentError: there are none.
    """
    found = [each.benchmark for each in bases if each.benchmark.split.val]
    if not found:
        names = ", ".join(each.benchmark.name for each in bases)
        raise ArgumentError(
            f"none of {names or 'no sets'} has validation classes; add one of {', '.join(LEFT_OUT)}"
        )
    return found


def photographs(bases: Sequence[Base]) -> list[Base]:
    """Those that an embedder is finished and calibrated by: all, if none is of photographs.

    Drawn characters are all near each other: what is set for them would be wrong for photographs,
    which is what most apps see.
    """
    return [each for each in bases if not each.drawn] or list(bases)


def set_named(source: str) -> str:
    """The set whose pictures are in a file: `cifar_fs` for `cifar100`."""
    names = {Path(FILES[name]).stem: name for name in LEFT_OUT}
    return names.get(source, source)


def _symbols(name: str, folder: Path, cache: Path | None) -> Benchmark:
    images = load_parquet(folder / f"{name}.parquet", cache=cache)
    train = SYMBOLS[name]
    test = tuple(each for each in images.classes if each not in train)
    return Benchmark(name, images, ClassSplit(f"{name}: SYMBOLS", train, (), test))


def _base(benchmark: Benchmark) -> Base:
    left_out = LEFT_OUT.get(benchmark.name, ())
    classes = tuple(name for name in benchmark.split.train if not _listed(name, left_out))
    return Base(benchmark, classes, benchmark.images.rows(classes))


def _listed(name: str, left_out: tuple[str, ...]) -> bool:
    return any(name.startswith(each) if each.endswith("/") else name == each for each in left_out)
