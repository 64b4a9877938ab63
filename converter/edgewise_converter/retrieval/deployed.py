"""A network of the zoo as devices run it: from pixel values to features."""

from __future__ import annotations

from torch import Tensor, nn

from edgewise_converter.fewshot.conv4 import PIXEL_SCALE, PIXEL_ZERO
from edgewise_converter.spaces.mobile import Classifier


class DeployedFeatures(nn.Module):
    """A classifier without its head, which takes pixels as they are.

    Standardisation is a norm of its own: folded into the first convolution, it would change what
    padding means.
    """

    def __init__(self, network: Classifier) -> None:
        """Take the features of ``network``; they are shared, not copied."""
        super().__init__()
        self.standardise = _pixel_norm()
        self.features = network.features
        self.eval()

    def forward(self, pixels: Tensor) -> Tensor:
        """(B, 3, 32, 32) float32 of 0..255 to (B, 160)."""
        features: Tensor = self.features(self.standardise(pixels)).mean(dim=(2, 3))
        return features


def _pixel_norm() -> nn.BatchNorm2d:
    """What ``conv4.standardise`` does, as a norm with fixed statistics."""
    norm = nn.BatchNorm2d(3, eps=0.0)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    norm.running_mean.fill_(PIXEL_ZERO)
    norm.running_var.fill_(PIXEL_SCALE**2)
    return norm
