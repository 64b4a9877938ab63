"""Topology, queries, probes, the contrastive space and its trial on unseen data sets."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from edgewise.bundle import Bundle
from edgewise.errors import ArgumentError, BundleError
from edgewise.fewshot.embedder import open_embedder as open_bundle
from edgewise_converter import cli
from edgewise_converter.fewshot.embedder_calibration import Part
from edgewise_converter.fewshot.embedders import open_embedder
from edgewise_converter.retrieval.choice import largest, parse_choice, smallest
from edgewise_converter.retrieval.contrastive import (
    ContrastiveConfig,
    TrainingData,
    contrastive_loss,
    train_space,
    worth_elsewhere,
)
from edgewise_converter.retrieval.encoders import DIM, Space, SpaceConfig, describe
from edgewise_converter.retrieval.entries import FineTuning
from edgewise_converter.retrieval.head_calibration import calibrate_heads, calibrate_parts
from edgewise_converter.retrieval.probe_zoo import Probes
from edgewise_converter.retrieval.probes import probe, probe_set, ridge_scores
from edgewise_converter.retrieval.queries import Embedded, TaskQueries, draw_balanced
from edgewise_converter.retrieval.selection import select_rows
from edgewise_converter.retrieval.space_file import read_space, write_space
from edgewise_converter.retrieval.space_scores import (
    cross_modal_ranks,
    expected_accuracy,
    first_found,
    held_out_queries,
    in_space,
    worth_unseen,
)
from edgewise_converter.retrieval.supernet import FEATURES, Supernet
from edgewise_converter.retrieval.tasks import Task, make_task
from edgewise_converter.retrieval.topology import TOPOLOGY_SIZE, topology
from edgewise_converter.retrieval.transfer import Budget, learn
from edgewise_converter.retrieval.trials import Trials
from edgewise_converter.retrieval.unseen_table import summarise, table_lines
from edgewise_converter.retrieval.zoo_build import FolderTasks, build_zoo
from edgewise_converter.retrieval.zoo_files import read_network
from edgewise_converter.retrieval.zoo_table import ZooTable, load_table

from .zoo_data import SMALL_SETS, pictures, write_quick_supernet

OURS = SpaceConfig(("mean", "separation"), masked=True, weighted=True, transfer=True, hidden=16)


class FewTasks(FolderTasks):
    """The first four of the meta-training tasks."""

    def __call__(self) -> list[Task]:
        return super().__call__()[:4]


@pytest.fixture(scope="module")
def zoo(picture_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A zoo of four tasks with three networks each."""
    folder = tmp_path_factory.mktemp("zoo")
    supernet = folder / "supernet.safetensors"
    write_quick_supernet(supernet, picture_data)
    settings = FineTuning(steps=8, batch=16, rate=0.05, networks=3)
    build_zoo(
        folder / "zoo", supernet, FewTasks(picture_data, "meta_train", 0), settings, workers=1
    )
    return folder / "zoo"


def made_up(seed: int = 0) -> tuple[ZooTable, list[TaskQueries], Probes]:
    """Six tasks, each with a direction of its own that its pictures and networks share."""
    generator = np.random.default_rng(seed)
    names = tuple(f"task {at}" for at in range(6))
    file = np.repeat(np.arange(6), 4)
    directions = generator.normal(size=(6, FEATURES)).astype(np.float32)
    functional = directions[file] + generator.normal(0, 0.3, (24, FEATURES)).astype(np.float32)
    quality = generator.uniform(size=24)
    table = ZooTable(
        files=tuple(Path(name) for name in names),
        tasks=names,
        trained_on=tuple((name,) for name in names),
        file=file,
        number=np.tile(np.arange(4), 6),
        choices=tuple([largest(), smallest()] * 12),
        functional=functional,
        accuracy=0.5 + 0.4 * quality,
        parameters=np.arange(24),
    )
    queries = []
    for at, name in enumerate(names):
        shown = [
            Embedded(
                (directions[at, :8] + generator.normal(0, 0.3, (40, 8))).astype(np.float32),
                np.repeat(np.arange(4), 10),
            )
            for _ in range(2)
        ]
        queries.append(TaskQueries(name, *shown))
    worth = 0.3 + 0.4 * quality[:, None] + 0.2 * (file[:, None] == np.arange(6))
    return table, queries, Probes(np.arange(24), names, worth)


def test_topology_is_one_hot_and_masked_where_there_is_no_block() -> None:
    least = topology(smallest(), masked=False)
    assert least.shape == (TOPOLOGY_SIZE,)
    assert least.sum() == 9 + 9 + 3
    masked = topology(smallest(), masked=True)
    assert masked.sum() == 3 + 3 + 3
    np.testing.assert_array_equal(masked[:18].reshape(9, 2)[[0, 3, 6]], [[1, 0]] * 3)
    np.testing.assert_array_equal(
        topology(largest(), masked=True), topology(largest(), masked=False)
    )
    one = parse_choice('{"ks":[5,3,3,3,3,3,3,3,3],"e":[3,2,2,2,2,2,2,2,2],"d":[1,1,1]}')
    assert topology(one, masked=True)[1] == 1
    assert topology(one, masked=True)[18 + 1] == 1


def test_queries_take_classes_in_turn() -> None:
    labels = np.array([0] * 50 + [1] * 3 + [2] * 5)
    generator = np.random.default_rng(0)
    drawn = draw_balanced(labels, 9, generator)
    assert np.bincount(labels[drawn]).tolist() == [3, 3, 3]
    drawn = draw_balanced(labels, 20, generator)
    assert np.bincount(labels[drawn]).tolist() == [12, 3, 5]
    assert len(set(drawn.tolist())) == 20
    assert len(draw_balanced(labels, 1, generator)) == 3  # one of each class at the least


def test_ridge_equals_the_normal_equations() -> None:
    generator = np.random.default_rng(0)
    shown = generator.normal(size=(30, 6)).astype(np.float32)
    asked = generator.normal(size=(5, 6)).astype(np.float32)
    labels = generator.integers(0, 3, 30)
    rows = shown.astype(float) - shown.mean(0)
    penalty = 0.1 * (rows**2).sum() / 30
    targets = np.eye(3)[labels]
    weights = np.linalg.solve(rows.T @ rows + penalty * np.eye(6), rows.T @ targets)
    expected = (asked - shown.mean(0)) @ weights + targets.mean(0)
    np.testing.assert_allclose(ridge_scores(shown, labels, asked), expected, atol=1e-4)


def test_the_loss_is_zero_only_with_a_margin_both_ways() -> None:
    basis = torch.eye(3)
    assert contrastive_loss(basis, basis) == 0
    queries = torch.nn.functional.normalize(torch.tensor([[1.0, 0.9], [0.0, 1.0]]))
    models = torch.eye(2)
    similar = (queries @ models.T).numpy()
    by_hand = np.mean(
        [
            max(0, 0.2 - similar[0, 0] + similar[0, 1]),
            max(0, 0.2 - similar[1, 1] + similar[1, 0]),
        ]
    ) + np.mean(
        [
            max(0, 0.2 - similar[0, 0] + similar[1, 0]),
            max(0, 0.2 - similar[1, 1] + similar[0, 1]),
        ]
    )
    assert float(contrastive_loss(queries, models)) == pytest.approx(by_hand, abs=1e-6)


@pytest.mark.parametrize("config", [SpaceConfig(), OURS], ids=["paper", "ours"])
def test_a_space_brings_a_task_to_its_networks(config: SpaceConfig) -> None:
    table, queries, probes = made_up()
    space = train_space(
        TrainingData(table, queries, probes), config, ContrastiveConfig(steps=300, batch=6)
    )
    ranks = cross_modal_ranks(table, queries, space)
    assert ranks.recall_1 > 0.9
    assert ranks.median_rank == 1
    again = train_space(
        TrainingData(table, queries, probes), config, ContrastiveConfig(steps=300, batch=6)
    )
    for name, value in space.state_dict().items():
        torch.testing.assert_close(again.state_dict()[name], value)


def test_folded_layers_compute_the_same_as_the_space() -> None:
    table, queries, probes = made_up()
    space = train_space(
        TrainingData(table, queries, probes), OURS, ContrastiveConfig(steps=5, batch=6)
    )
    generator = np.random.default_rng(0)
    statistics = queries[0].train.draw(OURS.statistics, generator)[None]
    values = statistics
    layers = space.query_layers()
    for at, (weight, bias) in enumerate(layers):
        values = values @ weight + bias
        values = np.maximum(values, 0) if at < len(layers) - 1 else values
    values /= np.linalg.norm(values)
    found = space.queries(torch.from_numpy(statistics)).numpy()
    np.testing.assert_allclose(values, found, atol=1e-5)
    models = space.models(torch.from_numpy(describe(table, masked=True)))
    pair = np.concatenate([found, models[:1].numpy(), found * models[:1].numpy()], 1)
    for at, (weight, bias) in enumerate(space.performance_layers()):
        pair = pair @ weight + bias
        pair = np.maximum(pair, 0) if at == 0 else pair
    expected = float(space.expected(torch.from_numpy(found), models[:1]))
    assert 1 / (1 + np.exp(-pair.item())) == pytest.approx(expected, abs=1e-5)


def test_transfer_finds_networks_that_are_worth_most_elsewhere() -> None:
    table, queries, probes = made_up()
    seen = TrainingData(table, queries[:5], probes)
    space = train_space(seen, OURS, ContrastiveConfig(steps=400, batch=5))
    worth = worth_unseen(space, table, probes, queries[5:], nearest=24)
    assert worth.random < worth.retrieved <= worth.oracle
    assert worth.average <= worth.oracle


def test_networks_that_were_not_probed_lack_what_they_lack_at_home() -> None:
    table, _, probes = made_up()
    best = [4 * at + int(np.argmax(table.accuracy[4 * at : 4 * at + 4])) for at in range(6)]
    few = Probes(np.array(best), probes.tasks, probes.accuracy[best])
    worth = worth_elsewhere(table, few, list(probes.tasks[:5]))
    np.testing.assert_array_equal(worth[best[:5]], probes.accuracy[best[:5], :5])
    assert np.isnan(worth[20:]).all()  # of a task that is not asked for
    other = next(row for row in range(4) if row != best[0])
    lacks = table.accuracy[best[0]] - table.accuracy[other]
    np.testing.assert_allclose(worth[other], probes.accuracy[best[0], :5] - lacks)


def test_only_the_nearest_are_ranked_by_what_is_expected() -> None:
    table, queries, probes = made_up()
    space = train_space(
        TrainingData(table, queries, probes), SpaceConfig(), ContrastiveConfig(steps=50, batch=6)
    )
    generator = np.random.default_rng(0)
    models = generator.normal(size=(24, DIM)).astype(np.float32)
    models /= np.linalg.norm(models, axis=1, keepdims=True)
    allowed = np.array([3, 7, 11])
    query = models[7]
    assert first_found(space, query, models, allowed, nearest=1) == 7
    assert first_found(space, query, models, allowed, nearest=3) in allowed


def test_a_space_survives_its_file(tmp_path: Path) -> None:
    table, queries, probes = made_up()
    space = train_space(
        TrainingData(table, queries, probes), OURS, ContrastiveConfig(steps=5, batch=6)
    )
    path = tmp_path / "space.safetensors"
    write_space(path, space, embedder_dim=8, nearest=7, seed=0)
    found, about = read_space(path)
    assert (about["nearest"], found.config) == (7, OURS)
    for name, value in space.state_dict().items():
        torch.testing.assert_close(found.state_dict()[name], value)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(BundleError):
        read_space(path)
    with pytest.raises(ArgumentError, match="statistics must be of mean"):
        SpaceConfig(statistics=())


def test_a_network_learns_a_few_pictures() -> None:
    images = pictures("made up", 4, 40, 3)
    task = make_task("some", images, images.classes, seed=0)
    torch.manual_seed(0)
    network = Supernet(2).cut(smallest())
    found = learn(network, task, task.train, Budget(40, 16, 0.05), seed=0, test_at=(1,))
    assert found.steps == (1, 40)
    assert found.accuracy[1] > 0.7
    assert found.accuracy[1] > found.accuracy[0]
    assert found.steps_to(found.accuracy[1]) == 40
    assert found.steps_to(1.1) is None


def test_probes_and_table_of_a_real_zoo(picture_data: Path, zoo: Path) -> None:
    table = load_table(zoo)
    assert len(table) == 12
    assert table.functional.shape == (12, FEATURES)
    network = read_network(Bundle.open(table.files[0], kind="zoo"), 0)
    sets = [probe_set(task) for task in FewTasks(picture_data, "meta_train", 0)()]
    worth = probe(network, sets)
    assert worth.shape == (4,)
    assert worth[0] > 0.5  # three colours, which any features tell apart
    with pytest.raises(ArgumentError, match="holds no zoo"):
        load_table(picture_data)


def test_heads_are_calibrated_by_the_networks_that_would_be_found(zoo: Path) -> None:
    table = load_table(zoo)
    embedder = open_embedder("default")
    torch.manual_seed(0)
    dim = open_bundle("default").manifest["embedder"]["dim"]
    space = Space(OURS, dim).eval().requires_grad_(requires_grad=False)
    images = pictures("colours", 12, 24, 3)
    task = make_task("colours", images, images.classes, 0)
    found = calibrate_heads(table, [0, 3, 7], space, [task], embedder)
    assert found.networks == 3
    assert found.temperature > 1
    assert 0.5 < found.auroc <= 1  # colours, which any features tell apart
    assert 0 < found.threshold < 1


def test_a_head_that_confuses_its_classes_is_less_sure() -> None:
    generator = np.random.default_rng(0)
    centres = np.repeat(generator.normal(size=(10, 32)), 20, 0)
    parts = [
        Part((centres + generator.normal(0, noise, centres.shape)).astype(np.float32), [20] * 10)
        for noise in (0.3, 3.0)
    ]
    clear, confused = (calibrate_parts([part]) for part in parts)
    assert clear.temperature > 2 * confused.temperature
    assert clear.auroc > 0.99
    assert confused.auroc < 0.8
    assert clear.threshold > confused.threshold
    assert clear.calibration_error < 0.1


def test_a_trial_is_made_once(picture_data: Path, zoo: Path, tmp_path: Path) -> None:
    table, (task, *_) = load_table(zoo), FewTasks(picture_data, "meta_train", 0)()
    path, budget = tmp_path / "task.0.json", Budget(steps=2, batch=8)

    def trials(budget: Budget = budget) -> Trials:
        return Trials(path, task, task.train, table, budget, seed=0)

    first = trials().of(0, test_at=(1,))
    assert first.steps == (1, 2)
    scratch = trials().from_scratch(0)
    assert scratch.steps == (20,)
    kept = path.read_bytes()
    again = trials()
    assert (again.of(0), again.from_scratch(0)) == (first, scratch)
    assert path.read_bytes() == kept
    assert again.of(1) != first
    with pytest.raises(ArgumentError, match="another budget"):
        trials(Budget(steps=3))


def test_commands_from_a_zoo_to_a_table(
    picture_data: Path, zoo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["--data", str(picture_data), "--zoo", str(zoo), "--probes", str(tmp_path / "probes")]
    space, result = tmp_path / "space.safetensors", tmp_path / "found.json"
    assert cli.main(["train", "retrieval", *given, "--output", str(space)]) == 1
    assert "is not probed" in capsys.readouterr().err
    assert cli.main(["zoo", "probe", *given, "--networks", "1", "--workers", "1"]) == 0
    assert "4 networks on" in capsys.readouterr().out
    assert cli.main(["train", "retrieval", *given, "--output", str(space)]) == 0
    assert "median rank" in capsys.readouterr().out
    about = read_space(space)[1]
    assert about["tasks"] == list(load_table(zoo).tasks)
    assert sorted(about["trained_on"]) == sorted(["made up", "cifar100", *SMALL_SETS[:2]])
    trial = ["evaluate", "retrieval", *given, "--space", f"edgewise={space}", "--steps", "2"]
    trial += ["--runs", str(tmp_path / "runs"), "--group", "meta_test", "--seeds", "1"]
    trial += ["--random", "1", "--workers", "1", "--json", str(result)]
    assert cli.main(trial) == 1  # 30 networks for the oracle, the zoo has 12
    assert "12 networks" in capsys.readouterr().err
    assert cli.main([*trial, "--oracle", "2"]) == 0
    found = json.loads(result.read_text())
    assert found["summary"]["data_sets"] == 3
    assert set(found["queries"][0]["accuracy"]) == {
        "edgewise",
        "best on average",
        "nearest mean",
        "random",
        "scratch",
        "oracle",
    }
    assert found["queries"][0]["scratch_steps"] == 20


def test_a_summary_is_over_data_sets() -> None:
    def query(task: str, ours: float, scratch: float, **more: float) -> dict[str, object]:
        accuracy = {"ours": ours, "best on average": 0.5, "scratch": scratch, **more}
        return {"task": task, "accuracy": accuracy, "steps_to_scratch": 4, "scratch_steps": 40}

    found = [query("a", 0.4, 0.2, oracle=0.7), query("a", 0.6, 0.4), query("b", 0.9, 0.1)]
    summary = summarise(found)
    assert summary["accuracy"] == {"ours": 70.0, "best on average": 50.0, "scratch": 20.0}
    assert (summary["oracle"], summary["oracle_gap"]) == (70.0, 30.0)
    assert summary["within_a_fifth"] == 1.0
    assert sum("mean" in line for line in table_lines(found)) == 1


def test_a_small_zoo_is_chosen_greedily() -> None:
    table, queries, probes = made_up()
    space = train_space(
        TrainingData(table, queries, probes), OURS, ContrastiveConfig(steps=100, batch=6)
    )
    chosen = select_rows(table, queries, space, 5)
    assert len(set(chosen)) == 5
    assert select_rows(table, queries, space, 3) == chosen[:3]
    # The first alone gains most: no other network alone is expected to serve better.
    models, asked = in_space(table, space), held_out_queries(queries, space, 1, 0)[:, 0]
    expected = np.stack([expected_accuracy(space, query, models) for query in asked])
    limits = np.quantile(table.parameters, (0.2, 0.4, 0.6, 0.8, 1.0))
    served = [expected[:, row].sum() * (table.parameters[row] <= limits).sum() for row in range(24)]
    assert served[chosen[0]] == pytest.approx(max(served))
    assert sorted(select_rows(table, queries, space, 99)) == list(range(24))
