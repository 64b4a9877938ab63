"""The supernet: choices, weights that are shared, and networks cut out of it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from edgewise.errors import ArchitectureError
from edgewise_converter.retrieval.choice import (
    Choice,
    draw_choice,
    largest,
    parse_choice,
    smallest,
)
from edgewise_converter.retrieval.supernet import Norm, Supernet


@pytest.fixture(scope="module")
def supernet() -> Supernet:
    """A supernet whose statistics are not those of a fresh one."""
    torch.manual_seed(3)
    found = Supernet(7)
    for module in found.modules():
        if isinstance(module, Norm):
            for values in (module.weight, module.running_var):
                assert values is not None
                torch.nn.init.uniform_(values, 0.5, 1.5)
            for values in (module.bias, module.running_mean):
                assert values is not None
                torch.nn.init.normal_(values, 0.0, 0.3)
    return found.eval()


def choices() -> list[Choice]:
    generator = np.random.default_rng(1)
    return [largest(), smallest(), *(draw_choice(generator) for _ in range(6))]


@pytest.mark.parametrize("choice", choices(), ids=str)
def test_a_network_cut_out_computes_the_same(supernet: Supernet, choice: Choice) -> None:
    images = torch.randn(3, 3, 32, 32, generator=torch.Generator().manual_seed(5))
    with torch.no_grad():
        expected, found = supernet(images, choice), supernet.cut(choice)(images)
    assert found.shape == (3, 7)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_a_network_cut_out_is_of_its_own(supernet: Supernet) -> None:
    cut = supernet.cut(smallest())
    before = supernet.stem.weight.detach().clone()
    with torch.no_grad():
        for parameter in cut.parameters():
            parameter.zero_()
    assert torch.equal(supernet.stem.weight, before)
    count = sum(parameter.numel() for parameter in cut.parameters())
    assert count < sum(parameter.numel() for parameter in supernet.cut(largest()).parameters()) / 4


def test_training_a_small_network_leaves_the_rest_alone() -> None:
    torch.manual_seed(0)
    supernet = Supernet(4)
    before = {name: value.clone() for name, value in supernet.state_dict().items()}
    images = torch.randn(8, 3, 32, 32)
    supernet(images, smallest()).square().mean().backward()
    slopes = {name: value.grad for name, value in supernet.named_parameters()}
    # The smallest has one block a stage.
    assert all(slopes[name] is None for name in slopes if name.startswith("blocks.1."))
    first = slopes["blocks.0.expand.weight"]
    assert first is not None
    assert first[:32].abs().sum() > 0
    assert first[32:].abs().sum() == 0
    statistics = supernet.state_dict()
    wide = statistics["blocks.0.expand_norm.running_mean"]
    assert not torch.equal(wide[:32], before["blocks.0.expand_norm.running_mean"][:32])
    assert torch.equal(wide[32:], before["blocks.0.expand_norm.running_mean"][32:])


def test_other_classes_keep_everything_but_the_head(supernet: Supernet) -> None:
    other = supernet.with_classes(11)
    assert other.head.out_features == 11
    for name, value in supernet.state_dict().items():
        if not name.startswith("head."):
            assert torch.equal(other.state_dict()[name], value), name


def test_a_choice_and_its_text() -> None:
    for choice in choices():
        assert parse_choice(str(choice)) == choice
    loose = '{"ks":[5,5,5,3,3,3,5,3,5],"e":[4,4,4,2,3,2,2,2,2],"d":[1,2,3]}'
    found = parse_choice(loose)
    assert found.kernels == (5, 3, 3, 3, 3, 3, 5, 3, 5)
    assert found.expansions == (4, 2, 2, 2, 3, 2, 2, 2, 2)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nonsense", r"supernet: at character 0: expected '\{'"),
        ('{"ks":[3],"e":[2]}', "supernet: at character 8: the list is too short"),
        (str(smallest()).replace('"d":[1', '"d":[4'), "a depth is none of 1, 2, 3"),
        (str(smallest()).replace('"e":[2,2', '"e":[2,7'), "an expansion is none of 2, 3, 4"),
    ],
)
def test_what_is_no_choice(text: str, message: str) -> None:
    with pytest.raises(ArchitectureError, match=message):
        parse_choice(text)
