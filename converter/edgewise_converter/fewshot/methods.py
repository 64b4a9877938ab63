"""The gradient of one training step, by method: plain, two episodes, L2G of first and second order.

A step takes what the method needs: one episode, or two without a class in common.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call

from edgewise_converter.fewshot.bilevel import Loss, Tensors, bilevel
from edgewise_converter.fewshot.learner import Learner, embed

METHODS = ("plain", "l2g", "l2g-first-order", "two-episodes")


def episodes_of(method: str) -> int:
    """How many episodes one step of a method takes."""
    return 1 if method == "plain" else 2


@dataclass(frozen=True)
class Bilevel:
    """What L2G and its ablation need beside a learner.

    Attributes:
        step: size of the step on the first episode.
        weight: of the second episode's loss beside the first one's.
        steps: how many such steps.
    """

    step: float
    weight: float
    steps: int = 1


def step_gradient(
    method: str, learner: Learner, episodes: list[Tensor], settings: Bilevel, *, low: bool
) -> Tensor:
    """Put the gradient of one training step into the learner's parameters.

    Running statistics of batch norm take in plain passes only, never those at stepped parameters.

    Args:
        method: one of `METHODS`.
        learner: in training mode.
        episodes: images (N, K + Q, 3, H, W), as many as :func:`episodes_of` says.
        settings: of the bilevel objective.
        low: let passes that need no second derivative run in bfloat16.

    Returns:
        The objective, a scalar.
    """
    first, *others = episodes
    if method in ("plain", "two-episodes"):
        return _plain(learner, first, others, settings.weight, low=low)
    second_order = method == "l2g"
    if learner.kind == "relationnet":
        return _on_head(learner, first, others[0], settings, second_order=second_order, low=low)
    return _on_all(learner, first, others[0], settings, second_order=second_order, low=low)


def _plain(
    learner: Learner, first: Tensor, others: list[Tensor], weight: float, *, low: bool
) -> Tensor:
    """Weighted sum of the episodes' losses, no step between them."""
    with _autocast(low):
        loss: Tensor = learner(first)
        for other in others:
            loss = loss + weight * learner(other)
    loss.backward()  # type: ignore[no-untyped-call]
    return loss.detach()


def _on_all(
    learner: Learner,
    first: Tensor,
    second: Tensor,
    settings: Bilevel,
    *,
    second_order: bool,
    low: bool,
) -> Tensor:
    """L2G with the step on every weight of the embedder (ProtoNet)."""
    statistics = _Statistics(learner)

    def before(tensors: Tensors) -> Tensor:
        with _autocast(low and not second_order):
            return statistics.call(learner, tensors, first)

    def after(tensors: Tensors) -> Tensor:
        with _autocast(low):
            return statistics.call(learner, tensors, second)

    tensors: Tensors = dict(learner.named_parameters())
    value, found = bilevel(
        before,
        after,
        tensors,
        set(tensors),
        step=settings.step,
        weight=settings.weight,
        steps=settings.steps,
        second_order=second_order,
    )
    _accumulate(tensors, found)
    return value


def _on_head(
    learner: Learner,
    first: Tensor,
    second: Tensor,
    settings: Bilevel,
    *,
    second_order: bool,
    low: bool,
) -> Tensor:
    """L2G with the step on the relation module (RelationNet).

    The embeddings of both episodes are tensors of the objective, so that the embedder itself runs
    and is differentiated once an episode.
    """
    with _autocast(low):
        maps = [embed(learner.embedder, images).float() for images in (first, second)]
    statistics = _Statistics(learner.head)
    weights: Tensors = dict(learner.head.named_parameters())

    def loss_of(features: str) -> Loss:
        def loss(tensors: Tensors) -> Tensor:
            own = {name: tensors[name] for name in weights}
            return statistics.call(learner.head, own, tensors[features])

        return loss

    value, found = bilevel(
        loss_of("features.first"),
        loss_of("features.second"),
        weights | {"features.first": maps[0].detach(), "features.second": maps[1].detach()},
        set(weights),
        step=settings.step,
        weight=settings.weight,
        steps=settings.steps,
        second_order=second_order,
    )
    torch.autograd.backward(maps, [found["features.first"], found["features.second"]])
    _accumulate(weights, found)
    return value


class _Statistics:
    """Lets the first call of a module update its running statistics, and later ones none."""

    def __init__(self, module: nn.Module) -> None:
        self._real = dict(module.named_buffers())
        self._spare = {name: value.clone() for name, value in self._real.items()}
        self._used = False

    def call(self, module: nn.Module, tensors: Tensors, given: Tensor) -> Tensor:
        buffers = self._spare if self._used else self._real
        self._used = True
        loss: Tensor = functional_call(module, {**tensors, **buffers}, (given,))
        return loss


def _accumulate(parameters: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> None:
    for name, value in parameters.items():
        value.grad = found[name] if value.grad is None else value.grad + found[name]


def _autocast(low: bool) -> torch.autocast:
    return torch.autocast("cpu", torch.bfloat16, enabled=low)
