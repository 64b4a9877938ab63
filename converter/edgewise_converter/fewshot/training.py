"""Training of a learner by episodes: resumable, and the best step chosen by validation classes."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from edgewise.errors import ArgumentError
from edgewise_converter.fewshot.conv4 import standardise
from edgewise_converter.fewshot.embedders import LearnerEmbedder
from edgewise_converter.fewshot.embedding import embed_all, episode_accuracies
from edgewise_converter.fewshot.episodes import EpisodeSampler, EpisodeShape, Rows
from edgewise_converter.fewshot.learner import Learner, create_learner
from edgewise_converter.fewshot.methods import METHODS, Bilevel, episodes_of, step_gradient
from edgewise_converter.images.benchmarks import Benchmark

_LOG = logging.getLogger(__name__)

_VALIDATION_EPISODES = {"protonet": 2000, "relationnet": 400}
_VALIDATION_SEED = 7
_VALIDATION_QUERIES = 15


@dataclass(frozen=True)
class TrainingConfig:
    """What one training needs beside its images.

    Attributes:
        learner: `protonet` or `relationnet`.
        method: one of `METHODS`.
        episodes: training episodes in all; a step of a method with two episodes counts two.
        ways: classes of an episode.
        shots: numbers of labelled images that are trained for, on the same embeddings.
        queries: queries of each class.
        rate: Adam's learning rate at first; it falls to zero along half a cosine.
        temperature: ProtoNet's factor on distances.
        relation_loss: RelationNet's, `squared` as in its paper or `softmax`.
        bilevel: step and weight of L2G, weight of the second episode.
        disjoint: draw the two episodes of a step without a common class.
        width: filters of every convolution.
        validate_every: episodes between two validations.
        low: compute in bfloat16 where no second derivative is needed.
        seed: of the initial weights and of every draw.
    """

    learner: str = "protonet"
    method: str = "plain"
    episodes: int = 20_000
    ways: int = 5
    shots: tuple[int, ...] = (1, 5)
    queries: int = 15
    rate: float = 1e-3
    temperature: float = 1.0
    relation_loss: str = "squared"
    bilevel: Bilevel = field(default_factory=lambda: Bilevel(step=0.1, weight=1.0))
    disjoint: bool = True
    width: int = 64
    validate_every: int = 1000
    low: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        """Check what only this class knows.

        Raises:
            ArgumentError: an unknown method, or a number out of range.
        """
        if self.method not in METHODS:
            raise ArgumentError(f"unknown method {self.method!r}; known are {', '.join(METHODS)}")
        if not self.shots or min(self.shots) < 1:
            raise ArgumentError(f"shots must be positive numbers, not {self.shots}")
        for name in ("episodes", "validate_every", "width"):
            if getattr(self, name) < 1:
                raise ArgumentError(f"{name} must be positive, not {getattr(self, name)}")
        for name in ("rate", "temperature"):
            if not 0 < getattr(self, name) < math.inf:
                raise ArgumentError(f"{name} must be positive, not {getattr(self, name)}")


@dataclass(frozen=True)
class Validation:
    """Where a training stood.

    Attributes:
        episode: training episodes drawn so far.
        seconds: of CPU time that training steps took so far; other programs do not change it.
        loss: mean of the objective since the last validation.
        accuracy: of 5-way episodes of the validation classes, by number of shots.
    """

    episode: int
    seconds: float
    loss: float
    accuracy: dict[int, float]

    @property
    def score(self) -> float:
        """What the best step is chosen by: the mean of the accuracies."""
        return sum(self.accuracy.values()) / len(self.accuracy)


class Trainer:
    """Runs the steps; its whole state can be saved and loaded between them."""

    def __init__(
        self, benchmark: Benchmark, config: TrainingConfig, start: Learner | None = None
    ) -> None:
        """Start from a fresh learner, or from the weights of another.

        Args:
            benchmark: images, training and validation classes.
            config: everything else.
            start: a learner of the same kind, width and size of images.

        Raises:
            ArgumentError: the benchmark has too few classes or images for the episodes, or the
                learner to start from is another one.
        """
        self.config = config
        self.images = benchmark.images.images
        size = (self.images.shape[1], self.images.shape[2])
        self.learner = create_learner(
            config.learner,
            shots=config.shots,
            size=size,
            seed=config.seed,
            temperature=config.temperature,
            width=config.width,
            relation_loss=config.relation_loss,
        )
        if start is not None:
            _check_same(start, self.learner)
            self.learner.load_state_dict(start.state_dict())
        shape = EpisodeShape(config.ways, max(config.shots), config.queries)
        self._sampler = EpisodeSampler(benchmark.rows("train"), shape, config.seed)
        self._validation_rows = benchmark.rows("val")
        self._adam = torch.optim.Adam(self.learner.parameters(), lr=config.rate)
        self.step = 0
        self.seconds = 0.0
        self.steps = -(-config.episodes // episodes_of(config.method))
        self._draw(0)  # says at once what cannot be drawn

    @property
    def episode(self) -> int:
        """Training episodes drawn so far."""
        return self.step * episodes_of(self.config.method)

    def run(self) -> Iterator[Validation]:
        """Train to the end; yields at every validation, and after the last step."""
        taken = episodes_of(self.config.method)
        every = -(-self.config.validate_every // taken)
        losses: list[float] = []
        self.learner.train()
        while self.step < self.steps:
            started = time.process_time()
            losses.append(self._train_step())
            self.seconds += time.process_time() - started
            if self.step % every == 0 or self.step == self.steps:
                loss = float(np.mean(losses))
                yield Validation(self.episode, self.seconds, loss, self.validate())
                losses = []

    def validate(self) -> dict[int, float]:
        """Accuracy on 5-way episodes of the validation classes, by shots; percent."""
        self.learner.eval()
        embedder = LearnerEmbedder(self.learner, low=self.config.low)
        embedded = embed_all(embedder, self.images, self._validation_rows)
        count, found = _VALIDATION_EPISODES[self.config.learner], {}
        for shots in self.config.shots:
            shape = EpisodeShape(min(5, len(embedded.sizes)), shots, _VALIDATION_QUERIES)
            right = episode_accuracies(embedded, embedder, shape, count, _VALIDATION_SEED)
            found[shots] = 100 * float(right.mean())
        self.learner.train()
        return found

    def state(self) -> dict[str, Tensor]:
        """Every tensor needed to go on: weights, statistics, Adam's moments, where it stands."""
        tensors = dict(self.learner.state_dict())
        for name, parameter in self.learner.named_parameters():
            for key, value in self._adam.state.get(parameter, {}).items():
                tensors[f"adam.{key}.{name}"] = value
        tensors["step"] = torch.tensor(self.step)
        tensors["seconds"] = torch.tensor(self.seconds, dtype=torch.float64)
        return tensors

    def load_state(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on from :meth:`state` of a trainer with the same benchmark and configuration."""
        self.learner.load_state_dict({name: tensors[name] for name in self.learner.state_dict()})
        for name, parameter in self.learner.named_parameters():
            moments = {
                key: tensors[f"adam.{key}.{name}"].clone()
                for key in ("step", "exp_avg", "exp_avg_sq")
                if f"adam.{key}.{name}" in tensors
            }
            if moments:
                self._adam.state[parameter] = _laid_out_as(parameter, moments)
        self.step = int(tensors["step"])
        self.seconds = float(tensors["seconds"])

    def _train_step(self) -> float:
        config = self.config
        for group in self._adam.param_groups:
            group["lr"] = config.rate * (1 + math.cos(math.pi * self.step / self.steps)) / 2
        self._adam.zero_grad(set_to_none=True)
        loss = step_gradient(
            config.method, self.learner, self._draw(self.step), config.bilevel, low=config.low
        )
        self._adam.step()
        self.step += 1
        return float(loss)

    def _draw(self, number: int) -> list[Tensor]:
        """The episodes of a step."""
        if episodes_of(self.config.method) == 1:
            drawn = [self._sampler.draw(number)]
        elif self.config.disjoint:
            drawn = list(self._sampler.pair(number))
        else:
            drawn = [self._sampler.draw(2 * number), self._sampler.draw(2 * number + 1)]
        return [_images_of(self.images, rows) for rows in drawn]


def _check_same(start: Learner, learner: Learner) -> None:
    """Refuse to start from a learner of other tensors."""

    def written(each: Learner) -> str:
        return f"{each.kind}, width {each.embedder.width}, images {each.size[0]}x{each.size[1]}"

    if written(start) != written(learner):
        raise ArgumentError(f"cannot start from {written(start)}: this is {written(learner)}")


def _images_of(images: NDArray[np.uint8], rows: Rows) -> Tensor:
    """(N, M) indices to (N, M, 3, H, W) standardised images."""
    return torch.unflatten(standardise(images[rows.ravel()]), 0, rows.shape)


def _laid_out_as(parameter: Tensor, moments: dict[str, Tensor]) -> dict[str, Tensor]:
    """Moments in the memory layout of their parameter, which a file does not keep."""
    return {
        key: torch.empty_like(parameter).copy_(value) if value.ndim else value
        for key, value in moments.items()
    }
