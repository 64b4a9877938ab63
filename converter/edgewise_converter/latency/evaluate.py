"""Scores every method on devices that none of them has seen, one way for all (see ``scoring``)."""

from __future__ import annotations

import logging
import sys
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from edgewise.errors import ArgumentError
from edgewise.spaces import get_space
from edgewise_converter.latency.baselines.brp_nas import BrpNas
from edgewise_converter.latency.baselines.meta import HELP, MAML, META_SGD
from edgewise_converter.latency.baselines.own_data import Ceiling
from edgewise_converter.latency.baselines.simple import Depth, Flops, NearestDevice, Ridge
from edgewise_converter.latency.bundled import Bundled
from edgewise_converter.latency.edgewise_method import Edgewise, PriorOf
from edgewise_converter.latency.encodings.registry import encoding_of
from edgewise_converter.latency.methods import Codes, Method, Sources
from edgewise_converter.latency.protocols import (
    Domain,
    candidates,
    domain_of,
    require_measured,
    target_of,
)
from edgewise_converter.latency.question import Answer, Question, hardware_of
from edgewise_converter.latency.scoring import Score, score
from edgewise_converter.latency.tables import merge_tables, split_of

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_LOG = logging.getLogger(__name__)

PREDICTORS = (
    "help",
    "edgewise",
    "flops",
    "depth",
    "nearest",
    "ridge",
    "maml",
    "meta-sgd",
    "ridge-doptimal",
    "brp-nas",
    "ceiling",
)
"""Names of all methods; the last three are listed apart."""

_ONLY_IN = {
    "brp-nas": ("nasbench201",),
    "depth": ("transformer",),
    "help": ("nasbench201", "fbnet", "ofa"),
    "maml": ("nasbench201", "fbnet", "ofa"),
    "meta-sgd": ("nasbench201", "fbnet", "ofa"),
}
_ALONE = ("flops", "depth", "ridge", "ridge-doptimal", "brp-nas", "ceiling")


def predictors_of(space: str) -> tuple[str, ...]:
    """Names of the methods that can be evaluated in a space."""
    return tuple(name for name in PREDICTORS if space in _ONLY_IN.get(name, (space,)))


def evaluate(question: Question) -> Answer:
    """Train, adapt and score.

    Raises:
        ArgumentError: a device both trained on and tested, an architecture that was not measured,
            or too few of anything.
    """
    return _Evaluation(question).run()


class _Stopwatch:
    """Remembers which architectures were timed beyond the protocol's."""

    def __init__(self, time: Callable[[IntArray], FloatArray]) -> None:
        self._time = time
        self.timed: set[int] = set()

    def __call__(self, indices: IntArray) -> FloatArray:
        self.timed.update(indices.tolist())
        return self._time(indices)


class _Evaluation:
    """One run: what all methods and repetitions share."""

    def __init__(self, question: Question) -> None:
        self.question = question
        self.table = merge_tables(question.tables)
        self.space = get_space(self.table.space)
        self.encoding = encoding_of(self.table.space)
        self.codes: Codes = self.space.encode(self.table.archs)
        self.connected = self.encoding.connected(self.codes)
        self.domains = {
            device: domain_of(
                self.table, device, split_of(question.tables, question.splits, device)
            )
            for device in (*question.train, *question.test)
        }
        self._check_devices()
        self.known = self.table.select(question.train)
        self.prior = PriorOf(self.known, question.info)
        self.methods = [self._method(name) for name in question.predictors]

    def run(self) -> Answer:
        """All methods, repetitions and devices."""
        answer = Answer()
        for method in self.methods:
            answer.scores[method.name] = {device: [] for device in self.question.test}
            if method.apart:
                answer.apart.add(method.name)
            for seed in range(min(self.question.seeds, method.most_repetitions or sys.maxsize)):
                for devices in self._groups():
                    sources = self._sources(devices, seed)
                    for device, result, timed in self._scores(method, sources, devices):
                        answer.scores[method.name][device].append(result)
                        most = max(answer.timings.get(method.name, 0), timed)
                        answer.timings[method.name] = most
        return answer

    def _scores(
        self, method: Method, sources: Sources, devices: Sequence[str]
    ) -> Iterator[tuple[str, Score, int]]:
        """Device, score and number of architectures timed."""
        adapt = method.train(sources)
        for device in devices:
            # Each device draws by its name, so that leaving one out changes no other.
            entropy = (sources.seed, zlib.crc32(device.encode()))
            target = target_of(
                self.table,
                device,
                self.domains[device],
                sources.reference,
                self.question.protocol,
                samples=self.question.samples,
                generator=np.random.default_rng(entropy),
            )
            further = _Stopwatch(target.time)
            true = self.table.row(device)[target.query]
            estimate = adapt(replace(target, time=further))
            result = score(estimate, true, self.connected[target.query])
            _LOG.info(
                "%s, seed %d, %s: mid %.4f, all %.4f",
                *(method.name, sources.seed, device, result.spearman_mid, result.spearman_all),
            )
            yield device, result, len(further.timed) or len(target.timings()[0])

    def _sources(self, devices: Sequence[str], seed: int) -> Sources:
        """What a method learns from, in repetition ``seed``, to meet ``devices``."""
        question = self.question
        available = self._candidates(devices, seed)
        reference = self._reference(available, devices)
        return Sources(
            table=self.known,
            space=self.space,
            codes=self.codes,
            encoding=self.encoding,
            train=question.train,
            valid=question.valid,
            domains=self.domains,
            info=question.info,
            candidates=available,
            reference=reference,
            protocol=question.protocol,
            samples=question.samples,
            seed=seed,
            episodes=question.episodes,
            checkpoints=question.checkpoints,
        )

    def _candidates(self, devices: Sequence[str], seed: int) -> IntArray:
        """Half of the pool, of what was measured on all devices of this table and of training.

        Where tables have no architecture in common, of what was measured on those tested.
        """
        domain = self.domains[devices[0]]
        for known in ((*self.question.train, *devices), devices):
            common = np.intersect1d(domain.pool, self.table.measured(known))
            if len(common):
                break
        return candidates(Domain(common, domain.query, domain.split), seed)

    def _reference(self, available: IntArray, devices: Sequence[str]) -> IntArray:
        question = self.question
        if question.protocol == "paper":
            reference = self.table.reference
            if not len(reference):
                raise ArgumentError(f"{self.table.source}: no reference architectures in the table")
        elif question.bundle is not None:
            archs = self._bundled.references(question.samples)
            index = {arch: at for at, arch in enumerate(self.table.archs)}
            missing = [arch for arch in archs if arch not in index]
            if missing:
                raise ArgumentError(f"{self.table.source}: reference {missing[0]} is not in it")
            reference = np.array([index[arch] for arch in archs], dtype=np.int64)
        elif question.train:
            reference = self.prior.design(available, question.samples)
        else:
            raise ArgumentError("references are designed from other devices: give --train")
        require_measured(self.table, devices, reference)
        return reference

    def _groups(self) -> list[list[str]]:
        """The test devices by table: those of one table share pool and references."""
        groups = [
            [device for device in self.question.test if device in table.devices]
            for table in self.question.tables
        ]
        return [group for group in groups if group]

    def _check_devices(self) -> None:
        question = self.question
        known = set(question.train)
        if question.bundle is not None:
            self._bundled = Bundled.open(question.bundle, question.runtime)
            known |= set(self._bundled.trained_on)
        for device in question.test:
            if device in known:
                raise ArgumentError(f"{device!r} was trained on, so it cannot be tested")
        hardware = {hardware_of(device, question.info): device for device in known}
        for device in question.test:
            same = hardware.get(hardware_of(device, question.info))
            if same is not None:
                _LOG.warning("%s and %s, trained on, are settings of one hardware", device, same)

    def _method(self, name: str) -> Method:
        if name in ("help", "edgewise") and self.question.bundle is not None:
            return self._bundled.method(name)
        known = predictors_of(self.space.name)
        if name not in known:
            raise ArgumentError(
                f"unknown predictor {name!r} for space {self.space.name!r}; "
                f"known are {', '.join(known)}"
            )
        if not self.question.train and name not in _ALONE:
            raise ArgumentError(f"{name} learns from other devices: give them with --train")
        methods: tuple[Method, ...] = (
            HELP,
            Edgewise(self.prior),
            Flops(),
            Depth(),
            NearestDevice(),
            Ridge(own_references=False),
            MAML,
            META_SGD,
            Ridge(own_references=True),
            BrpNas(),
            Ceiling(),
        )
        return next(method for method in methods if method.name == name)
