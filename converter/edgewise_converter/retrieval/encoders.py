"""The space that data sets and networks share, and what is expected of a pair of them.

Query encoder, model encoder and performance predictor of TANS (Lee et al. 2021, arXiv 2103.01495,
section 3.2 and 3.3).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from edgewise.errors import ArgumentError
from edgewise.retrieval.statistics import STATISTICS, statistics_size
from edgewise_converter.retrieval.supernet import FEATURES
from edgewise_converter.retrieval.topology import TOPOLOGY_SIZE, topology
from edgewise_converter.retrieval.zoo_table import ZooTable

DIM = 128
"""Of the shared space."""


@dataclass(frozen=True)
class SpaceConfig:
    """What a space is made of; the defaults are the paper's version.

    Attributes:
        statistics: what the query encoder reads of the embedded pictures.
        masked: blocks that are not there are zeros in the topology.
        weighted: a task's networks are drawn the more often the better they are on it.
        transfer: the performance predictor learns what networks of any task are worth on pictures
            of another, and not only what each is on its own task.
        hidden: width of the layers between, of query encoder and performance predictor; 0: the
            query encoder is linear.
    """

    statistics: tuple[str, ...] = ("mean",)
    masked: bool = False
    weighted: bool = False
    transfer: bool = False
    hidden: int = 0

    def __post_init__(self) -> None:
        """Check the names.

        Raises:
            ArgumentError: an unknown statistic, or none.
        """
        if not self.statistics or not set(self.statistics) <= set(STATISTICS):
            raise ArgumentError(
                f"statistics must be of {', '.join(STATISTICS)}, not {self.statistics}"
            )

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return {**asdict(self), "statistics": list(self.statistics)}


class Standardise(nn.Module):
    """Takes the mean and the deviation off, which are those of the training data."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, size: int) -> None:
        """Start as the identity."""
        super().__init__()
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("deviation", torch.ones(size))

    def fit(self, rows: Tensor) -> None:
        """Take mean and deviation of (N, size)."""
        self.mean.copy_(rows.mean(0))
        self.deviation.copy_(rows.std(0, unbiased=False).clamp_min(1e-3))

    def forward(self, rows: Tensor) -> Tensor:
        """(N, size) to the same."""
        return (rows - self.mean) / self.deviation


class Space(nn.Module):
    """Both encoders and the performance predictor."""

    def __init__(self, config: SpaceConfig, embedder_dim: int) -> None:
        """Build it with PyTorch's initial weights.

        Args:
            config: what it is made of.
            embedder_dim: D of the shared embedder.
        """
        super().__init__()
        self.config = config
        size = statistics_size(config.statistics, embedder_dim)
        self.of_query = Standardise(size)
        self.of_model = Standardise(TOPOLOGY_SIZE + FEATURES)
        self.query = _dense(size, config.hidden, DIM)
        self.model = nn.Linear(TOPOLOGY_SIZE + FEATURES, DIM)
        self.performance = _dense(3 * DIM, config.hidden or DIM, 1)

    def queries(self, statistics: Tensor) -> Tensor:
        """(N, S) statistics to (N, 128) of unit length."""
        return F.normalize(self.query(self.of_query(statistics)))

    def models(self, described: Tensor) -> Tensor:
        """(M, 214) :func:`describe` of networks to (M, 128) of unit length."""
        return F.normalize(self.model(self.of_model(described)))

    def expected(self, queries: Tensor, models: Tensor) -> Tensor:
        """(N,) accuracies between 0 and 1 of N pairs in the space, (N, 128) each."""
        pair = torch.cat([queries, models, queries * models], 1)
        return torch.sigmoid(self.performance(pair)).squeeze(1)

    def query_layers(self) -> list[tuple[NDArray[np.float32], NDArray[np.float32]]]:
        """Weights (inputs, outputs) and bias of the query encoder, standardising folded in."""
        layers = _layers(self.query)
        weight, bias = layers[0]
        mean, deviation = self.of_query.mean.numpy(), self.of_query.deviation.numpy()
        folded = weight / deviation[:, None]
        return [(folded, bias - mean @ folded), *layers[1:]]

    def performance_layers(self) -> list[tuple[NDArray[np.float32], NDArray[np.float32]]]:
        """Weights (inputs, outputs) and bias of the performance predictor, before the sigmoid."""
        return _layers(self.performance)


def describe(table: ZooTable, *, masked: bool) -> NDArray[np.float32]:
    """(M, 214) float32: topology and functional embedding (of unit length) of all networks."""
    found = np.stack([topology(choice, masked=masked) for choice in table.choices])
    lengths = np.linalg.norm(table.functional, axis=1, keepdims=True)
    functional = table.functional / np.maximum(lengths, np.float32(1e-12))
    return np.concatenate([found, functional], 1)


def _dense(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    if not hidden:
        return nn.Sequential(nn.Linear(inputs, outputs))
    return nn.Sequential(nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, outputs))


def _layers(dense: nn.Sequential) -> list[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    return [
        (layer.weight.detach().numpy().T.copy(), layer.bias.detach().numpy().copy())
        for layer in dense
        if isinstance(layer, nn.Linear)
    ]
