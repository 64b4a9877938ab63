"""One training step of a supernet: the largest network, the smallest, and some in between.

The sandwich rule with distillation in place (Yu & Huang, arXiv 1903.05134): the largest network
learns the labels, the others what the largest says.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edgewise_converter.retrieval.choice import Choice, largest, smallest
from edgewise_converter.retrieval.supernet import Norm, Supernet


def sandwich_step(
    supernet: Supernet, images: Tensor, labels: Tensor, between: Sequence[Choice]
) -> Tensor:
    """Add the gradient of one step to the parameters' `grad`; returns the largest network's loss.

    Args:
        supernet: in training mode.
        images: (B, 3, 32, 32) standardised.
        labels: (B,) int64.
        between: further networks that learn from the largest.
    """
    logits = supernet(images, largest())
    loss = F.cross_entropy(logits, labels)
    loss.backward()  # type: ignore[no-untyped-call]
    taught = F.softmax(logits.detach(), dim=1)
    for choice in (smallest(), *between):
        F.cross_entropy(supernet(images, choice), taught).backward()  # type: ignore[no-untyped-call]
    return loss.detach()


def recalibrate(network: nn.Module, images: Tensor, batch: int = 128) -> None:
    """Set the statistics of every batch norm to their mean over some images.

    What a supernet's shared statistics are to none of its networks. Left in evaluation mode.

    Args:
        network: cut out of a supernet.
        images: (N, 3, 32, 32) standardised.
        batch: at a time.
    """
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    assert not any(isinstance(norm, Norm) for norm in norms)
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain mean over the batches
    network.train()
    with torch.no_grad():
        for part in torch.split(images, batch):
            network(part)
    network.eval()
