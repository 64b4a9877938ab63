"""The latency bundle in the package: whole, small, and equal to torch where it is compiled."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
import torch

from edgewise.bundle import Bundle
from edgewise.latency.predictor import open_bundle
from edgewise.runtimes import available_runtimes
from edgewise.spaces import get_space
from edgewise_converter.compile.help_check import check_help
from edgewise_converter.compile.help_graph import QUERIES
from edgewise_converter.compile.latency_bundle import help_network
from edgewise_converter.compile.parity import check_classifier
from edgewise_converter.compile.reference_models import FORMATS, pattern_network

REFERENCES = 24


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return open_bundle("nasbench201")


def test_it_is_whole_and_small(bundle: Bundle) -> None:
    bundle.verify()
    assert len(bundle.manifest["references"]) == REFERENCES
    names = [name for name in bundle.names() if name.startswith("reference.")]
    assert len(names) == REFERENCES * len(FORMATS)
    assert sum(bundle.tensor(name).nbytes for name in names) < 1_200_000
    assert bundle.core.file_bytes < 2_500_000


def test_it_says_where_it_comes_from_and_names_no_folder(bundle: Bundle) -> None:
    for key in ("trained_on", "seed", "command", "licence", "metrics", "parity"):
        assert bundle.manifest[key] is not None, key
    assert not re.search(r"(?<![\w*.])/\w+/", json.dumps(bundle.manifest))


def test_its_reference_models_are_the_networks_they_are_named_after(bundle: Bundle) -> None:
    for index in (0, REFERENCES - 1):
        network = pattern_network("nasbench201", bundle.manifest["references"][index])
        files = {name: bundle.blob(f"reference.{index:02d}.{name}") for name in FORMATS}
        check_classifier(network, files, cases=1, tolerance=1e-4)


def test_its_help_adapts_as_torch_does_in_every_runtime(bundle: Bundle) -> None:
    learner, noise = (
        torch.from_numpy(np.array(bundle.tensor(f"help.{name}"))) for name in ("learner", "noise")
    )
    names = [f"{part}.{file_format}" for part in ("adapt", "predict") for file_format in FORMATS]
    found = check_help(
        "nasbench201",
        help_network(bundle),
        learner,
        noise,
        get_space("nasbench201").encode(bundle.manifest["help"]["references"]),
        {name: bundle.blob(f"help.{name}") for name in names},
        devices=5,
        tolerance=1e-5,
    )
    assert {parity.runtime for parity in found} == set(available_runtimes())
    assert QUERIES == 256
