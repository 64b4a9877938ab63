"""RelationNet (Sung et al. 2018, arXiv 1711.06025): a small network rates how alike two maps are.

As in the paper: the maps of a class (the mean of its labelled images) and of a query are joined
along channels, two blocks of 3×3 convolution, batch norm, ReLU and 2×2 pooling follow, then two
fully connected layers (8 hidden units) and a sigmoid; the loss is the squared error against 1 for
the query's class and 0 for others. Two things differ. Convolutions are padded, here and in the
embedder, which leaves 8×8 maps of 32×32 images and 21×21 of 84×84 (the paper's 19×19). And a class
is the mean of its maps where the paper has the sum, so that one network serves any number of shots.

With the loss `softmax` the scores before the sigmoid are logits of a cross entropy, as Chen et al.
2019 (arXiv 1904.04232) train RelationNet to make it faster; it classifies the same way.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edgewise_converter.fewshot.kinks import rectify

_HIDDEN = 8
RELATION_LOSSES = ("squared", "softmax")


class RelationHead(nn.Module):
    """Loss of an episode's feature maps, and the scores behind it."""

    def __init__(
        self, shots: Sequence[int], side: int, width: int = 64, loss: str = "squared"
    ) -> None:
        """Build it with PyTorch's initial weights.

        Args:
            shots: numbers of labelled images it is trained for; the loss is the mean over them.
            side: height and width of the feature maps.
            width: their channels, and those of the module.
            loss: one of `RELATION_LOSSES`.
        """
        super().__init__()
        self.shots = tuple(shots)
        self.side = side
        self.loss = loss
        # Two halves of one convolution over joined channels: a map is convolved once, not once a
        # pair. That is the same function at a fraction of the work.
        self.of_class = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.of_query = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(width)
        self.conv = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.conv_norm = nn.BatchNorm2d(width)
        self.hidden = nn.Linear(width * (side // 4) ** 2, _HIDDEN)
        self.score = nn.Linear(_HIDDEN, 1)
        self._start_joined()

    def forward(self, features: Tensor) -> Tensor:
        """Loss of the queries' scores.

        Args:
            features: (N, K + Q, C, h, w) of the images of N classes, K = max(shots) labelled first.

        Returns:
            A scalar.
        """
        labelled = max(self.shots)
        maps = features.float()
        ways, queries = len(maps), maps.shape[1] - labelled
        asked = self.of_query(maps[:, labelled:].flatten(0, 1))
        truth = torch.arange(ways).repeat_interleave(queries)
        losses = []
        for shots in self.shots:
            classes = self.of_class(maps[:, :shots].mean(1))
            losses.append(self._loss(self.relate(classes, asked), truth))
        return torch.stack(losses).mean()

    def relate(self, classes: Tensor, queries: Tensor) -> Tensor:
        """How alike convolved maps are, before the sigmoid.

        Args:
            classes: (N, C, h, w), out of `of_class`.
            queries: (M, C, h, w), out of `of_query`.

        Returns:
            (M, N).
        """
        pairs = (queries[:, None] + classes[None]).flatten(0, 1)
        pairs = pairs.contiguous(memory_format=torch.channels_last)
        maps = rectify(self.norm(pairs), pool=True)
        maps = rectify(self.conv_norm(self.conv(maps)), pool=True)
        rated: Tensor = self.score(rectify(self.hidden(maps.flatten(1))))
        return rated.view(len(queries), len(classes))

    def _loss(self, rated: Tensor, truth: Tensor) -> Tensor:
        if self.loss == "softmax":
            return F.cross_entropy(rated, truth)
        return F.mse_loss(torch.sigmoid(rated), F.one_hot(truth, rated.shape[1]).float())

    def _start_joined(self) -> None:
        """Initial weights as one convolution over twice the channels would have them."""
        bound = (9 * 2 * self.of_class.in_channels) ** -0.5
        for half in (self.of_class, self.of_query):
            nn.init.uniform_(half.weight, -bound, bound)
