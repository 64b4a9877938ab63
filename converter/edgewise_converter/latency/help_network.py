"""HELP's latency predictor as pure functions over dictionaries of tensors.

Lee et al., "HELP: Hardware-adaptive Efficient Latency Prediction for NAS via Meta-Learning"
(NeurIPS 2021, arXiv 2106.08630), section 3: a branch that reads the architecture, joined with one
that reads the hardware embedding, and an inference network that turns the embedding into a random
modulation of the last three layers. The first branch is a graph convolution over the cell of
NAS-Bench-201 (``cell_network``) or two layers over the one-hot layers of a chain (FBNet, OFA).

Parameters are plain ``dict[str, Tensor]``, so that ``torch.func`` can differentiate through the
inner loop, ``vmap`` can run one set of parameters per device, and the compiler can trace it.

Shapes: N architectures, F columns that describe one, E reference timings in the embedding.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from edgewise_converter.latency.cell_network import graph_states, init_graph_branch
from edgewise_converter.latency.parameters import Params, init_linear

_MODULATED_LAYERS = ("fc3", "fc4", "fc5")
_LATENT_SCALE = 0.01
_INFERENCE_UNITS = 10


@dataclass(frozen=True)
class NetworkConfig:
    """Sizes of one predictor.

    Attributes:
        embedding_size: reference timings the hardware branch reads; 0 leaves out the branch and
            the inference network (the paper's MAML and Meta-SGD baselines).
        width: units of every hidden layer of either branch.
        columns: numbers that describe an architecture of a chain; 0 for a cell's graph.
    """

    embedding_size: int = 10
    width: int = 100
    columns: int = 0

    @property
    def hardware(self) -> bool:
        """Whether the predictor is conditioned on a hardware embedding."""
        return self.embedding_size > 0

    @property
    def joint_width(self) -> int:
        """Units of the layers behind the join of the two branches."""
        return 2 * self.width if self.hardware else self.width

    @property
    def latent_size(self) -> int:
        """Length of z: a factor per input and an offset for each of the last three layers."""
        return len(_MODULATED_LAYERS) * (self.joint_width + 1) if self.hardware else 0


def init_params(config: NetworkConfig, generator: torch.Generator) -> Params:
    """Fresh weights of the base learner: graph layers uniform in ±0.05, the rest in ±1/√fan-in."""
    width, joint = config.width, config.joint_width
    params = {} if config.columns else init_graph_branch(width, generator)
    sizes = {"fc3": (joint, joint), "fc4": (joint, joint), "fc5": (joint, 1)}
    if config.hardware:
        sizes = {"hw1": (config.embedding_size, width), "hw2": (width, width), **sizes}
    if config.columns:
        sizes = {"fc1": (config.columns, width), "fc2": (width, width), **sizes}
    for name, (inputs, outputs) in sizes.items():
        params |= init_linear(name, inputs, outputs, generator)
    return params


def init_inference(config: NetworkConfig, generator: torch.Generator) -> Params:
    """Fresh weights of the inference network; empty without a hardware embedding."""
    if not config.hardware:
        return {}
    return {
        **init_linear("z1", config.embedding_size, _INFERENCE_UNITS, generator),
        **init_linear("z2", _INFERENCE_UNITS, 2 * config.latent_size, generator),
    }


def predict(params: Mapping[str, Tensor], inputs: Tensor, embedding: Tensor) -> Tensor:
    """Scaled latencies, (N,), of architectures on the device of ``embedding`` (E,).

    ``inputs`` are graphs (3, N, 39) or chains (N, F), as ``params`` want them. Without hardware
    layers in ``params`` the embedding is not read.
    """
    chain = "fc1.weight" in params
    hidden = chain_states(params, inputs) if chain else graph_states(params, inputs)
    weight, bias = params["fc3.weight"], params["fc3.bias"]
    if "hw1.weight" in params:
        # The device is the same for every architecture, so its half of the join is done once.
        width = hidden.shape[-1]
        device = torch.relu(F.linear(embedding, params["hw1.weight"], params["hw1.bias"]))
        device = torch.relu(F.linear(device, params["hw2.weight"], params["hw2.bias"]))
        bias = F.linear(device, weight[:, width:], bias)
        weight = weight[:, :width]
    hidden = torch.relu(F.linear(hidden, weight, bias))
    hidden = torch.relu(F.linear(hidden, params["fc4.weight"], params["fc4.bias"]))
    return F.linear(hidden, params["fc5.weight"], params["fc5.bias"]).squeeze(-1)


def chain_states(params: Mapping[str, Tensor], chains: Tensor) -> Tensor:
    """Two layers over ``chains`` (N, F), (N, H)."""
    hidden = torch.relu(F.linear(chains, params["fc1.weight"], params["fc1.bias"]))
    return torch.relu(F.linear(hidden, params["fc2.weight"], params["fc2.bias"]))


def infer(inference: Mapping[str, Tensor], embedding: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of z, each (latent,), given an embedding (E,)."""
    hidden = torch.relu(F.linear(embedding, inference["z1.weight"], inference["z1.bias"]))
    mean, spread = F.linear(hidden, inference["z2.weight"], inference["z2.bias"]).chunk(2)
    return mean, F.softplus(spread)


def divergence(mean: Tensor, deviation: Tensor) -> Tensor:
    """KL divergence from the Gaussian of z to the standard one, summed over z: a scalar."""
    return (0.5 * (deviation**2 + mean**2 - 1.0) - torch.log(deviation)).sum()


def modulate(params: Mapping[str, Tensor], z: Tensor) -> Params:
    """The last three layers under z (latent,): inputs rescaled, biases shifted, by 1 % of z."""
    modulated = dict(params)
    joint = params["fc4.weight"].shape[-1]
    offsets = z[len(_MODULATED_LAYERS) * joint :]
    for index, name in enumerate(_MODULATED_LAYERS):
        factors = z[index * joint : (index + 1) * joint]
        weight, bias = params[f"{name}.weight"], params[f"{name}.bias"]
        modulated[f"{name}.weight"] = weight * (1.0 + _LATENT_SCALE * factors)
        modulated[f"{name}.bias"] = bias + _LATENT_SCALE * offsets[index]
    return modulated
