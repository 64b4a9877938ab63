"""Checks HELP's compiled graphs against torch, the adaptation included, on random devices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from edgewise_converter.compile.help_graph import QUERIES, HelpFunctions
from edgewise_converter.compile.parity import Parity, installed_runtimes, require, summarise

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from numpy.typing import NDArray
    from torch import Tensor

    from edgewise.runtimes import Runtime
    from edgewise_converter.latency.help_network import NetworkConfig

    Array = NDArray[np.float32]

_CHOICES = 5


@dataclass(frozen=True)
class HelpCase:
    """A random device and networks to predict; float32 arrays, as the graphs take them.

    Attributes:
        embedding: (E,) scaled timings of the references, which are the support's latencies too.
        support: (E, 6, 5) the references, one-hot.
        queries: (Q, 6, 5) random architectures, one-hot.
        low: milliseconds of the fastest reference.
        reach: milliseconds from the fastest reference to the slowest.
    """

    embedding: Array
    support: Array
    queries: Array
    low: float
    reach: float


def random_devices(references: NDArray[np.integer], count: int, seed: int) -> Iterator[HelpCase]:
    """Devices whose operations cost random milliseconds at each of the six edges.

    Args:
        references: (E, 6) operation codes.
        count: number of devices.
        seed: of the costs and of the queries.
    """
    one_hot = np.eye(_CHOICES, dtype=np.float32)
    generator = np.random.default_rng(seed)
    for _ in range(count):
        costs = np.exp(generator.normal(size=(references.shape[1], _CHOICES)))
        ms = np.exp(generator.normal()) + np.einsum("nec,ec->n", one_hot[references], costs)
        queries = generator.integers(_CHOICES, size=(QUERIES, references.shape[1]))
        low, reach = float(ms.min()), float(np.ptp(ms))
        scaled = ((ms - low) / reach).astype(np.float32)
        yield HelpCase(scaled, one_hot[references], one_hot[queries], low, reach)


def torch_answer(functions: HelpFunctions, learner: Tensor, noise: Tensor, case: HelpCase) -> Array:
    """Milliseconds (S, Q) that torch predicts of `case`; in the precision of `learner`."""
    kind = learner.dtype
    embedding, support, queries = (
        torch.from_numpy(array).to(kind) for array in (case.embedding, case.support, case.queries)
    )
    adapted = functions.adapt(learner, embedding, support, embedding, noise.to(kind))
    scaled = functions.predict(adapted, embedding, queries)
    answer: Array = milliseconds(scaled.detach().numpy(), case)
    return answer


def milliseconds(scaled: NDArray[np.floating], case: HelpCase) -> Array:
    """Scaled latencies in milliseconds of the device."""
    return (case.low + case.reach * scaled).astype(scaled.dtype)


def graph_answer(
    runtime: Runtime, files: Mapping[str, bytes], learner: Array, noise: Array
) -> Callable[[HelpCase], Array]:
    """The same milliseconds through the two graphs in `runtime`.

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
        (adapted,) = adapt.run(learner, case.embedding, case.support, case.embedding, noise)
        (scaled,) = predict.run(adapted, case.embedding, case.queries)
        return milliseconds(scaled.astype(np.float32), case)

    return answer


def check_help(
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
        network: sizes of the predictor.
        learner: (P,) float32.
        noise: (S, Z) float32, the same draws on both sides.
        references: (E, 6) operation codes of HELP's references.
        files: by ``adapt.<format>`` and ``predict.<format>``.
        devices: number of devices, each with 256 architectures to predict.
        seed: of the devices.
        tolerance: largest relative difference of any prediction in milliseconds that passes.

    Raises:
        ParityError: a runtime's predictions differ by more.
    """
    functions = HelpFunctions.create(network)
    cases = list(random_devices(references, devices, seed))
    expected = [torch_answer(functions, learner, noise, case) for case in cases]
    found: list[Parity] = []
    for runtime in installed_runtimes():
        answer = graph_answer(runtime, files, learner.numpy(), noise.numpy())
        errors = [
            float(np.abs(answer(case) / truth - 1).max())
            for case, truth in zip(cases, expected, strict=True)
        ]
        parity = summarise(runtime, errors)
        require(parity, tolerance)
        found.append(parity)
    return found
