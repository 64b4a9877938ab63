"""A learner: an embedder and a head that rates the embeddings of an episode."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from edgewise.errors import ArgumentError
from edgewise_converter.fewshot.conv4 import BLOCKS, Conv4
from edgewise_converter.fewshot.prototypes import PrototypeHead
from edgewise_converter.fewshot.relation import RELATION_LOSSES, RelationHead

LEARNERS = ("protonet", "relationnet")
_RELATION_POOLS = 2


class Learner(nn.Module):
    """ProtoNet or RelationNet over Conv4."""

    def __init__(
        self,
        kind: str,
        size: tuple[int, int],
        embedder: Conv4,
        head: PrototypeHead | RelationHead,
    ) -> None:
        """Join the parts; see :func:`create_learner`."""
        super().__init__()
        self.kind = kind
        self.size = size
        self.embedder = embedder
        self.head = head

    def forward(self, images: Tensor) -> Tensor:
        """Loss of an episode.

        Args:
            images: (N, K + Q, 3, H, W) standardised, the labelled first.

        Returns:
            A scalar.
        """
        loss: Tensor = self.head(embed(self.embedder, images))
        return loss


def create_learner(
    kind: str,
    *,
    shots: Sequence[int],
    size: tuple[int, int],
    seed: int,
    temperature: float = 1.0,
    width: int = 64,
    relation_loss: str = "squared",
) -> Learner:
    """A fresh learner, determined by the seed.

    Args:
        kind: `protonet` or `relationnet`.
        shots: numbers of labelled images it is trained for.
        size: height and width of the images.
        seed: of the initial weights.
        temperature: ProtoNet's factor on distances.
        width: filters of every convolution.
        relation_loss: RelationNet's, one of `RELATION_LOSSES`.

    Raises:
        ArgumentError: unknown kind or loss, or images too small or not square for RelationNet.
    """
    if kind not in LEARNERS:
        raise ArgumentError(f"unknown learner {kind!r}; known are {', '.join(LEARNERS)}")
    if relation_loss not in RELATION_LOSSES:
        known = ", ".join(RELATION_LOSSES)
        raise ArgumentError(f"unknown loss {relation_loss!r} of RelationNet; known are {known}")
    least = 2**BLOCKS
    if min(size) < least:
        raise ArgumentError(f"images are {size[0]}x{size[1]}, Conv4 takes {least}x{least} or more")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        learner = _build(kind, shots, size, temperature, width, relation_loss)
    return learner.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def _build(
    kind: str,
    shots: Sequence[int],
    size: tuple[int, int],
    temperature: float,
    width: int,
    relation_loss: str,
) -> Learner:
    if kind == "protonet":
        return Learner(kind, size, Conv4(width), PrototypeHead(shots, temperature))
    if size[0] != size[1]:
        raise ArgumentError(f"images are {size[0]}x{size[1]}, RelationNet takes square ones")
    side = size[0] // 2**_RELATION_POOLS
    return Learner(
        kind, size, Conv4(width, _RELATION_POOLS), RelationHead(shots, side, width, relation_loss)
    )


def embed(embedder: nn.Module, images: Tensor) -> Tensor:
    """Embed the images of an episode: (N, M, 3, H, W) to (N, M, ...)."""
    features: Tensor = embedder(images.flatten(0, 1))
    return features.reshape(*images.shape[:2], *features.shape[1:])
