"""The trained artefacts beside the package: whole, told of, and what they are said to be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgewise import FewShotClassifier
from edgewise.bundle import Bundle
from edgewise_converter.images.parquet import load_parquet
from edgewise_converter.images.splits import load_class_splits

TRAINED = Path(__file__).resolve().parents[2] / "trained"
FILES = sorted(TRAINED.glob("*.safetensors"))
WAYS, SHOTS = 5, 5


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_files_are_whole_and_told_of(path: Path) -> None:
    assert f"`{path.name}`" in (TRAINED / "README.md").read_text()
    bundle = Bundle.open(path)
    bundle.verify()
    assert bundle.manifest["trained_on"]
    assert "edgewise-converter" in bundle.manifest["command"]


def test_the_embedder_for_drawn_characters_knows_unseen_alphabets(shared_data: Path) -> None:
    split = load_class_splits(shared_data / "images/splits.json")["omniglot_by_alphabet"]
    images = load_parquet(shared_data / "images/omniglot.parquet")
    path = TRAINED / "embedder_drawn.safetensors"
    trained_on = Bundle.open(path).manifest["trained_on"]
    assert not {f"omniglot/{name}" for name in split.test} & set(trained_on)
    right = {embedder: _right(embedder, images.images, images.rows(split.test)) for embedder in
             ("default", str(path))}  # fmt: skip
    assert right[str(path)] > right["default"] > 0.85
    assert right[str(path)] > 0.94


def _right(embedder: str, images: np.ndarray, rows: tuple[np.ndarray, ...]) -> float:
    """Accuracy over seven pinned tasks of five classes that are next to each other."""
    found = []
    for at in range(0, WAYS * 7, WAYS):
        classifier = FewShotClassifier(embedder=embedder)
        task = rows[at : at + WAYS]
        for label, each in enumerate(task):
            classifier.add(str(label), images[each[:SHOTS]])
        for label, each in enumerate(task):
            found += [one == str(label) for one in classifier.predict(images[each[SHOTS:]]).label]
    return float(np.mean(found))
