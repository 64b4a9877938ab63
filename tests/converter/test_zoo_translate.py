"""A zoo read with another embedder: queries lie where they lay, and nothing else changes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import edgewise as sdk
from edgewise.bundle import Bundle
from edgewise.errors import ArgumentError
from edgewise.fewshot.embedder import open_embedder
from edgewise.retrieval.dense import Dense, to_unit
from edgewise.retrieval.statistics import query_statistics
from edgewise.retrieval.zoo_file import open_zoo
from edgewise_converter.compile.zoo_bundle import compile_zoo, write_zoo
from edgewise_converter.compile.zoo_translate import fit_translation, translate_zoo
from edgewise_converter.retrieval.queries import Embedded, TaskQueries

from .small_zoo import SmallZoo, by_hand


def embedded(generator: np.random.Generator, basis: np.ndarray, count: int) -> list[np.ndarray]:
    """The same pictures by two embedders: directions of 6 numbers, and those turned into 9."""
    own = to_unit(generator.normal(0.3, 1, (count, 6)).astype(np.float32))
    return [own, (own @ basis).astype(np.float32)]


def test_what_a_turn_hides_is_found_again() -> None:
    generator = np.random.default_rng(0)
    basis = np.linalg.qr(generator.normal(size=(9, 6)))[0].T  # keeps lengths
    pairs: tuple[list[TaskQueries], list[TaskQueries]] = ([], [])
    for name in ("a", "b", "c"):
        parts = [embedded(generator, basis, 60) for _ in range(2)]
        labels = np.arange(60) % 2
        for found, train, held_out in zip(pairs, *parts, strict=True):
            found.append(TaskQueries(name, Embedded(train, labels), Embedded(held_out, labels)))
    translation = fit_translation(*pairs)
    query = Dense(
        (
            (
                generator.normal(size=(6, 4)).astype(np.float32),
                generator.normal(size=4).astype(np.float32),
            ),
        )
    )
    own, other = (
        query_statistics(each[0].held_out.embeddings, each[0].held_out.labels, ("mean",))
        for each in pairs
    )
    np.testing.assert_allclose(translation.encoder(query)(other[None]), query(own[None]), atol=1e-4)


def test_a_zoo_for_the_same_embedder_stays_as_it_is(small: SmallZoo, tmp_path: Path) -> None:
    space = by_hand(list(small.tasks.values()), ("mean",))
    path, output = tmp_path / "zoo.safetensors", tmp_path / "translated.safetensors"
    write_zoo(path, "zoo", compile_zoo(small.folder, space.entries), space, space.entries)
    embedder = open_embedder("default")
    about = translate_zoo(
        open_zoo(path),
        list(small.tasks.values()),
        before=embedder,
        after=embedder,
        command="test",
        output=output,
    )
    assert about["least_cosine"] > 0.99
    assert about["same_first"] == 1
    zoo, before = sdk.ModelZoo(output), sdk.ModelZoo(path)
    Bundle.open(output).verify()
    assert list(zoo) == list(before)
    about = zoo.bundle.manifest
    assert about["translation"]["from"] == before.bundle.manifest["zoo"]["embedder"]
    assert {task.images.name for task in small.tasks.values()} <= set(about["trained_on"])
    for name in small.tasks:
        asked = small.pictures(name)
        hits = zoo.retrieve(*asked, k=2)
        assert [hit.name for hit in hits] == [hit.name for hit in before.retrieve(*asked, k=2)]


def test_what_cannot_be_translated_is_refused(small: SmallZoo, zoo: Path, tmp_path: Path) -> None:
    tasks, embedder = list(small.tasks.values()), open_embedder("default")
    with pytest.raises(ArgumentError, match="not linear in the mean"):
        translate_zoo(
            open_zoo(zoo),
            tasks,
            before=embedder,
            after=embedder,
            command="test",
            output=tmp_path / "never.safetensors",
        )
    assert not (tmp_path / "never.safetensors").exists()
    space = by_hand(tasks, ("mean",))
    path = tmp_path / "zoo.safetensors"
    write_zoo(path, "zoo", compile_zoo(small.folder, space.entries), space, space.entries)
    stranger = Bundle.open(
        Path(__file__).resolve().parents[1] / "fixtures/0.1.0/embedder.safetensors"
    )
    for before, output, message in (
        (stranger, tmp_path / "never.safetensors", "made with another embedder"),
        (embedder, path, "is the zoo itself"),
    ):
        with pytest.raises(ArgumentError, match=message):
            translate_zoo(
                open_zoo(path), tasks, before=before, after=embedder, command="", output=output
            )
