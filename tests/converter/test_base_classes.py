"""What the embedder learns from: which sets, which of their classes, and none that is asked for."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pytest

from edgewise.errors import ArgumentError
from edgewise_converter.fewshot.base_classes import (
    DRAWN,
    LEFT_OUT,
    SETS,
    SYMBOLS,
    Base,
    open_bases,
    photographs,
    set_named,
    validating,
)
from edgewise_converter.fewshot.options import add_bases
from edgewise_converter.images.image_set import ImageSet
from edgewise_converter.images.overlaps import seen

from .fewshot_data import write_set


@pytest.fixture(scope="module")
def bases(shared_data: Path) -> list[Base]:
    return open_bases(shared_data / "images")


def test_no_base_class_is_asked_for(bases: list[Base]) -> None:
    """A benchmark's test classes, and the held-out halves of the small sets."""
    trained = {f"{base.benchmark.images.name}/{each}" for base in bases for each in base.classes}
    known = seen(trained)
    for base in bases:
        split, source = base.benchmark.split, base.benchmark.images.name
        assert not known & {f"{source}/{each}" for each in split.test}


def test_what_is_left_out_was_there(bases: list[Base]) -> None:
    for base in bases:
        name = base.benchmark.name
        left_out = set(base.benchmark.split.train) - set(base.classes)
        for each in LEFT_OUT.get(name, ()):
            assert any(found == each or found.startswith(each) for found in left_out)
        assert bool(left_out) == (name in LEFT_OUT)


def test_small_sets_are_halved_and_validate_nothing(bases: list[Base]) -> None:
    assert [base.benchmark.name for base in bases] == list(SETS)
    assert [each.name for each in validating(bases)] == list(LEFT_OUT)
    assert [base.benchmark.name for base in bases if base.drawn] == list(DRAWN)
    assert [base.benchmark.name for base in photographs(bases)] == ["cifar_fs", "mini_imagenet"]
    assert photographs(bases[3:]) == bases[3:]
    assert [set_named(base.benchmark.images.name) for base in bases] == list(SETS)
    with pytest.raises(ArgumentError, match="none of handwritten_digits_mnist, math_symbols has"):
        validating(bases[3:])


def test_digits_of_another_hand_are_known() -> None:
    threes = {f"{name}/3" for name in (*SYMBOLS, "street_characters_chars74k")}
    for three in threes:
        assert seen({three}) == threes
    assert "street_characters_chars74k/5" not in seen({"handwritten_digits_mnist/3"})


def test_sets_are_chosen_by_name(tmp_path: Path) -> None:
    parser = argparse.ArgumentParser()
    add_bases(parser)
    assert parser.parse_args(["--data", "."]).sets == SETS
    two = parser.parse_args(["--data", ".", "--sets", "cifar_fs,mini_imagenet"])
    assert two.sets == ("cifar_fs", "mini_imagenet")
    with pytest.raises(ArgumentError, match="unknown set 'cifar'; known"):
        open_bases(tmp_path, sets=("cifar",))
    pictures = np.zeros((20, 8, 8, 3), np.uint8)
    names = tuple(str(digit) for digit in range(10))
    labels = np.arange(20) % 10
    write_set(tmp_path / "handwritten_digits_mnist.parquet", ImageSet("m", pictures, labels, names))
    (base,) = open_bases(tmp_path, tmp_path, ("handwritten_digits_mnist",))
    assert base.classes == ("0", "1", "2", "3", "4")
    assert [list(labels[rows]) for rows in base.rows] == [[digit] * 2 for digit in range(5)]
