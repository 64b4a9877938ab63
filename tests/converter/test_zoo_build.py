"""Tasks, the supernet's training, and a zoo that is built, killed, gone on with, and listed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from edgewise.bundle import Bundle
from edgewise.errors import ArgumentError, BundleError
from edgewise_converter import cli
from edgewise_converter.images.benchmarks import open_benchmark
from edgewise_converter.retrieval.choice import largest, parse_choice, smallest
from edgewise_converter.retrieval.entries import (
    FineTuning,
    cut_entries,
    fine_tune,
    functional_embedding,
    statistics_of,
)
from edgewise_converter.retrieval.pretraining import PretrainingConfig, base_pictures, pretrain
from edgewise_converter.retrieval.supernet import FEATURES, Supernet
from edgewise_converter.retrieval.tasks import Task, load_tasks, make_task
from edgewise_converter.retrieval.zoo_build import FolderTasks, build_zoo, task_file
from edgewise_converter.retrieval.zoo_files import read_network, read_supernet

from .zoo_data import LARGE, SMALL_SETS, pictures, write_quick_supernet

QUICK = FineTuning(steps=5, batch=16, networks=3)


@pytest.fixture(scope="module")
def supernet(picture_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("supernet") / "supernet.safetensors"
    write_quick_supernet(path, picture_data)
    return path


def tasks_of(picture_data: Path) -> FolderTasks:
    return FolderTasks(picture_data, "meta_test", 0, picture_data / "cache")


def test_a_task_has_every_class_in_every_part_and_no_picture_twice() -> None:
    images = pictures("made up", 6, 30, 1)
    task = make_task("some", images, images.classes[1:5], seed=0)
    parts = (task.train, task.validation, task.test)
    assert [len(part) for part in parts] == [72, 24, 24]
    assert len(np.unique(np.concatenate(parts))) == 120
    for part in parts:
        assert set(task.labels(part).tolist()) == set(range(4))
        named = [task.classes[label] for label in task.labels(part)]
        assert named == [images.classes[label] for label in images.labels[part]]
    again = make_task("some", images, images.classes[1:5], seed=0)
    assert np.array_equal(again.train, task.train)
    assert not np.array_equal(make_task("some", images, images.classes[1:5], 1).train, task.train)


def test_what_is_no_task(picture_data: Path) -> None:
    images = pictures("made up", 3, 4, 1)
    with pytest.raises(ArgumentError, match="has 1 classes"):
        make_task("one", images, images.classes[:1], 0)
    with pytest.raises(ArgumentError, match="has 4 pictures"):
        make_task("few", images, images.classes, 0)
    with pytest.raises(ArgumentError, match="unknown group 'all'"):
        load_tasks(picture_data, "all")


def test_tasks_keep_to_their_part_of_the_classes(picture_data: Path) -> None:
    splits = json.loads((picture_data / "splits.json").read_text())
    allowed = {name: splits[split] for split, name in LARGE.items()}
    cache = picture_data / "cache"
    held_out = load_tasks(picture_data, "held_out", cache=cache)
    assert len(held_out) == 20
    for task in held_out:
        assert set(task.classes) <= set(allowed[task.images.name]["test"])
    training = load_tasks(picture_data, "meta_train", cache=cache)
    assert len({task.name for task in training}) == len(training) >= 80
    names = {task.name for task in training}
    assert {"cifar100/warm", "cifar100/cold", "omniglot/A", *SMALL_SETS[:2]} <= names
    for task in training:
        if task.images.name in allowed:
            assert set(task.classes) <= set(allowed[task.images.name]["train"])
        else:
            assert task.name in SMALL_SETS[:2]
    assert [task.name for task in load_tasks(picture_data, "meta_test", cache=cache)] == list(
        SMALL_SETS
    )


def test_training_is_resumed_as_if_never_stopped(picture_data: Path, tmp_path: Path) -> None:
    base = base_pictures([open_benchmark("cifar_fs", picture_data, cache=picture_data / "cache")])
    assert (base.classes, len(base.rows)) == (6, 60)
    config = PretrainingConfig(steps=4, batch=16, keep_every=2)
    whole = pretrain(base, config)

    class StopError(Exception):
        pass

    def stop(*told: float) -> None:
        assert told[0] == 2
        raise StopError

    kept = tmp_path / "kept.safetensors"
    with pytest.raises(StopError):
        pretrain(base, config, kept, stop)
    resumed = pretrain(base, config, kept)
    for name, value in whole.supernet.state_dict().items():
        torch.testing.assert_close(resumed.supernet.state_dict()[name], value, rtol=1e-5, atol=1e-6)
    longer = pretrain(base, PretrainingConfig(steps=5, batch=16, keep_every=2), kept)
    assert longer.lengths == [[0, 4], [4, 5]]
    with pytest.raises(ArgumentError, match="another batch"):
        pretrain(base, PretrainingConfig(steps=5, batch=17, keep_every=2), kept)
    kept.write_bytes(b"no such thing")
    with pytest.raises(ArgumentError, match="not a checkpoint"):
        pretrain(base, config, kept)


def test_fine_tuning_learns_a_task() -> None:
    images = pictures("made up", 3, 60, 4)
    task = make_task("made up", images, images.classes, 0)
    torch.manual_seed(0)
    before = Supernet(5)
    settings = FineTuning(steps=25, batch=32, rate=0.05, networks=3)
    tuned = fine_tune(before, task, settings)
    entries = list(cut_entries(tuned, task, settings))
    assert [entry.choice for entry in entries[:2]] == [largest(), smallest()]
    assert entries[0].accuracy[1] > 0.9
    assert entries[1].parameters < entries[0].parameters / 4
    assert before.head.out_features == 5  # the supernet given is as it was
    for entry in entries:
        assert entry.embedding.shape == (FEATURES,)
        network = tuned.cut(entry.choice)
        assert not np.allclose(functional_embedding(network), entry.embedding)
        assert statistics_of(network).shape == entry.statistics.shape


def test_a_zoo_holds_the_networks_that_were_scored(
    picture_data: Path, supernet: Path, tmp_path: Path
) -> None:
    files = build_zoo(tmp_path, supernet, tasks_of(picture_data), QUICK, workers=1)
    assert files == [task_file(tmp_path, name) for name in SMALL_SETS]
    tasks = {task.name: task for task in tasks_of(picture_data)()}
    for path in files:
        bundle = Bundle.open(path, kind="zoo")
        bundle.verify()
        about, task = bundle.manifest, tasks[bundle.manifest["task"]]
        assert about["labels"] == list(task.classes)
        embedding = bundle.tensor("embedding")
        assert embedding.shape == (3, FEATURES)
        for at, entry in enumerate(about["entries"]):
            network = read_network(bundle, at)
            found = functional_embedding(network)
            # Weights are kept in half precision.
            np.testing.assert_allclose(found, embedding[at], rtol=0.05, atol=0.02)
            assert str(parse_choice(entry["arch"])) == entry["arch"]
            assert abs(accuracy(network, task) - entry["test_accuracy"]) <= 2 / len(task.test)
    with pytest.raises(BundleError, match="none numbered 3"):
        read_network(bundle, 3)


def accuracy(network: torch.nn.Module, task: Task) -> float:
    from edgewise_converter.fewshot.conv4 import standardise

    with torch.no_grad():
        answers = network(standardise(task.images.images[task.test])).argmax(1).numpy()
    return float(np.mean(answers == task.labels(task.test)))


def test_a_build_goes_on_where_it_was_and_ends_alike(
    picture_data: Path, supernet: Path, tmp_path: Path
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    files = build_zoo(first, supernet, tasks_of(picture_data), QUICK, workers=1)
    second.mkdir()
    kept = second / files[1].name
    kept.write_bytes(files[1].read_bytes())
    stamp = kept.stat().st_mtime_ns
    for path in build_zoo(second, supernet, tasks_of(picture_data), QUICK, workers=1):
        ours, theirs = Bundle.open(path), Bundle.open(first / path.name)
        assert ours.manifest["sha256"] == theirs.manifest["sha256"]
        assert ours.manifest["entries"] == theirs.manifest["entries"]
    assert kept.stat().st_mtime_ns == stamp
    other = FineTuning(steps=6, batch=16, networks=3)
    with pytest.raises(ArgumentError, match="made with other settings"):
        build_zoo(second, supernet, tasks_of(picture_data), other, workers=1)
    kept.write_bytes(kept.read_bytes()[:1000])
    with pytest.raises(BundleError, match="delete it and build again"):
        build_zoo(second, supernet, tasks_of(picture_data), QUICK, workers=1)


@pytest.mark.slow
def test_a_killed_build_leaves_whole_files_only(
    picture_data: Path, supernet: Path, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "edgewise_converter.cli", "zoo", "build"]
    command += ["--data", str(picture_data), "--supernet", str(supernet), "--output", str(tmp_path)]
    command += ["--group", "meta_test", "--steps", "5", "--networks", "3", "--workers", "1"]
    environment = os.environ | {"XDG_CACHE_HOME": str(picture_data / "home")}
    process = subprocess.Popen(command, env=environment, start_new_session=True)
    deadline = time.monotonic() + 120
    while not list(tmp_path.glob("*.safetensors")) and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    done = list(tmp_path.glob("*.safetensors"))
    assert done
    for path in done:
        Bundle.open(path, kind="zoo").verify()
    assert subprocess.run(command, env=environment, check=False).returncode == 0
    assert sorted(path.stem for path in tmp_path.glob("*.safetensors")) == sorted(SMALL_SETS)


@pytest.mark.slow
def test_a_cluster_of_two_workers_builds_the_same(
    picture_data: Path, supernet: Path, tmp_path: Path
) -> None:
    distributed = pytest.importorskip("distributed")
    here = build_zoo(tmp_path / "here", supernet, tasks_of(picture_data), QUICK, workers=1)
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None
    ) as cluster:
        there = build_zoo(
            tmp_path / "there",
            supernet,
            tasks_of(picture_data),
            QUICK,
            backend="dask",
            address=cluster.scheduler_address,
        )
    for ours, theirs in zip(here, there, strict=True):
        mine, other = Bundle.open(ours).manifest, Bundle.open(theirs).manifest
        assert mine["entries"] == other["entries"]


def test_what_cannot_be_built(picture_data: Path, supernet: Path, tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="unknown backend 'cloud'"):
        build_zoo(tmp_path, supernet, tasks_of(picture_data), QUICK, backend="cloud")
    with pytest.raises(BundleError, match="absent"):
        build_zoo(tmp_path, tmp_path / "absent", tasks_of(picture_data), QUICK)
    assert read_supernet(supernet).head.out_features == 6


def test_the_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["zoo", "build"])
    assert cli.main(["zoo", "list", str(tmp_path)]) == 1
    assert "holds no zoo" in capsys.readouterr().err
