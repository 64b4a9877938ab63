"""The prior from prices of kernels, against a slow twin and on devices made up by price."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgewise import _core
from edgewise.bundle import Bundle
from edgewise.errors import ArgumentError
from edgewise.latency.edgewise import EdgewisePredictor
from edgewise.latency.predictor import open_bundle
from edgewise.runtimes import available_runtimes
from edgewise.spaces import get_space
from edgewise_converter import cli
from edgewise_converter.compile.parity import check_classifier
from edgewise_converter.compile.reference_models import FORMATS, pattern_network
from edgewise_converter.latency.prior import Prior
from edgewise_converter.latency.prior_kernels import (
    SPACES,
    KernelSettings,
    kernel_prior,
    write_kernel_part,
)
from edgewise_converter.latency.prior_networks import PRICES, TOGETHER, kinds
from edgewise_converter.latency.scoring import spearman

SPACE = get_space("supernet")


@pytest.fixture(scope="module")
def prior() -> Prior:
    return kernel_prior("supernet")


def paid(prices: np.ndarray) -> np.ndarray:
    """(P, C) of the columns, by a network's kernels alone."""
    found = []
    for column in _core.feature_columns(SPACE):
        amounts = _core.network_features(column.kernels)
        amounts[_core.network_columns().index("network")] = column.name == "network"
        found.append(amounts * prices)
    return np.array(found)


@pytest.mark.parametrize("space", SPACES)
def test_a_device_of_each_kind_takes_about_one(space: str) -> None:
    core = get_space(space)
    archs = core.draw(500, seed=9)
    rows = _core.features(core, archs, np.zeros((0, 0)))
    means = (rows @ kernel_prior(space).mean.T).mean(axis=0)
    np.testing.assert_allclose(means, 1.0, rtol=0.05)


def test_a_kind_pays_its_prices(prior: Prior) -> None:
    archs = SPACE.decode(SPACE.draw(20, seed=2))
    rows = _core.features(SPACE, archs, np.zeros((0, 0)))
    priced = np.array([_core.network_features(SPACE.lower(arch)) for arch in archs]) @ kinds().T
    ratio = (rows @ prior.mean.T) / priced
    np.testing.assert_allclose(ratio, np.broadcast_to(ratio[0], ratio.shape))


def test_covariances_are_those_of_the_twin(prior: Prior) -> None:
    settings, names = KernelSettings(), _core.network_columns()
    columns = [column.name.partition("@") for column in _core.feature_columns(SPACE)]
    places = [place for _, _, place in columns]
    layers = {place: at for at, place in enumerate(sorted({p for p in places if p}))}
    for kind in range(len(prior.mean)):
        size = prior.mean[kind].sum() / paid(kinds()[kind]).sum()
        cost = paid(kinds()[kind]) * size
        variances = np.diag(prior.factor_variance[kind])
        found = prior.factors @ variances @ prior.factors.T + np.diag(prior.own_variance[kind])
        for i, j in [(0, 0), (0, 1), (3, 20), (7, 35), (5, 36), (36, 36)]:
            expected = settings.speed**2 * cost[i].sum() * cost[j].sum()
            for c, name in enumerate(names):
                expected += (settings.prices * PRICES[name][1]) ** 2 * cost[i, c] * cost[j, c]
            for group, share in TOGETHER:
                at = [names.index(name) for name in group]
                expected += share**2 * cost[i, at].sum() * cost[j, at].sum()
            if places[i] and places[j]:
                apart = layers[places[i]] - layers[places[j]]
                near = np.exp(-0.5 * (apart / 2.0) ** 2)
                expected += settings.smooth**2 * near * (cost[i] @ cost[j])
                expected += settings.layer**2 * (apart == 0) * cost[i].sum() * cost[j].sum()
            if i == j:
                own = settings.single * cost[i].sum() if places[i] else settings.network
                expected += own**2
            np.testing.assert_allclose(found[i, j], expected, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("kind", range(len(kinds())))
def test_ten_timings_tell_a_device_of_any_kind(prior: Prior, kind: int) -> None:
    """Its prices and every cost differ from the kind's, and its timings are noisy."""
    generator = np.random.default_rng(kind)
    prices = kinds()[kind] * np.exp(0.3 * generator.standard_normal(kinds().shape[1]))
    costs = paid(prices).sum(axis=1)
    costs *= np.exp(0.03 * generator.standard_normal(len(costs)))
    archs = SPACE.decode(SPACE.draw(600, seed=5))
    true = _core.features(SPACE, archs, np.zeros((0, 0))) @ costs
    predictor = EdgewisePredictor(prior.core(), archs)
    timed = [archs.index(arch) for arch in predictor.design(archs[:300], 10)]
    ms = true[timed] * (1 + 0.005 * generator.standard_normal(10))
    found = predictor.adapt([archs[at] for at in timed], ms).predict(archs[300:])
    assert spearman(np.asarray(found.ms), true[300:]) > 0.98
    inside = (np.asarray(found.low) <= true[300:]) & (true[300:] <= np.asarray(found.high))
    assert inside.mean() > 0.85


def test_other_spaces_are_refused() -> None:
    with pytest.raises(ArgumentError, match="for space 'ofa'; there is one for fbnet, supernet"):
        kernel_prior("ofa")


def test_the_part_is_the_prior_that_ships(tmp_path: Path) -> None:
    path = tmp_path / "part.safetensors"
    write_kernel_part("supernet", path, references=24, command="compile")
    part, shipped = Bundle.open(path, kind="latency"), open_bundle("supernet")
    shipped.verify()
    assert part.manifest["references"] == shipped.manifest["references"]
    assert len(set(part.manifest["references"])) == 24
    assert shipped.manifest["trained_on"] == []
    for name in part.names():
        if name != "edgewise.factors":  # of eigenvectors the signs are free
            np.testing.assert_allclose(part.tensor(name), shipped.tensor(name), rtol=1e-9)


def test_shipped_reference_models_are_the_networks_they_are_named_after() -> None:
    shipped = open_bundle("supernet")
    for index in (0, 23):
        network = pattern_network("supernet", shipped.manifest["references"][index])
        files = {name: shipped.blob(f"reference.{index:02d}.{name}") for name in FORMATS}
        found = check_classifier(network, files, cases=1, tolerance=1e-4)
        assert {parity.runtime for parity in found} == set(available_runtimes())


def test_compiled_by_command(tmp_path: Path) -> None:
    path = tmp_path / "supernet.safetensors"
    command = ["compile", "latency", "--space", "supernet", "--references", "5"]
    assert cli.main([*command, "--output", str(path)]) == 0
    bundle = Bundle.open(path, kind="latency")
    assert bundle.manifest["references"] == open_bundle("supernet").manifest["references"][:5]
    assert bundle.manifest["command"] == " ".join(["edgewise-converter", *command])
    assert bundle.blob("reference.04.onnx") == open_bundle("supernet").blob("reference.04.onnx")
