"""The graph branch of HELP's network: four graph convolutions over the NAS-Bench-201 cell.

The graph has an input, the cell's six operations, an output and a global node that receives all of
them and is read out. A node's state depends only on the nodes before it, so most states are shared
between architectures: the input has one, an operation fed by the input one per kind (5), an
operation fed by node 1 one per pair of kinds (25). Those 31 states are computed once; only the last
operation (edge 3<-2), the output and the global node are computed per architecture. It is the same
function as the plain nine-node graph with a third of its arithmetic.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from edgewise_converter.latency.parameters import Params, uniform

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
_GRAPH_INIT = 0.05


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


def init_graph_branch(width: int, generator: torch.Generator) -> Params:
    """Fresh weights of the four graph convolutions: matrices in ±0.05, biases in ±1/√width."""
    params: Params = {}
    for name in _GRAPH_LAYERS:
        rows = FEATURES if name == "gc1" else width
        params[f"{name}.weight"] = uniform((rows, width), _GRAPH_INIT, generator)
        params[f"{name}.bias"] = uniform((width,), width**-0.5, generator)
    return params


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
