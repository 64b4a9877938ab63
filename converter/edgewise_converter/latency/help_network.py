"""HELP's latency predictor as pure functions over dictionaries of tensors.

Lee et al., "HELP: Hardware-adaptive Efficient Latency Prediction for NAS via Meta-Learning"
(NeurIPS 2021, arXiv 2106.08630), section 3: a graph convolution over the NAS-Bench-201 cell, joined
with a branch that reads the hardware embedding, and an inference network that turns the embedding
into a random modulation of the last three layers.

Parameters are plain ``dict[str, Tensor]``, so that ``torch.func`` can differentiate through the
inner loop, ``vmap`` can run one set of parameters per device, and the compiler can trace it.

The graph has an input, the cell's six operations, an output and a global node that receives all of
them and is read out. A node's state depends only on the nodes before it, so most states are shared
between architectures: the input has one, an operation fed by the input one per kind (5), an
operation fed by node 1 one per pair of kinds (25). Those 31 states are computed once; only the last
operation (edge 3<-2), the output and the global node are computed per architecture. It is the same
function as the plain nine-node graph with a third of its arithmetic.

Shapes: N architectures, E reference timings in the embedding, H units.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

Params = dict[str, Tensor]
"""Tensors by name, ``<layer>.weight`` and ``<layer>.bias``."""

OPERATIONS = 5
FEATURES = 8
"""One-hot kind of a node: five operations, input, output, global."""

_INPUT, _OUTPUT, _GLOBAL = 5, 6, 7
_SINGLE = slice(1, 1 + OPERATIONS)
_PAIRED = slice(1 + OPERATIONS, 1 + OPERATIONS + OPERATIONS**2)
SHARED_STATES = _PAIRED.stop
"""Rows of the shared states: input, operation fed by the input, operation fed by node 1."""

GRAPH_SIZE = SHARED_STATES + FEATURES
"""Numbers that describe each of the three nodes computed per architecture."""

_GRAPH_LAYERS = ("gc1", "gc2", "gc3", "gc4")
_MODULATED_LAYERS = ("fc3", "fc4", "fc5")
_LATENT_SCALE = 0.01
_INFERENCE_UNITS = 10
_GRAPH_INIT = 0.05


@dataclass(frozen=True)
class NetworkConfig:
    """Sizes of one predictor.

    Attributes:
        embedding_size: reference timings the hardware branch reads; 0 leaves out the branch and
            the inference network (the paper's MAML and Meta-SGD baselines).
        width: units of every hidden layer of either branch.
    """

    embedding_size: int = 10
    width: int = 100

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


def cell_graphs(operations: Tensor) -> Tensor:
    """Describe cells to :func:`predict`.

    Args:
        operations: (N, 6, 5) one-hot operations in code order (1<-0, 2<-0, 2<-1, 3<-0, 3<-1, 3<-2).

    Returns:
        (3, N, 39) float32 for the last operation, the output and the global node: how often the
        node receives each of the 31 shared states, then the sum of the one-hot kinds it receives.
    """
    op1, op2, op3, op4, op5, op6 = operations.to(torch.float32).unbind(1)
    count, kinds = op1.shape[0], torch.eye(FEATURES)
    to_last = _shared_row(op2, op3, op1)
    to_output = _shared_row(op4, op5, op1)
    to_global = to_last + to_output + F.pad(op1, (_SINGLE.start, SHARED_STATES - _SINGLE.stop))
    to_global = to_global + torch.eye(SHARED_STATES)[0]
    shared = torch.stack((to_last, to_output, to_global))
    last = F.pad(op6, (0, FEATURES - OPERATIONS))
    own = torch.stack((last, kinds[_OUTPUT].expand(count, -1), kinds[_GLOBAL].expand(count, -1)))
    return torch.cat((shared, shared @ _shared_kinds() + own.cumsum(0)), dim=-1)


def init_params(config: NetworkConfig, generator: torch.Generator) -> Params:
    """Fresh weights of the base learner: graph layers uniform in ±0.05, the rest in ±1/√fan-in."""
    params = init_graph_branch(config, generator)
    joint = config.joint_width
    sizes = {"fc3": (joint, joint), "fc4": (joint, joint), "fc5": (joint, 1)}
    if config.hardware:
        sizes = {
            "hw1": (config.embedding_size, config.width),
            "hw2": (config.width, config.width),
            **sizes,
        }
    for name, (inputs, outputs) in sizes.items():
        params |= _init_linear(name, inputs, outputs, generator)
    return params


def init_graph_branch(config: NetworkConfig, generator: torch.Generator) -> Params:
    """Fresh weights of the four graph convolutions alone."""
    params: Params = {}
    for name in _GRAPH_LAYERS:
        rows = FEATURES if name == "gc1" else config.width
        params[f"{name}.weight"] = _uniform((rows, config.width), _GRAPH_INIT, generator)
        params[f"{name}.bias"] = _uniform((config.width,), config.width**-0.5, generator)
    return params


def init_inference(config: NetworkConfig, generator: torch.Generator) -> Params:
    """Fresh weights of the inference network; empty without a hardware embedding."""
    if not config.hardware:
        return {}
    return {
        **_init_linear("z1", config.embedding_size, _INFERENCE_UNITS, generator),
        **_init_linear("z2", _INFERENCE_UNITS, 2 * config.latent_size, generator),
    }


def predict(params: Mapping[str, Tensor], graphs: Tensor, embedding: Tensor) -> Tensor:
    """Scaled latencies, (N,), of ``graphs`` (3, N, 39) on the device of ``embedding`` (E,).

    Without hardware layers in ``params`` the embedding is not read.
    """
    hidden = graph_states(params, graphs)
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


def graph_states(
    params: Mapping[str, Tensor], graphs: Tensor, *, normalise: bool = False
) -> Tensor:
    """Four graph convolutions over ``graphs`` (3, N, 39); the global node's state, (N, H).

    With ``normalise`` every state is layer-normalised, without learnt scale, before the ReLU.
    """
    received, first = graphs[..., :SHARED_STATES], graphs[..., SHARED_STATES:]
    links = _shared_links()

    def layer(name: str, messages: Tensor) -> Tensor:
        states = messages @ params[f"{name}.weight"] + params[f"{name}.bias"]
        return torch.relu(F.layer_norm(states, states.shape[-1:]) if normalise else states)

    shared, own = layer("gc1", links @ _shared_kinds()), layer("gc1", first)
    for name in _GRAPH_LAYERS[1:-1]:
        # The output receives the last operation, and the global node both: a running sum.
        messages = received @ shared + own.cumsum(0)
        shared, own = layer(name, links @ shared), layer(name, messages)
    # Of the last layer only the global node is read.
    return layer(_GRAPH_LAYERS[-1], received[2] @ shared + own.sum(0))


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


def _shared_row(single: Tensor, paired: Tensor, first: Tensor) -> Tensor:
    """(N, 31) one-hot rows of an operation fed by the input plus one fed by node 1."""
    pairs = (paired.unsqueeze(2) * first.unsqueeze(1)).flatten(1)
    return torch.cat((torch.zeros_like(single[:, :1]), single, pairs), dim=1)


def _shared_kinds() -> Tensor:
    """One-hot kinds of the shared states, (31, 8)."""
    kinds = torch.zeros((SHARED_STATES, FEATURES))
    kinds[0, _INPUT] = 1.0
    operations = torch.eye(FEATURES)[:OPERATIONS]
    kinds[_SINGLE] = operations
    kinds[_PAIRED] = operations.repeat_interleave(OPERATIONS, dim=0)
    return kinds


def _shared_links() -> Tensor:
    """What the shared states receive from each other and themselves, (31, 31)."""
    links = torch.eye(SHARED_STATES)
    links[_SINGLE, 0] = 1.0
    links[_PAIRED, _SINGLE] = torch.eye(OPERATIONS).repeat(OPERATIONS, 1)
    return links


def _init_linear(name: str, inputs: int, outputs: int, generator: torch.Generator) -> Params:
    bound = 1.0 / math.sqrt(inputs)
    return {
        f"{name}.weight": _uniform((outputs, inputs), bound, generator),
        f"{name}.bias": _uniform((outputs,), bound, generator),
    }


def _uniform(shape: tuple[int, ...], bound: float, generator: torch.Generator) -> Tensor:
    return torch.empty(shape).uniform_(-bound, bound, generator=generator)
