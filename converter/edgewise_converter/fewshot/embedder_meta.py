"""Meta-training of the product's embedder: episodes of the base classes, after its pre-training.

Plain or by L2G, with the same step as any learner (``methods``): prototypes of directions, which is
how the head on the device rates. Batch norms keep the statistics of the pre-training, as they are
at test time; episodes come from each set in turn, at 84×84.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edgewise.errors import ArgumentError
from edgewise_converter.fewshot.base_classes import Base, validating
from edgewise_converter.fewshot.crops import resize
from edgewise_converter.fewshot.embedder import SIDE, Embedder
from edgewise_converter.fewshot.embedder_scores import Scores, embed_pictures, validate
from edgewise_converter.fewshot.episodes import EpisodeSampler, EpisodeShape, Rows
from edgewise_converter.fewshot.learner import Learner
from edgewise_converter.fewshot.methods import METHODS, Bilevel, episodes_of, step_gradient
from edgewise_converter.fewshot.prototypes import PrototypeHead

_LOG = logging.getLogger(__name__)
_MOMENTUM = 0.9
_CENTRE_PICTURES = 20  # of each class


@dataclass(frozen=True)
class MetaConfig:
    """What a meta-training needs beside embedder and images.

    Attributes:
        method: one of `METHODS`.
        episodes: in all; a step of a method with two episodes counts two.
        ways: classes of an episode.
        shots: numbers of labelled images that are trained for.
        queries: of each class.
        rate: SGD's learning rate at first; it falls to zero along half a cosine.
        temperature: on squared distances of directions.
        bilevel: step and weight of L2G.
        validate_every: episodes between two validations.
        seed: of the draws.
    """

    method: str = "l2g"
    episodes: int = 1000
    ways: int = 5
    shots: tuple[int, ...] = (1, 5)
    queries: int = 8
    rate: float = 1e-3
    temperature: float = 8.0
    bilevel: Bilevel = field(default_factory=lambda: Bilevel(step=0.01, weight=1.0))
    validate_every: int = 200
    seed: int = 0

    def __post_init__(self) -> None:
        """Check what only this class knows.

        Raises:
            ArgumentError: an unknown method, or a number out of range.
        """
        if self.method not in METHODS:
            raise ArgumentError(f"unknown method {self.method!r}; known are {', '.join(METHODS)}")
        for name in ("episodes", "rate", "temperature", "validate_every"):
            if not 0 < getattr(self, name) < math.inf:
                raise ArgumentError(f"{name} must be positive, not {getattr(self, name)}")


class Directions(nn.Module):
    """An embedder's centred features at unit length."""

    def __init__(self, embedder: Embedder, centre: Tensor) -> None:
        """Centre by (dim)."""
        super().__init__()
        self.embedder = embedder
        self.centre = nn.Buffer(centre)

    def forward(self, pixels: Tensor) -> Tensor:
        """(B, 3, H, W) pixel values to (B, dim)."""
        features: Tensor = self.embedder(pixels)
        return F.normalize(features.float() - self.centre)


def episodic(bases: Sequence[Base], config: MetaConfig) -> list[Base]:
    """Those with classes enough for the episodes of a step, none in two of them.

    Raises:
        ArgumentError: there are none.
    """
    least = config.ways * episodes_of(config.method)
    found = []
    for each in bases:
        if len(each.rows) >= least:
            found.append(each)
        else:
            _LOG.info("%s: left out, a step takes %d classes", each.benchmark.name, least)
    if not found:
        raise ArgumentError(f"no set has the {least} classes that a step of {config.method} takes")
    return found


def meta_train(
    embedder: Embedder, bases: Sequence[Base], config: MetaConfig, *, low: bool = True
) -> Iterator[Scores]:
    """Train the embedder in place; yields its scores before the first step and as it goes.

    Args:
        embedder: pre-trained.
        bases: whose classes episodes are drawn of, see :func:`episodic`.
        config: everything else.
        low: compute in bfloat16 where no second derivative is needed.

    Raises:
        ArgumentError: too few classes or images for the episodes.
    """
    embedder.eval()  # and stays so: the norms' statistics are frozen
    shape = EpisodeShape(config.ways, max(config.shots), config.queries)
    samplers = [EpisodeSampler(each.rows, shape, config.seed + at) for at, each in enumerate(bases)]
    directions = Directions(embedder, _centre(embedder, bases, low=low))
    head = PrototypeHead(config.shots, config.temperature)
    # A learner is anything that embeds and a head; this one has another embedder than Conv4.
    learner = Learner("protonet", (SIDE, SIDE), directions, head)  # type: ignore[arg-type]
    learner.eval()
    benchmarks = validating(bases)
    sgd = torch.optim.SGD(embedder.parameters(), lr=config.rate, momentum=_MOMENTUM)
    taken = episodes_of(config.method)
    steps = -(-config.episodes // taken)
    every = max(1, config.validate_every // taken)
    losses, seconds = [math.nan], 0.0
    for step in range(steps + 1):
        if step % every == 0 or step == steps:
            accuracy = validate(embedder, benchmarks, low=low)
            yield Scores(step * taken, seconds, float(np.mean(losses)), accuracy)
            losses = []
        if step == steps:
            return
        started = time.perf_counter()
        for group in sgd.param_groups:
            group["lr"] = config.rate * (1 + math.cos(math.pi * step / steps)) / 2
        at = step % len(bases)
        episodes = [_pictures(bases[at], rows) for rows in _draw(samplers[at], step, taken)]
        sgd.zero_grad(set_to_none=True)
        losses.append(
            float(step_gradient(config.method, learner, episodes, config.bilevel, low=low))
        )
        sgd.step()
        seconds += time.perf_counter() - started


def _draw(sampler: EpisodeSampler, step: int, taken: int) -> Sequence[Rows]:
    return [sampler.draw(step)] if taken == 1 else sampler.pair(step)


def _pictures(base: Base, rows: Rows) -> Tensor:
    """(N, M) indices to (N, M, 3, 84, 84) pixel values."""
    pixels = resize(base.benchmark.images.images[rows.ravel()], SIDE)
    return torch.unflatten(pixels, 0, rows.shape)


def _centre(embedder: Embedder, bases: Sequence[Base], *, low: bool) -> Tensor:
    """Mean feature of training pictures, each set the same."""
    means = []
    for base in bases:
        rows = [each[:_CENTRE_PICTURES] for each in base.rows]
        means.append(embed_pictures(embedder, base.benchmark, rows, low=low)[0].mean(0))
    return torch.from_numpy(np.mean(means, axis=0))
