"""Pre-training of the product's embedder: all base classes at once, one cosine classifier a set.

Cosine classifiers (Gidaris & Komodakis 2018, arXiv 1804.09458; Chen et al. 2019, arXiv 1904.04232)
make embeddings whose directions tell classes apart, which is what the prototype head reads. One
cycle of the learning rate (Smith & Topin 2017, arXiv 1708.07120), and pictures that grow on the
way: most of the steps are taken where a step is cheap.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from edgewise.errors import ArgumentError
from edgewise_converter.fewshot.base_classes import Base, validating
from edgewise_converter.fewshot.crops import random_batch
from edgewise_converter.fewshot.embedder import SIDE, create_embedder
from edgewise_converter.fewshot.embedder_scores import Scores, validate

_MOMENTUM = 0.9
_WARM = 0.1  # share of the steps in which the rate rises
_SIDES = ((0.45, 48), (0.8, 64), (1.0, 72))  # until which share of the steps, pixels
_SCALE = 10.0  # of the cosines, at first


@dataclass(frozen=True)
class PretrainingConfig:
    """What a pre-training needs beside its images.

    Attributes:
        size: of the embedder, by name.
        epochs: passes over the set that is through first.
        batch: pictures of a step.
        shares: of each set in a batch, in the order of the sets, as whole numbers; none: alike.
        rate: the highest learning rate.
        decay: weight decay of the convolutions.
        smoothing: of the labels.
        side: of the pictures, pixels; 0: they grow on the way.
        validate_every: epochs between two validations.
        seed: of initial weights and draws.
    """

    size: str = "xlarge"
    epochs: int = 24
    batch: int = 64
    shares: tuple[int, ...] = ()
    rate: float = 0.1
    decay: float = 5e-4
    smoothing: float = 0.1
    side: int = 0
    validate_every: int = 2
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
            ArgumentError: one is out of range.
        """
        for name in ("epochs", "batch", "rate", "validate_every"):
            if not 0 < getattr(self, name) < math.inf:
                raise ArgumentError(f"{name} must be positive, not {getattr(self, name)}")
        if self.side and not _SIDES[0][1] <= self.side <= SIDE:
            raise ArgumentError(f"side must be {_SIDES[0][1]} to {SIDE} or 0, not {self.side}")
        if any(share < 1 for share in self.shares):
            raise ArgumentError(f"shares must be positive, not {self.shares}")


class CosineClassifier(nn.Module):
    """Logits that are scaled cosines between an embedding and a vector for each class."""

    def __init__(self, dim: int, classes: int) -> None:
        """Start from random directions."""
        super().__init__()
        self.weight = nn.Parameter(torch.randn(classes, dim) / math.sqrt(dim))
        self.scale = nn.Parameter(torch.tensor(_SCALE))

    def forward(self, features: Tensor) -> Tensor:
        """(B, dim) to (B, classes)."""
        return self.scale * F.normalize(features) @ F.normalize(self.weight).T


class Pretrainer:
    """Runs the steps; its whole state can be saved and loaded between them."""

    def __init__(
        self, bases: Sequence[Base], config: PretrainingConfig, *, low: bool = True
    ) -> None:
        """Start from a fresh embedder.

        Args:
            bases: what to learn from.
            config: everything else.
            low: compute in bfloat16.

        Raises:
            ArgumentError: as many shares as bases are needed, or none.
        """
        shares = config.shares or (1,) * len(bases)
        if len(shares) != len(bases):
            raise ArgumentError(f"{len(bases)} sets need as many shares, not {config.shares}")
        self.config = config
        self.embedder = create_embedder(config.size, config.seed)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed + 1)
            dim = self.embedder.widths.dim
            self.heads = nn.ModuleList(CosineClassifier(dim, len(each.rows)) for each in bases)
        self._bases = bases
        self._low = low
        self._streams = [_Stream(each, config.seed + at) for at, each in enumerate(bases)]
        self._counts = [max(1, config.batch * share // sum(shares)) for share in shares]
        self._epoch_steps = min(
            len(each) // count for each, count in zip(self._streams, self._counts, strict=True)
        )
        self.steps = config.epochs * self._epoch_steps
        self._sgd = self._optimiser()
        self.step = 0
        self.seconds = 0.0

    def run(self, save_every: int = 500) -> Iterator[Scores | None]:
        """Train to the end; yields at every validation its scores, and None every so many steps."""
        every = self.config.validate_every * self._epoch_steps
        losses: list[float] = []
        self.embedder.train()
        while self.step < self.steps:
            started = time.perf_counter()
            losses.append(self._train_step())
            self.seconds += time.perf_counter() - started
            if self.step % every == 0 or self.step == self.steps:
                yield self._validate(float(np.mean(losses)))
                losses = []
            elif self.step % save_every == 0:
                yield None

    def state(self) -> dict[str, Tensor]:
        """Every tensor needed to go on: weights, statistics, momenta, where it stands."""
        tensors = dict(self._modules().state_dict())
        for name, parameter in self._modules().named_parameters():
            momentum = self._sgd.state.get(parameter, {}).get("momentum_buffer")
            if momentum is not None:
                tensors[f"momentum.{name}"] = momentum
        tensors["step"] = torch.tensor(self.step)
        tensors["seconds"] = torch.tensor(self.seconds, dtype=torch.float64)
        return tensors

    def load_state(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on from :meth:`state` of a trainer with the same images and configuration."""
        modules = self._modules()
        modules.load_state_dict({name: tensors[name] for name in modules.state_dict()})
        for name, parameter in modules.named_parameters():
            if f"momentum.{name}" in tensors:
                kept = torch.empty_like(parameter).copy_(tensors[f"momentum.{name}"])
                self._sgd.state[parameter] = {"momentum_buffer": kept}
        self.step = int(tensors["step"])
        self.seconds = float(tensors["seconds"])

    def _modules(self) -> nn.Module:
        return nn.ModuleDict({"embedder": self.embedder, "heads": self.heads})

    def _optimiser(self) -> torch.optim.SGD:
        decayed = [each for each in self._modules().parameters() if each.ndim > 1]
        others = [each for each in self._modules().parameters() if each.ndim <= 1]
        groups = [
            {"params": decayed, "weight_decay": self.config.decay},
            {"params": others, "weight_decay": 0.0},
        ]
        return torch.optim.SGD(groups, lr=self.config.rate, momentum=_MOMENTUM, nesterov=True)

    def _train_step(self) -> float:
        progress = self.step / self.steps
        for group in self._sgd.param_groups:
            group["lr"] = self.config.rate * one_cycle(progress)
        batches = [
            stream.batch(self.step, count, self.config.side or side_at(progress))
            for stream, count in zip(self._streams, self._counts, strict=True)
        ]
        pixels = torch.cat([pictures for pictures, _ in batches])
        with torch.autocast("cpu", torch.bfloat16, enabled=self._low):
            features = self.embedder(pixels.contiguous(memory_format=torch.channels_last))
        parts = features.float().split([len(truth) for _, truth in batches])
        smoothing = self.config.smoothing
        losses = [
            F.cross_entropy(head(part), truth, label_smoothing=smoothing, reduction="sum")
            for head, part, (_, truth) in zip(self.heads, parts, batches, strict=True)
        ]
        loss = torch.stack(losses).sum() / len(pixels)
        self._sgd.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self._sgd.step()
        self.step += 1
        return float(loss.detach())

    def _validate(self, loss: float) -> Scores:
        self.embedder.eval()
        accuracy = validate(self.embedder, validating(self._bases), low=self._low)
        self.embedder.train()
        return Scores(self.step / self._epoch_steps, self.seconds, loss, accuracy)


def one_cycle(progress: float) -> float:
    """Share of the highest rate: up in a line, down along half a cosine."""
    if progress < _WARM:
        return max(progress, 1e-3) / _WARM
    return (1 + math.cos(math.pi * (progress - _WARM) / (1 - _WARM))) / 2


def side_at(progress: float) -> int:
    """Height and width of the pictures.

    At the end 72, not 84: a random crop is enlarged, so things in it are as large as in a whole
    picture of 84 (Touvron et al. 2019, arXiv 1906.06423).
    """
    return next((side for until, side in _SIDES if progress < until), _SIDES[-1][1])


class _Stream:
    """Endless pictures of one set, every one once an epoch, determined by the step."""

    def __init__(self, base: Base, seed: int) -> None:
        self._images = base.benchmark.images.images
        self._drawn = base.drawn
        self._rows = np.concatenate(base.rows)
        self._labels = np.repeat(np.arange(len(base.rows)), [len(each) for each in base.rows])
        self._seed = seed
        self._epoch = -1
        self._order: NDArray[np.int64] = np.empty(0, np.int64)

    def __len__(self) -> int:
        return len(self._rows)

    def batch(self, step: int, count: int, side: int) -> tuple[Tensor, Tensor]:
        """(count, 3, side, side) pictures and (count,) labels of a step."""
        epoch, at = divmod(step, len(self) // count)
        if epoch != self._epoch:
            self._epoch = epoch
            self._order = np.random.default_rng((self._seed, epoch)).permutation(len(self))
        picked = self._order[at * count : (at + 1) * count]
        generator = np.random.default_rng((self._seed, epoch, at))
        pictures = random_batch(
            self._images, self._rows[picked], side, generator, drawn=self._drawn
        )
        return pictures, torch.from_numpy(self._labels[picked])
