"""Checks HELP's compiled graphs against torch, the adaptation included, on random devices.

A unit whose input is zero but for rounding is active for one order of summation and not for
another; its gradient, and with it all adapted weights, then differ by far more than rounding. Of a
thousand draws of z a few lie on such a kink. There torch differs as much from itself when its
inputs change by a rounding error, so there a runtime has to agree with torch on inputs so changed.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from edgewise.latency.help import one_hot
from edgewise.spaces import get_space
from edgewise_converter.compile.help_graph import QUERIES, HelpFunctions
from edgewise_converter.compile.parity import (
    Parity,
    installed_runtimes,
    require,
    summarise,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from numpy.typing import NDArray
    from torch import Tensor

    from edgewise.runtimes import Runtime
    from edgewise.spaces import Space
    from edgewise_converter.latency.help_network import NetworkConfig

    Array = NDArray[np.float32]

_LOG = logging.getLogger(__name__)

_ROUNDING = 3e-7  # relative change of an input, a few units in the last place of float32
_RETRIES = 32


@dataclass(frozen=True)
class HelpCase:
    """A random device and networks to predict; float32 arrays, as the graphs take them.

    Attributes:
        embedding: (E,) scaled timings of the references, which are the support's latencies too.
        support: (E, K) the references, one-hot.
        queries: (Q, K) random architectures, one-hot.
        low: milliseconds of the fastest reference.
        reach: milliseconds from the fastest reference to the slowest.
    """

    embedding: Array
    support: Array
    queries: Array
    low: float
    reach: float

    def relative_errors(self, scaled: Array, expected: Array) -> Array:
        """Largest relative difference of the milliseconds of two scaled predictions, by draw.

        Relative to the prediction, or to the fastest reference where the prediction is below it:
        what is linear in the operations may come out at zero.
        """
        difference = self.reach * np.abs(scaled - expected)
        ms = np.maximum(np.abs(self.low + self.reach * expected), self.low)
        worst: Array = (difference / ms).max(axis=1)
        return worst


def random_devices(
    space: Space, references: NDArray[np.integer], count: int, seed: int
) -> Iterator[HelpCase]:
    """Devices whose choices cost random milliseconds at each place of the code.

    Args:
        space: of the architectures.
        references: (E, L) codes.
        count: number of devices.
        seed: of the costs and of the queries.
    """
    support = one_hot(space, references)
    generator = np.random.default_rng(seed)
    for _ in range(count):
        costs = np.exp(generator.normal(size=support.shape[1]))
        ms = np.exp(generator.normal()) + support @ costs
        codes = np.stack([generator.choice(allowed, QUERIES) for allowed in space.choices], axis=1)
        low, reach = float(ms.min()), float(np.ptp(ms))
        scaled = ((ms - low) / reach).astype(np.float32)
        yield HelpCase(scaled, support, one_hot(space, codes), low, reach)


def torch_scaled(functions: HelpFunctions, learner: Tensor, noise: Tensor, case: HelpCase) -> Array:
    """What torch predicts of `case`, scaled, (S, Q)."""
    embedding, support, queries = (
        torch.from_numpy(array) for array in (case.embedding, case.support, case.queries)
    )
    adapted = functions.adapt(learner, embedding, support, embedding, noise)
    scaled: Array = functions.predict(adapted, embedding, queries).detach().numpy()
    return scaled


def errors_of(
    functions: HelpFunctions,
    learner: Tensor,
    noise: Tensor,
    case: HelpCase,
    scaled: Array,
    tolerance: float,
) -> tuple[Array, int]:
    """Relative error of each draw of `scaled` (S, Q), and how many draws lie on a kink."""
    errors = case.relative_errors(scaled, torch_scaled(functions, learner, noise, case))
    kinks = int((errors > tolerance).sum())
    generator = torch.Generator().manual_seed(0)
    for _ in range(_RETRIES if kinks else 0):
        near = torch.randn(noise.shape, generator=generator) * _ROUNDING
        changed = torch_scaled(functions, learner, noise * (1.0 + near), case)
        errors = np.minimum(errors, case.relative_errors(scaled, changed))
        if (errors <= tolerance).all():
            break
    return errors, kinks


def graph_scaled(
    runtime: Runtime, files: Mapping[str, bytes], learner: Array, noise: Array
) -> Callable[[HelpCase], Array]:
    """The same through the two graphs in `runtime`.

    Args:
        runtime: where to load them.
        files: by ``adapt.<format>`` and ``predict.<format>``.
        learner: (P,) the meta-learnt numbers.
        noise: (S, Z) standard normal draws.
    """
    adapt, predict = (
        runtime.load(files[f"{name}.{runtime.format}"]) for name in ("adapt", "predict")
    )

    def answer(case: HelpCase) -> Array:
        support, queries = (
            choices.reshape(session.inputs[2].shape)
            for session, choices in ((adapt, case.support), (predict, case.queries))
        )
        (adapted,) = adapt.run(learner, case.embedding, support, case.embedding, noise)
        (scaled,) = predict.run(adapted, case.embedding, queries)
        return scaled.astype(np.float32)

    return answer


def check_help(
    space: str,
    network: NetworkConfig,
    learner: Tensor,
    noise: Tensor,
    references: NDArray[np.integer],
    files: Mapping[str, bytes],
    *,
    devices: int = 100,
    seed: int = 0,
    tolerance: float = 1e-5,
) -> list[Parity]:
    """Compare the graphs with torch in every installed runtime, on random devices.

    Args:
        space: whose architectures it reads.
        network: sizes of the predictor.
        learner: (P,) float32.
        noise: (S, Z) float32, the same draws on both sides.
        references: (E, L) codes of HELP's references.
        files: by ``adapt.<format>`` and ``predict.<format>``.
        devices: number of devices, each with 256 architectures to predict.
        seed: of the devices.
        tolerance: largest relative difference of any predicted milliseconds that passes.

    Raises:
        ParityError: a runtime's predictions differ by more.
    """
    functions = HelpFunctions.create(space, network)
    cases = list(random_devices(get_space(space), references, devices, seed))
    found: list[Parity] = []
    for runtime in installed_runtimes():
        scaled = graph_scaled(runtime, files, learner.numpy(), noise.numpy())
        results = [
            errors_of(functions, learner, noise, case, scaled(case), tolerance) for case in cases
        ]
        kinks = sum(count for _, count in results)
        _LOG.info("%s: %d of %d draws lie on a kink", runtime.name, kinks, devices * len(noise))
        parity = summarise(runtime, [float(errors.max()) for errors, _ in results])
        require(parity, tolerance)
        found.append(parity)
    return found
