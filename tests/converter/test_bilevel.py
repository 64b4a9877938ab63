"""L2G's gradient: against automatic differentiation, and against a case that one can write down."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.func import functional_call

from edgewise_converter.fewshot.bilevel import Tensors, bilevel, exact, gradient
from edgewise_converter.fewshot.kinks import recording, rectify, replaying
from edgewise_converter.fewshot.learner import LEARNERS, Learner, create_learner
from edgewise_converter.fewshot.methods import METHODS, Bilevel, episodes_of, step_gradient


def distance(one: Tensors, other: Tensors) -> float:
    return float(torch.cat([(one[name] - other[name]).flatten() for name in one]).norm())


def length(one: Tensors) -> float:
    return distance(one, {name: torch.zeros_like(value) for name, value in one.items()})


def episodes(seed: int = 0) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randn(2, 4, 7, 3, 16, 16, generator=generator)
    return list(drawn + torch.randn(2, 4, 1, 3, 16, 16, generator=generator))


def learner_of(kind: str, width: int = 16) -> Learner:
    return create_learner(
        kind, shots=(1, 3), size=(16, 16), seed=1, temperature=0.05, width=width
    ).train()


def test_a_quadratic_by_hand() -> None:
    # L1 = w² a / 2, L2 = (w - c)² / 2: the objective after two steps is L2 at w (1 - s a)².
    a, c, s, weight, w = 3.0, 0.7, 0.1, 0.5, 2.0

    def first(tensors: Tensors) -> Tensor:
        return a * tensors["w"].square() / 2

    def second(tensors: Tensors) -> Tensor:
        return (tensors["w"] - c).square() / 2

    tensors = {"w": torch.tensor(w, dtype=torch.float64)}
    shrink = (1 - s * a) ** 2
    for run in (bilevel, exact):
        value, found = run(first, second, tensors, {"w"}, step=s, weight=weight, steps=2)
        assert float(value) == pytest.approx(a * w**2 / 2 + weight * (w * shrink - c) ** 2 / 2)
        assert float(found["w"]) == pytest.approx(
            a * w + weight * shrink * (w * shrink - c), rel=1e-6
        )
    _, found = bilevel(
        first, second, tensors, {"w"}, step=s, weight=weight, steps=2, second_order=False
    )
    assert float(found["w"]) == pytest.approx(a * w + weight * (w * shrink - c))


@pytest.mark.parametrize("steps", [1, 2])
@pytest.mark.parametrize("kind", LEARNERS)
def test_it_is_the_gradient_of_automatic_differentiation(kind: str, steps: int) -> None:
    learner, (one, two) = learner_of(kind), episodes()
    tensors = {name: value.detach() for name, value in learner.named_parameters()}
    stepped = {name for name in tensors if kind == "protonet" or name.startswith("head.")}

    def first(values: Tensors) -> Tensor:
        return functional_call(learner, values, (one,))  # type: ignore[no-any-return]

    def second(values: Tensors) -> Tensor:
        return functional_call(learner, values, (two,))  # type: ignore[no-any-return]

    run = {"step": 0.3, "weight": 1.0, "steps": steps}
    value, found = bilevel(first, second, tensors, stepped, **run)  # type: ignore[arg-type]
    truth, wanted = exact(first, second, tensors, stepped, **run)  # type: ignore[arg-type]
    _, short = bilevel(first, second, tensors, stepped, second_order=False, **run)  # type: ignore[arg-type]
    assert float(value) == pytest.approx(float(truth), rel=1e-5)
    hessian_part = distance(wanted, short)
    assert hessian_part > 0.01 * length(wanted)
    assert distance(found, wanted) < 0.03 * hessian_part
    assert distance(found, wanted) < 0.01 * length(wanted)


def test_replayed_units_stay_as_they_fell() -> None:
    generator = torch.Generator().manual_seed(0)
    maps = torch.randn(2, 3, 5, 6, generator=generator)
    with recording() as tape:
        kept = rectify(maps, pool=True)
        flat = rectify(maps)
    assert len(tape) == 2
    torch.testing.assert_close(kept, torch.relu(torch.max_pool2d(maps, 2)))
    torch.testing.assert_close(flat, torch.relu(maps))
    with replaying(tape):
        torch.testing.assert_close(rectify(maps, pool=True), kept)
        torch.testing.assert_close(rectify(maps), flat)
    with replaying(tape):  # linear in what it is given
        torch.testing.assert_close(rectify(-2 * maps, pool=True), -2 * kept)
    torch.testing.assert_close(rectify(-2 * maps), torch.relu(-2 * maps))


@pytest.mark.parametrize("kind", LEARNERS)
@pytest.mark.parametrize("method", METHODS)
def test_each_method_has_the_gradient_of_its_objective(kind: str, method: str) -> None:
    learner = learner_of(kind)
    drawn = episodes()[: episodes_of(method)]
    settings = Bilevel(step=0.3, weight=0.5)
    value = step_gradient(method, learner, drawn, settings, low=False)
    found = {name: p.grad for name, p in learner.named_parameters() if p.grad is not None}
    other = learner_of(kind)
    tensors = {name: p.detach() for name, p in other.named_parameters()}
    assert set(found) == set(tensors)

    def first(values: Tensors) -> Tensor:
        return functional_call(other, values, (drawn[0],))  # type: ignore[no-any-return]

    def last(values: Tensors) -> Tensor:
        return functional_call(other, values, (drawn[-1],))  # type: ignore[no-any-return]

    if method == "plain":
        truth, wanted = gradient(first, tensors)
    elif method == "two-episodes":
        truth, wanted = gradient(lambda values: first(values) + 0.5 * last(values), tensors)
    else:
        stepped = {n for n in tensors if kind == "protonet" or n.startswith("head.")}
        second_order = method == "l2g"
        truth, wanted = bilevel(
            first, last, tensors, stepped, step=0.3, weight=0.5, second_order=second_order
        )
    assert float(value) == pytest.approx(float(truth), rel=1e-5)
    assert distance(found, wanted) < 0.01 * length(wanted)


@pytest.mark.parametrize("kind", LEARNERS)
def test_statistics_are_those_of_plain_passes(kind: str) -> None:
    one, two = episodes()
    learner, plain = learner_of(kind), learner_of(kind)
    step_gradient("l2g", learner, [one, two], Bilevel(0.3, 1.0), low=False)
    plain(one)
    if kind == "relationnet":  # its embedder sees both episodes, un-stepped
        plain.embedder(two.flatten(0, 1))
    for (name, value), (_, wanted) in zip(
        learner.named_buffers(), plain.named_buffers(), strict=True
    ):
        torch.testing.assert_close(value, wanted, msg=name)


def test_bfloat16_is_near(recwarn: pytest.WarningsRecorder) -> None:
    for kind in LEARNERS:
        found = []
        for low in (False, True):
            learner = learner_of(kind)
            step_gradient("l2g", learner, episodes(), Bilevel(0.3, 1.0), low=low)
            found.append({n: p.grad for n, p in learner.named_parameters() if p.grad is not None})
        assert 0 < distance(*found) < 0.35 * length(found[0])
    assert not recwarn
