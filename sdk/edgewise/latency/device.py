"""A calibrated device: what `calibrate` gives, and a profile holds."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from ..bundle import Bundle
from ..conditions import Report as Conditions
from ..errors import ArgumentError, ProfileError
from ..measure import Measurement, Timings, summarise
from ..measure import measure as measure_side_by_side
from ..runtimes import get_runtime
from ..spaces import get_space
from .info import BY_CALLABLE, differences
from .network import (
    ModelPath,
    NetworkPrediction,
    NetworkPredictor,
    TimedNetwork,
    find_network,
    predict_mixed,
)
from .noise import noise_warning
from .prediction import Prediction
from .predictor import Adapted, Predictor, load_predictor
from .profile import Profile, load_profile, open_described, save_profile
from .report import Report, make_report, write_report
from .search import Found, search
from .timing import Measure, progress_bar, reference_sessions, valid_ms, valid_runs

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .search import Accuracy

_log = logging.getLogger(__name__)

_MOST_UNSTEADY = 10.0  # what is beyond, no timing gave
_DRIFTED = 0.1  # relative change at which predictions are no longer worth much


@dataclass(frozen=True)
class Check:
    """The fastest and the slowest network, timed again."""

    names: tuple[str, ...]
    before_ms: tuple[float, ...]
    """Milliseconds when the device was calibrated."""
    now_ms: tuple[float, ...]
    drift: float
    """Mean relative change, with the time that other programs or a quota take from every run."""
    drifted: bool
    """Whether that is more than a tenth, so that predictions do not hold now."""
    lost: float = 0.0
    """Share of the time that other programs or a quota took; stopping them gives it back."""
    notes: tuple[str, ...] = ()
    """What was seen of the machine meanwhile, and the cure."""


class Device:
    """Predicts the milliseconds of any architecture of a space on one calibrated device.

    Made by `calibrate` or `Device.load`. Predicting is thread-safe, also while another thread
    updates.
    """

    def __init__(
        self,
        profile: Profile,
        bundle: Bundle,
        predictor: Predictor,
        measure: Measure | None = None,
    ) -> None:
        self._bundle = bundle
        self._predictor = predictor
        self._measure = measure
        self._space = get_space(profile.space)
        self._lock = threading.Lock()
        self._profile = profile
        self._adapted = _adapt(predictor, profile)
        self._networks = self._network_predictor(profile)

    def predict(
        self,
        archs: ModelPath | Sequence[ModelPath] | NDArray[np.integer[Any]],
        confidence: float = 0.9,
    ) -> Prediction | NetworkPrediction:
        """Milliseconds and interval of one architecture (floats) or of N (arrays of shape (N,)).

        Architectures may also be given as their codes, integers of shape (N, L), see `Space`.
        A path that ends in `.onnx` or `.tflite` stands for the network in that file. Such a one, or
        an architecture of another space, is predicted by its kernels: the answer is then a
        `NetworkPrediction`, which names the operators that have no cost.

        Raises ArchitectureError, naming the position, for a string that the space does not have;
        ModelFileError, naming the cause and the cure, for a model file that cannot be used.
        """
        try:
            return self._adapted.predict(cast("str | Sequence[str]", archs), confidence)
        except (ArgumentError, TypeError):
            # Asked here and not first: an architecture of the space must not pay for the question.
            if isinstance(archs, np.ndarray):
                raise
            one = isinstance(archs, (str, dict, os.PathLike))
            several: list[Any] = [archs] if one else [*cast(Any, archs)]
            found = [find_network(arch, self._space) for arch in several]
            if not any(found):
                raise
        mixed = predict_mixed(self._adapted.predict, self._networks, several, found, confidence)
        if not one:
            return mixed
        ms, low, high = (float(value[0]) for value in mixed)
        return NetworkPrediction.of(ms, low, high, mixed.unknown[0])

    def search(
        self,
        max_ms: float,
        accuracy: Accuracy,
        k: int = 5,
        confidence: float = 0.9,
        max_memory: int | None = None,
        seed: int = 0,
    ) -> list[Found]:
        """The `k` most accurate architectures within `max_ms` milliseconds; see `search.search`."""
        return search(
            self._space, self._adapted.predict, max_ms, accuracy, k, confidence, max_memory, seed
        )

    def report(self, path: str | Path | None = None, confidence: float = 0.9) -> Report:
        """What there is to see of this device, with intervals of that confidence; nothing is timed.

        With a `path`, also written there as one self-contained HTML page, atomically. Raises
        StorageError when the disk refuses.
        """
        found = make_report(self.profile, self._bundle, self._predictor, self._adapted, confidence)
        if path is not None:
            write_report(found, path)
        return found

    @property
    def space(self) -> str:
        """Name of the space whose architectures it predicts."""
        return self._profile.space

    @property
    def networks(self) -> NetworkPredictor:
        """Predicts networks by their kernels; another one after each `update`."""
        return self._networks

    @property
    def measurements(self) -> list[Measurement]:
        """What was timed: `.name` (canonical architecture, or path of a model file), `.ms`,
        `.spread`, `.runs`, `.p90`. Networks of other spaces and of none come last.
        """
        return [*self._profile.measurements, *(n.measurement for n in self._profile.networks)]

    @property
    def embedding(self) -> NDArray[np.float64]:
        """The device as a vector (a copy); devices that behave alike are near each other."""
        return np.array(self._adapted.embedding, dtype=np.float64)

    @property
    def info(self) -> dict[str, Any]:
        """What was calibrated and how (a copy).

        `cpu`, `cores`, `os`, `governor`, `runtime` (`measure` for a callable), `runtime_version`,
        `threads`, `edgewise` (library version), `predictor`, `space`, `bundle`, `calibrated_at`
        (UTC), `seconds`, `notes` (what may have spoilt the timings), `unsteady` (relative standard
        deviation of the machine's speed while it was timed, which widens every interval), `noise`
        (relative, of the timings as the predictor sees it), `semantics` (which operations the
        runtime executes).
        """
        adapted = self._adapted
        found = {"noise": float(adapted.noise), "semantics": adapted.semantics}
        return {**self._profile.info, **found}

    @property
    def warning(self) -> str | None:
        """That the timings are noisy, and the cure; None when nothing was seen."""
        return noise_warning(self.info, self._profile.measurements)

    def next_reference(self, candidates: Sequence[str] | None = None) -> str:
        """The architecture whose timing would teach most, of `candidates` or of all not timed."""
        timed = {m.name for m in self._profile.measurements}
        if candidates is None:
            candidates = [arch for arch in self._space.architectures() if arch not in timed]
        return self._adapted.next_reference(candidates)

    def update(self, arch: ModelPath, ms: float) -> None:
        """Add a timing, or replace the one of the same network, and adapt again.

        A timing of a model file, or of an architecture of another space, sharpens the predictions
        of such. The stored profile is not touched; `save` writes one. Raises MeasurementError
        unless `ms` is finite and positive.
        """
        network = find_network(arch, self._space)
        if network is not None:
            measured = summarise(network.name, [valid_ms(network.name, ms)])
            timed = TimedNetwork(measured, network.features)
            self._replace(lambda profile: profile.with_network(timed))
        else:
            canonical = self._space.parse(cast(str, arch))
            own = summarise(canonical, [valid_ms(canonical, ms)])
            self._replace(lambda profile: profile.with_measurement(own))

    def _replace(self, change: Callable[[Profile], Profile]) -> None:
        with self._lock:
            profile = change(self._profile)
            self._adapted = _adapt(self._predictor, profile)
            self._networks = self._network_predictor(profile)
            self._profile = profile

    def _network_predictor(self, profile: Profile) -> NetworkPredictor:
        return NetworkPredictor(
            self._space, profile.measurements, profile.networks, _unsteady(profile)
        )

    def check(self, measure: Measure | None = None) -> Check:
        """Time the fastest and the slowest known network again, and say whether the device drifted.

        `measure` is needed for a loaded device that a callable had timed. Takes a few seconds on
        this machine. Raises ArgumentError when there is nothing to time with.
        """
        profile, measure = self._profile, measure or self._measure
        chosen = _extremes(self._timeable(profile, measure))
        if measure is not None:
            now = [_ask(measure, m.name) for m in chosen]
            report = None
        else:
            timings = self._time([m.name for m in chosen], budget_s=10, progress=False)
            now, report = [m.ms for m in timings.measurements], timings.report
        check = _compare(chosen, now, report)
        if check.drifted:
            _log.warning("%s", _advice(check))
        return check

    def time(
        self, archs: Sequence[str], *, budget_s: float = 60.0, progress: bool = False
    ) -> list[Measurement]:
        """Time reference networks again, or others than those of the calibration.

        Only what the bundle has models of can be timed. Raises ArgumentError for others, and for
        a device that a callable timed; RuntimeUnavailableError when its runtime is missing.
        """
        timings = self._time(archs, budget_s=budget_s, progress=progress)
        for note in timings.report.notes:
            _log.warning("%s", note)
        return list(timings.measurements)

    def _time(self, archs: Sequence[str], *, budget_s: float, progress: bool) -> Timings:
        info = self._profile.info
        if info["runtime"] == BY_CALLABLE:
            raise ArgumentError("a callable timed this device, so nothing can be timed here")
        runtime = get_runtime(info["runtime"])
        names = [self._space.parse(arch) for arch in archs]
        threads = int(info["threads"])
        sessions = reference_sessions(self._bundle, runtime, names, threads)
        with progress_bar(progress, "timing") as advance:
            return measure_side_by_side(
                [session.invoke for session in sessions],
                names=names,
                threads=threads,
                budget_s=budget_s,
                progress=advance,
            )

    @property
    def profile(self) -> Profile:
        """What `save` writes."""
        return replace(self._profile, info=self.info)

    def save(self, path: str | Path) -> None:
        """Write a profile to `path`, atomically. Raises StorageError when the disk refuses."""
        save_profile(self.profile, path)

    @classmethod
    def load(
        cls,
        path: str | Path,
        *,
        space: str | None = None,
        bundle: str | Path | Bundle | None = None,
    ) -> Device:
        """Read a profile; `bundle` is the one it was made with, when that has moved.

        Warns through `logging` when this is another machine, or its runtime is missing or of
        another version. Raises BundleError for a damaged file or one that is no profile;
        ProfileError for one of another space than `space`, or another version of this library.
        """
        profile = load_profile(path, space=space)
        try:
            opened = open_described(path, profile, bundle)
            for difference in differences(profile.info):
                _log.warning("%s: %s", path, difference)
            return cls(profile, opened, load_predictor(profile.predictor, opened, "auto"))
        except ArgumentError as error:  # of what the file holds
            raise ProfileError(f"{path}: {error}") from error

    def __repr__(self) -> str:
        info, timings = self._profile.info, len(self._profile.measurements)
        runtime = f"{info.get('runtime')} {info.get('runtime_version') or ''}".strip()
        return (
            f"<Device {info.get('cpu')}, {runtime}, threads={info.get('threads')}, "
            f"{self.space}, {timings} timings>"
        )

    def _timeable(self, profile: Profile, measure: Measure | None) -> list[Measurement]:
        if measure is None and profile.info.get("runtime") == BY_CALLABLE:
            raise ArgumentError(
                "this device was timed by a callable, which a profile cannot hold: pass measure="
            )
        if measure is not None:
            return list(profile.measurements)
        shipped = set(self._bundle.manifest.get("references", []))
        return [m for m in profile.measurements if m.name in shipped]


def _adapt(predictor: Predictor, profile: Profile) -> Adapted:
    measured = profile.measurements
    if len(measured) < predictor.min_samples:
        raise ArgumentError(
            f"{len(measured)} timings are too few: this predictor needs {predictor.min_samples}"
        )
    return predictor.adapt([m.name for m in measured], [m.ms for m in measured], _unsteady(profile))


def _unsteady(profile: Profile) -> float:
    """As `Predictor.adapt` takes it; 0 where a profile does not tell."""
    value = profile.info.get("unsteady")
    if isinstance(value, (int, float)) and 0 < value < _MOST_UNSTEADY:
        return float(value)
    return 0.0


def _extremes(measured: Sequence[Measurement]) -> list[Measurement]:
    ordered = sorted(measured, key=lambda m: m.ms)
    return [ordered[0], ordered[-1]] if len(ordered) > 1 else ordered


def _ask(measure: Measure, arch: str) -> float:
    return float(np.median(valid_runs(arch, measure(arch))))


def _compare(
    before: Sequence[Measurement], now: Sequence[float], report: Conditions | None
) -> Check:
    """What networks take now, beside what they took; `report` of a timing on this machine.

    A timing leaves out what interruptions take, since that is not the network's. Whoever runs one
    now has to wait for it all the same.
    """
    lost = min(report.withheld, 0.99) if report else 0.0
    changes = [n / (1 - lost) / m.ms - 1 for n, m in zip(now, before, strict=True)]
    drift = float(np.mean(changes))
    return Check(
        names=tuple(m.name for m in before),
        before_ms=tuple(m.ms for m in before),
        now_ms=tuple(now),
        drift=drift,
        drifted=abs(drift) > _DRIFTED,
        lost=lost,
        notes=report.notes if report else (),
    )


def _advice(check: Check) -> str:
    """What a drifted device wants: to be left alone, or to be calibrated again."""
    how = f"{abs(check.drift):.0%} {'slower' if check.drift > 0 else 'faster'}"
    itself = (1 + check.drift) * (1 - check.lost) - 1
    if abs(itself) > _DRIFTED or not check.notes:
        return f"the device is {how} than when it was calibrated; calibrate again"
    return f"networks run {how} than when the device was calibrated: {check.notes[0]}"
