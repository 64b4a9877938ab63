"""ProtoNet (Snell et al. 2017, arXiv 1703.05175): the class whose mean embedding is nearest."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class PrototypeHead(nn.Module):
    """Loss of an episode's embeddings; it has no weights."""

    def __init__(self, shots: Sequence[int], temperature: float = 1.0) -> None:
        """Make the head.

        Args:
            shots: numbers of labelled images it is trained for; the loss is the mean over them.
            temperature: factor on the negative squared distances.
        """
        super().__init__()
        self.shots = tuple(shots)
        self.temperature = temperature

    def forward(self, features: Tensor) -> Tensor:
        """Cross entropy of the queries.

        Labelled images are used up: with k shots of K, K // k groups of them are K // k sets of
        prototypes for the same queries.

        Args:
            features: (N, K + Q, ...) of the images of N classes, K = max(shots) labelled first.

        Returns:
            A scalar.
        """
        labelled = max(self.shots)
        flat = features.float().flatten(2)
        ways, queries = len(flat), flat.shape[1] - labelled
        asked = flat[:, labelled:].flatten(0, 1)
        losses = []
        for shots in self.shots:
            groups = labelled // shots
            means = flat[:, : groups * shots].reshape(ways, groups, shots, -1).mean(2)
            logits = self.temperature * scores(means.transpose(0, 1), asked)
            truth = torch.arange(ways).repeat_interleave(queries).repeat(groups)
            losses.append(F.cross_entropy(logits.flatten(0, 1), truth))
        return torch.stack(losses).mean()


def scores(prototypes: Tensor, queries: Tensor) -> Tensor:
    """Negative squared Euclidean distances.

    Args:
        prototypes: (..., N, D).
        queries: (..., M, D), with the same leading sizes or none.

    Returns:
        (..., M, N).
    """
    products = queries @ prototypes.transpose(-1, -2)
    norms = prototypes.square().sum(-1)
    return 2 * products - norms.unsqueeze(-2) - queries.square().sum(-1, keepdim=True)
