"""The prior over a device's costs in ``nasbench201``.

Every training device gives a vector of additive costs and the graph semantics that explain it best.
The prior's mean is their average, balanced over families and hardware; its covariance the low-rank
spread of the devices about it, plus structured terms that say how costs may differ on a device
unlike all of them: operations as a whole, single edges, and what every network has.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgewise import _core
from edgewise.errors import ArgumentError
from edgewise.spaces import Space, get_space
from edgewise_converter.latency.prior import Covariances, Prior, balanced_weights
from edgewise_converter.latency.semantics import CostFit, fit_costs, learn_execution
from edgewise_converter.latency.tables import DeviceInfo, LatencyTable

FloatArray = NDArray[np.float64]

# A learnt table becomes a hypothesis if it explains this much more than the best rule does, and if
# the rules leave more unexplained than noise would.
_BETTER = 0.8
_UNEXPLAINED = 0.05

EDGES = 6  # of a cell; feature columns are edges by operations, and the network last
LEVELS = np.array([0.0, 0.0, 1.0, 0.0, 1.0, 2.0])  # of each edge: the node it reads


@dataclass(frozen=True)
class PriorSettings:
    """What is chosen by leaving families out, see ``prior_selection``.

    Standard deviations of costs are relative to the mean cost of the operation (``operation``,
    ``edge``) or of an average operation (``position``), or to the device's mean latency.

    Attributes:
        low_ranks: weights of the spread of the training devices, averaged over by evidence.
        low_rank_weights: how probable each of them is, unnormalised.
        operation: of an operation's cost on all edges alike.
        least_operation: smallest mean cost that counts for the two above, in mean latencies.
        edge: of an operation's cost on one edge.
        position: of the costs of all operations on one edge alike.
        level: of the growth of costs from one level of the cell to the next, of all operations
            alike and of each.
        network: of what every network of the space has.
        speed: of the device's speed, beyond the first guess from its timings.
        spreads: factors on the variances of the structured terms, averaged over by evidence.
        edge_spreads: further factors on ``edge``, ``position`` and ``level``, averaged over too.
        noise: relative standard deviations of a timing, averaged over by evidence.
        noise_centre: the most probable of them.
        noise_deviation: standard deviation of the natural logarithm of noise / noise_centre.
        smoothing: devices that are imagined to follow each graph semantics.
        floor: noise is relative to latency, but to no less than this share of the mean.
        interval_scale: factor on the width of intervals.
    """

    low_ranks: tuple[float, ...] = (0.1, 1.0, 10.0)
    low_rank_weights: tuple[float, ...] = (0.3, 0.65, 0.05)
    operation: float = 0.5
    least_operation: float = 0.02
    edge: float = 0.1
    position: float = 0.3
    level: float = 0.1
    network: float = 0.2
    speed: float = 0.3
    spreads: tuple[float, ...] = (0.3, 1.0, 3.0)
    edge_spreads: tuple[float, ...] = (1e-5, 0.01, 1.0)
    noise: tuple[float, ...] = (0.0003, 0.001, 0.003, 0.01, 0.03, 0.06, 0.12)
    noise_centre: float = 0.03
    noise_deviation: float = 2.5
    smoothing: float = 1.0
    floor: float = 0.15
    interval_scale: float = 1.0


@dataclass(frozen=True)
class DeviceFit:
    """What one training device says.

    Attributes:
        device: its name.
        rules: fits under the semantics that the core knows by rule.
        learnt: fit under ``execution``.
        execution: (patterns, positions) table learnt from this device.
    """

    device: str
    rules: Mapping[str, CostFit]
    learnt: CostFit
    execution: FloatArray

    @property
    def rule(self) -> str:
        """The rule that explains the device best."""
        return min(self.rules, key=lambda name: self.rules[name].error)

    @property
    def costs(self) -> FloatArray:
        """(columns,) costs under the semantics that the device is taken to follow."""
        return (self.learnt if self.follows_own else self.rules[self.rule]).costs

    @property
    def follows_own(self) -> bool:
        """Whether no rule explains the device, but its own table does."""
        best = self.rules[self.rule].error
        return best > _UNEXPLAINED and self.learnt.error < _BETTER * best


def fit_devices(table: LatencyTable, devices: Sequence[str]) -> list[DeviceFit]:
    """Costs of each device under every graph semantics.

    Raises:
        ArgumentError: a device has fewer timings than the space has costs.
    """
    return [_fit_device(get_space(table.space), table, device) for device in devices]


def build_prior(
    space: str,
    fits: Sequence[DeviceFit],
    info: Mapping[str, DeviceInfo],
    settings: PriorSettings,
) -> Prior:
    """The prior from the fits of the training devices.

    Raises:
        ArgumentError: no device, or one whose family is unknown.
    """
    if not fits:
        raise ArgumentError("a prior needs at least one training device")
    weights = balanced_weights([fit.device for fit in fits], info)
    costs = np.array([fit.costs for fit in fits])
    mean = weights @ costs
    names, execution, log_weight = _hypotheses(get_space(space), fits, info, weights, settings)
    covariances = _covariances(mean, costs - mean, weights, settings)
    noise = np.array(settings.noise)
    return Prior(
        space=space,
        devices=tuple(fit.device for fit in fits),
        settings=settings,
        semantics=names,
        semantics_log_weight=log_weight,
        execution=execution,
        mean=np.tile(mean, (len(covariances.own), 1)),
        factors=covariances.factors,
        factor_variance=covariances.variance,
        own_variance=covariances.own,
        covariance_log_weight=covariances.log_weight,
        noise=noise,
        noise_log_weight=-0.5
        * (np.log(noise / settings.noise_centre) / settings.noise_deviation) ** 2,
    )


def _fit_device(space: Space, table: LatencyTable, device: str) -> DeviceFit:
    at = table.measured([device])
    archs = [table.archs[i] for i in at]
    ms = table.row(device)[at]
    columns = len(_core.feature_columns(space))
    if len(archs) < columns:
        raise ArgumentError(
            f"{table.source}: device {device!r} has {len(archs)} timings; "
            f"training on it takes at least {columns}"
        )
    tables = {name: _core.execution_table(space, name) for name in space.semantics}
    rules = {
        name: fit_costs(_core.features(space, archs, execution), ms)
        for name, execution in tables.items()
    }
    best = tables[min(rules, key=lambda name: rules[name].error)]
    learnt = learn_execution(space, archs, ms, best)
    return DeviceFit(device, rules, fit_costs(_core.features(space, archs, learnt), ms), learnt)


def _hypotheses(
    space: Space,
    fits: Sequence[DeviceFit],
    info: Mapping[str, DeviceInfo],
    weights: FloatArray,
    settings: PriorSettings,
) -> tuple[tuple[str, ...], FloatArray, FloatArray]:
    """Names (H,), execution tables (H, patterns, positions), and log weights (H,).

    A semantics is as probable as the families that follow it are many, and never impossible.
    """
    execution = {name: _core.execution_table(space, name) for name in space.semantics}
    mass = dict.fromkeys(execution, settings.smoothing)
    families = len({info[fit.device].family for fit in fits})
    own: dict[str, list[tuple[float, FloatArray]]] = {}
    for fit, weight in zip(fits, weights, strict=True):
        name = f"as {info[fit.device].family}" if fit.follows_own else fit.rule
        mass[name] = mass.get(name, settings.smoothing) + weight * families
        if fit.follows_own:
            own.setdefault(name, []).append((weight, fit.execution))
    for name, parts in own.items():
        total = sum(weight for weight, _ in parts)
        execution[name] = np.sum([weight / total * table for weight, table in parts], axis=0)
    return (
        tuple(execution),
        np.array(list(execution.values())),
        np.log([mass[name] for name in execution]),
    )


def _covariances(
    mean: FloatArray, spread: FloatArray, weights: FloatArray, settings: PriorSettings
) -> Covariances:
    """One for each combination of ``low_ranks``, ``spreads`` and ``edge_spreads``."""
    operations = (len(mean) - 1) // EDGES
    of_operation = np.abs(mean[:-1].reshape(EDGES, operations)).mean(axis=0)
    size = np.maximum(of_operation, settings.least_operation)
    average = float(of_operation.mean())
    network = np.zeros((len(mean), 1))
    network[-1] = settings.network
    devices = (np.sqrt(weights)[:, None] * spread).T
    speed = settings.speed * mean[:, None]
    alike = np.kron(np.ones((EDGES, 1)), np.diag(size))  # an operation on all edges
    position = np.kron(np.eye(EDGES), np.ones((operations, 1)))
    level: FloatArray = LEVELS[:, None] * average
    levels = np.column_stack(
        (np.kron(level, np.ones((operations, 1))), np.kron(level, np.eye(operations)))
    )
    shared = np.column_stack((_with_network(np.multiply(settings.operation, alike)), network))
    single = _with_network(
        np.column_stack((settings.position * average * position, settings.level * levels))
    )
    own = np.append((settings.edge * np.tile(size, EDGES)) ** 2, 0.0)
    low_rank_weights = np.log(np.divide(settings.low_rank_weights, sum(settings.low_rank_weights)))
    combinations = [
        (weight, low_rank, spread, spread * edge_spread)
        for low_rank, weight in zip(settings.low_ranks, low_rank_weights, strict=True)
        for spread in settings.spreads
        for edge_spread in settings.edge_spreads
    ]
    sizes = [group.shape[1] for group in (devices, speed, shared, single)]
    return Covariances(
        factors=np.column_stack((devices, speed, shared, single)),
        variance=np.array([np.repeat((a, 1.0, b, c), sizes) for _, a, b, c in combinations]),
        own=np.array([c * own for *_, c in combinations]),
        log_weight=np.array([weight for weight, *_ in combinations]),
    )


def _with_network(factors: FloatArray) -> FloatArray:
    """Factors of the operations (P - 1, F) as factors of all costs (P, F)."""
    return np.concatenate((factors, np.zeros((1, factors.shape[1]))))
