"""BRP-NAS (Dudziak et al., NeurIPS 2020, arXiv 2007.08668), which HELP is compared with.

A graph convolution over the cell trained on 900 timings of the device itself. Settings are those of
its released latency predictor, but for mini-batches of ten in place of one, which trains in a tenth
of the time.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
from torch import Tensor
from torch.nn import functional as F

from edgewise.storage import write_atomic
from edgewise_converter.latency.baselines.own_data import IntArray, predict_apart
from edgewise_converter.latency.cell_network import graph_states, init_graph_branch
from edgewise_converter.latency.encodings.encoding import FloatArray
from edgewise_converter.latency.encodings.registry import help_inputs
from edgewise_converter.latency.methods import Adapter, Sources
from edgewise_converter.latency.parameters import Params

_HELD_OUT = 0.1


@dataclass(frozen=True)
class BrpNas:
    """The method.

    Attributes:
        timings: architectures of the device it is trained on, a tenth of them to stop by.
        width: units of each of the four graph convolutions.
        epochs: at most.
        batch: timings of a step.
        rate: AdamW's, a tenth of it after ``patience`` epochs without progress.
        decay: AdamW's weight decay.
        patience: see ``rate``.
        stop: epochs without progress after which training ends.
    """

    timings: int = 900
    width: int = 600
    epochs: int = 250
    batch: int = 10
    rate: float = 4e-4
    decay: float = 5e-4
    patience: int = 10
    stop: int = 35

    name = "brp-nas"
    apart = True
    most_repetitions = 1

    def train(self, sources: Sources) -> Adapter:
        """Nothing is learnt from other devices."""
        graphs = help_inputs(sources.space, sources.codes)

        def learn(timed: IntArray, ms: FloatArray, asked: IntArray) -> FloatArray:
            low, span = float(ms.min()), float(np.ptp(ms)) or 1.0
            scaled = torch.from_numpy(((ms - low) / span).astype(np.float32))
            path = self._path(sources, timed, ms)
            if path is not None and path.exists():
                params = safetensors.torch.load_file(path)
            else:
                params = self._fit(graphs[:, timed], scaled, sources.seed)
                if path is not None:
                    write_atomic(path, safetensors.torch.save(params), create_parents=True)
            with torch.no_grad():
                found: FloatArray = _predict(params, graphs[:, asked]).double().numpy()
            return found * span + low

        return lambda target: predict_apart(target, self.timings, learn, sources.seed)

    def _fit(self, graphs: Tensor, scaled: Tensor, seed: int) -> Params:
        """Weights with the least error on the timings held out; graphs (3, n, 39), scaled (n,)."""
        generator = torch.Generator().manual_seed(seed)
        params = init_graph_branch(self.width, generator)
        bound = self.width**-0.5
        params["out.weight"] = torch.empty(1, self.width).uniform_(
            -bound, bound, generator=generator
        )
        params["out.bias"] = torch.zeros(1)
        leaves = [value.requires_grad_() for value in params.values()]
        adam = torch.optim.AdamW(leaves, lr=self.rate, weight_decay=self.decay, fused=True)
        plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(adam, patience=self.patience)
        held = int(len(scaled) * _HELD_OUT)
        least, waited, best = np.inf, 0, _copy(params)
        for _ in range(self.epochs):
            order = held + torch.randperm(len(scaled) - held, generator=generator)
            for start in range(0, len(order), self.batch):
                part = order[start : start + self.batch]
                adam.zero_grad(set_to_none=True)
                _error(params, graphs[:, part], scaled[part]).backward()  # type: ignore[no-untyped-call]
                adam.step()
            with torch.no_grad():
                loss = float(_error(params, graphs[:, :held], scaled[:held]))
            plateau.step(loss)
            waited += 1
            if loss < least:
                least, waited, best = loss, 0, _copy(params)
            if waited >= self.stop:
                break
        return best

    def _path(self, sources: Sources, timed: IntArray, ms: FloatArray) -> Path | None:
        """Where the weights for these timings are kept."""
        if sources.checkpoints is None:
            return None
        digest = hashlib.sha256(repr((self, sources.seed, timed.tolist())).encode())
        digest.update(ms.tobytes())
        return sources.checkpoints / f"{self.name}-{digest.hexdigest()[:12]}.safetensors"


def _predict(params: Params, graphs: Tensor) -> Tensor:
    hidden = graph_states(params, graphs, normalise=True)
    return F.linear(hidden, params["out.weight"], params["out.bias"]).squeeze(-1)


def _error(params: Params, graphs: Tensor, scaled: Tensor) -> Tensor:
    return ((_predict(params, graphs) - scaled) ** 2).mean()


def _copy(params: Params) -> Params:
    return {name: value.detach().clone() for name, value in params.items()}
