"""What may be known of a device: the two protocols, and the queries that both are scored on.

*strict*: only the timings of the n reference architectures are known. They are the hardware
embedding and the support, and their least and greatest scale both.

*paper*: what the released code of HELP does (arXiv 2106.08630). It times 10 references, which are
the embedding, and n further architectures drawn from the middle 80 % of the device's pool, and
scales by the least and greatest of that pool: more than 20 timings, so like is compared with like.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from edgewise.errors import ArgumentError
from edgewise_converter.latency.scoring import middle
from edgewise_converter.latency.tables import LatencyTable, Split

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Protocol = Literal["paper", "strict"]

PROTOCOLS: tuple[Protocol, ...] = get_args(Protocol)

_PAPER_MARGIN = 0.05


@dataclass(frozen=True)
class Scaling:
    """Milliseconds to the numbers a network learns: ``low``..``high`` to margin..1 - margin."""

    low: float
    high: float
    margin: float = 0.0

    def scale(self, ms: FloatArray) -> FloatArray:
        """Milliseconds to scaled latencies."""
        return (ms - self.low) / self._span() + self.margin

    def restore(self, scaled: FloatArray) -> FloatArray:
        """Scaled latencies to milliseconds."""
        return (scaled - self.margin) * self._span() + self.low

    def _span(self) -> float:
        return (self.high - self.low) / (1.0 - 2.0 * self.margin)


@dataclass(frozen=True)
class Domain:
    """The architectures of one device.

    Attributes:
        pool: indices of those that may be timed or trained on.
        query: indices of those that are scored, references not yet taken out.
        split: whether pool and query are apart; without a split both are everything measured.
    """

    pool: IntArray
    query: IntArray
    split: bool


def _nothing_more(indices: IntArray) -> FloatArray:
    raise ArgumentError(f"{len(indices)} further architectures cannot be timed on this device")


@dataclass(frozen=True)
class Target:
    """One device as a protocol shows it to a predictor. Indices are those of the table.

    Attributes:
        device: its name.
        reference: (E,) architectures of the hardware embedding, ``reference_ms`` their timings.
        support: (n,) architectures to adapt to, ``support_ms`` their timings.
        scaling: how the network's numbers relate to milliseconds.
        query: (N,) architectures to predict.
        spare: other architectures measured on the device, for methods that need more timings than
            the protocol allows; none where every architecture is a query.
        time: milliseconds of further architectures, for the same methods.
    """

    device: str
    reference: IntArray
    reference_ms: FloatArray
    support: IntArray
    support_ms: FloatArray
    scaling: Scaling
    query: IntArray
    spare: IntArray = field(default_factory=lambda: np.empty(0, np.int64))
    time: Callable[[IntArray], FloatArray] = field(default=_nothing_more)

    def timings(self) -> tuple[IntArray, FloatArray]:
        """Every architecture that was timed, each once, and its milliseconds."""
        indices = np.concatenate((self.reference, self.support))
        ms = np.concatenate((self.reference_ms, self.support_ms))
        _, first = np.unique(indices, return_index=True)
        order = np.sort(first)
        return indices[order], ms[order]


def domain_of(table: LatencyTable, device: str, split: Split | None) -> Domain:
    """Pool and query of a device: the split's, or everything measured where there is no split."""
    measured = table.measured([device])
    if split is None:
        return Domain(measured, measured, split=False)
    end = split.pool + split.query
    pool = measured[measured < split.pool]
    return Domain(pool, measured[(measured >= split.pool) & (measured < end)], split=True)


def candidates(domain: Domain, seed: int) -> IntArray:
    """Where design ``seed`` may choose its references: a random half of the pool, ascending."""
    generator = np.random.default_rng(seed)
    return np.sort(generator.permutation(domain.pool)[: len(domain.pool) // 2])


def embedding(reference_ms: FloatArray) -> FloatArray:
    """Hardware embedding: the references' timings (E,) scaled to [0, 1] among themselves."""
    low, high = float(reference_ms.min()), float(reference_ms.max())
    return Scaling(low, high).scale(reference_ms) if high > low else np.zeros_like(reference_ms)


def training_pool(
    table: LatencyTable, device: str, domain: Domain, reference: IntArray, protocol: Protocol
) -> tuple[IntArray, Scaling]:
    """Architectures that support and queries are drawn from in training, and the scaling.

    Raises:
        ArgumentError: all timings that the scale is taken from are equal.
    """
    row = table.row(device)
    if protocol == "strict":
        pool, known, margin = domain.pool, row[reference], 0.0
    else:
        pool = domain.pool[middle(row[domain.pool])]
        known, margin = row[pool], _PAPER_MARGIN
    low, high = float(known.min()), float(known.max())
    if not high > low:
        raise ArgumentError(f"{device}: all timings are {low} ms, so there is no scale to learn")
    return pool, Scaling(low, high, margin)


def target_of(
    table: LatencyTable,
    device: str,
    domain: Domain,
    reference: IntArray,
    protocol: Protocol,
    *,
    samples: int,
    generator: np.random.Generator,
) -> Target:
    """The device as ``protocol`` shows it; queries are all of the domain's but the references.

    Args:
        table: holds the device's row.
        device: its name.
        domain: its pool and queries.
        reference: (E,) architectures of the embedding; under *strict* also the support.
        protocol: which.
        samples: architectures to adapt to, under *paper*.
        generator: draws them.
    """
    row = table.row(device)
    pool, scaling = training_pool(table, device, domain, reference, protocol)
    support = reference
    if protocol == "paper":
        support = draw(pool, samples, generator)
    query = np.setdiff1d(domain.query, np.union1d(reference, support))
    return Target(
        device=device,
        reference=reference,
        reference_ms=row[reference],
        support=support,
        support_ms=row[support],
        scaling=scaling,
        query=query,
        spare=np.setdiff1d(table.measured([device]), domain.query),
        time=lambda indices: row[indices],
    )


def draw(pool: IntArray, count: int, generator: np.random.Generator) -> IntArray:
    """``count`` of the pool, none twice.

    Raises:
        ArgumentError: the pool has fewer.
    """
    if count > len(pool):
        raise ArgumentError(f"{count} architectures asked for, but the pool has {len(pool)}")
    return generator.choice(pool, count, replace=False)


def require_measured(table: LatencyTable, devices: Sequence[str], reference: IntArray) -> None:
    """Check that every reference was measured on every device.

    Raises:
        ArgumentError: one was not.
    """
    for device in devices:
        missing = reference[np.isnan(table.row(device)[reference])]
        if len(missing):
            arch = table.archs[missing[0]]
            raise ArgumentError(f"{device}: reference architecture {arch} was not measured")
