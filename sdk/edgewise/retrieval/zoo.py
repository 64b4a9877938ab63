"""A zoo of pretrained networks, asked for those that suit pictures and keep to limits.

Nothing is trained here, and pictures stay where they are: a query is a few statistics of their
embeddings (Lee et al. 2021, arXiv 2103.01495).
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from ..arguments import positive_int
from ..bundle import Bundle
from ..errors import (
    ArgumentError,
    BundleError,
    EdgewiseError,
    NotCalibratedError,
)
from ..fewshot.embedder import Embedder, open_embedder
from ..fewshot.pictures import is_one, ready
from ..latency.current import current_device
from ..latency.prediction import Prediction
from ..shipped import fingerprint
from .entry import Entry
from .hits import Hit, Hits
from .limits import CONFIDENCE, Limits
from .network import ZooNetwork
from .statistics import query_statistics
from .zoo_file import ZooFile, open_zoo

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..fewshot.pictures import Pictures
    from ..latency import Device
    from ..latency.network import NetworkPredictor

_SPACE = "supernet"

_log = logging.getLogger(__name__)


class ModelZoo:
    """Pretrained networks, and which of them suit one's pictures.

    All methods may be called from any number of threads.
    """

    def __init__(
        self,
        zoo: str | Path | Bundle = "default",
        *,
        embedder: str | Path | Bundle = "default",
        runtime: str = "auto",
        threads: int = 1,
    ) -> None:
        """Open a zoo; its embedder is loaded when it is first asked.

        Args:
            zoo: path of a `zoo` bundle; `default` is the one that ships.
            embedder: the bundle that it was made with; `default` is the one that ships.
            runtime: of the embedder.
            threads: of the runtime.

        Raises:
            BundleError: a bundle is missing, damaged, of another kind or incomplete, or the
                embedder is not the one that the zoo was made with; the message names it.
        """
        self._file = ZooFile(open_zoo(zoo))
        self._embedder_bundle = _own_embedder(self._file, open_embedder(embedder))
        self._runtime, self._threads = runtime, positive_int("threads", threads)
        self._loaded: Embedder | None = None
        self._lock = threading.Lock()
        entries = self._file.entries
        self._params = np.array([entry.params for entry in entries], np.float64)
        self._bytes = np.array([entry.bytes for entry in entries], np.float64)
        self._predicted: tuple[NetworkPredictor, Prediction] | None = None

    def __len__(self) -> int:
        return len(self._file.entries)

    def __getitem__(self, which: int | str) -> Entry:
        """The entry of a number, from 0, or of a name; IndexError or KeyError for none."""
        if isinstance(which, str):
            for entry in self._file.entries:
                if entry.name == which:
                    return entry
            raise KeyError(which)
        return self._file.entries[which]

    def __iter__(self) -> Iterator[Entry]:
        return iter(list(self._file.entries))

    @property
    def bundle(self) -> Bundle:
        """The file."""
        return self._file.bundle

    def load(self, entry: Entry | int | str, runtime: str = "auto", threads: int = 1) -> ZooNetwork:
        """A network of the zoo, whether it suits anything or not; raises as `ZooNetwork`."""
        found = entry if isinstance(entry, Entry) else self[entry]
        return ZooNetwork(self._file, found, runtime=runtime, threads=threads)

    def retrieve(
        self,
        images: Pictures,
        labels: Sequence[Any] | NDArray[Any],
        k: int = 5,
        *,
        max_ms: float | None = None,
        max_params: int | None = None,
        max_bytes: int | None = None,
        device: Device | None = None,
        unreadable: str = "refuse",
    ) -> Hits:
        """The networks that should do best on one's pictures once fine-tuned, within limits.

        Limits come first; of what keeps to them the nearest are ranked by expected accuracy.

        Args:
            images: (N, H, W, 3) uint8, or a sequence of pictures and paths; some of each class.
            labels: (N,) the class of each, of two classes or more.
            k: how many.
            max_ms: limit of milliseconds for one picture on the device: what is predicted must keep
                to it with the upper end of its interval.
            max_params: limit of parameters.
            max_bytes: limit of bytes of the model file that runs.
            device: a calibrated one; None: the current one, where there is one.
            unreadable: `refuse` all when a picture cannot be used, or `skip` it and log which.

        Returns:
            At most k, best first. Where nothing keeps to the limits: none, and `closest` and
            `reason` say what would.

        Raises:
            ArgumentError: unusable k or limits, no pictures, not one label for each, or a single
                class.
            PictureError: a picture that cannot be used, named.
            NotCalibratedError: `max_ms` without any device.
        """
        limits = Limits(max_ms, max_params, max_bytes)
        positive_int("k", k)
        numbers = _numbers(images, labels)
        times = self._times(device, needed=max_ms is not None)
        high = None if times is None else times.high
        excess = limits.excess(high, self._params, self._bytes)
        fits = excess <= 1
        statistics = self._statistics(images, numbers, unreadable)
        if fits.any():
            return Hits(self._search(statistics, k, fits, times))
        (closest,) = self._search(statistics, 1, np.arange(len(self)) == excess.argmin(), times)
        return _nothing(limits, closest)

    def predicted_ms(self, device: Device | None = None) -> Prediction:
        """Milliseconds with their interval, (N,) each, of every network on a device.

        Raises NotCalibratedError when no device is given and none is current.
        """
        found = self._times(device, needed=True)
        assert found is not None
        return found

    def __repr__(self) -> str:
        return f"<ModelZoo {self.bundle.name!r}, {len(self)} networks>"

    def _statistics(
        self, images: Pictures, numbers: NDArray[np.int64], unreadable: str
    ) -> NDArray[np.float32]:
        embedder = self._embedder()
        pictures = ready(images, embedder.height, embedder.width, unreadable)
        usable = [picture for picture in pictures if picture is not None]
        kept = numbers[[picture is not None for picture in pictures]]
        if len(np.unique(kept)) < 2:
            raise ArgumentError("the pictures that can be used are not of two classes or more")
        return query_statistics(embedder.embed(usable), kept, self._file.statistics)

    def _embedder(self) -> Embedder:
        with self._lock:
            if self._loaded is None:
                self._loaded = Embedder(
                    self._embedder_bundle,
                    runtime=self._runtime,
                    precision=None,
                    threads=self._threads,
                )
            return self._loaded

    def _times(self, device: Device | None, *, needed: bool) -> Prediction | None:
        if device is None:
            device = _current(needed)
        if device is None:
            return None
        networks, known = device.networks, self._predicted
        if known is None or known[0] is not networks:
            known = self._predicted = (networks, self._predict(device, networks))
        return known[1]

    def _predict(self, device: Device, networks: NetworkPredictor) -> Prediction:
        """By the device's own space where it is the supernet's, else by what kernels ask for."""
        found = np.array(networks.predict_features(self._file.kernels, CONFIDENCE))
        if device.space == _SPACE:
            own = [entry for entry in self._file.entries if entry.arch is not None]
            if own:
                archs = [str(entry.arch) for entry in own]
                found[:, [entry.number for entry in own]] = device.predict(archs, CONFIDENCE)
        return Prediction(*found)

    def _search(
        self,
        statistics: NDArray[np.float32],
        k: int,
        mask: NDArray[np.bool_],
        times: Prediction | None,
    ) -> list[Hit]:
        hits = []
        for number, cosine, accuracy in zip(
            *self._file.index.search(statistics, k, mask), strict=True
        ):
            predicted = None
            if times is not None:
                predicted = Prediction(*(float(value[number]) for value in times))
            entry = self._file.entries[number]
            hits.append(Hit(entry, float(accuracy), float(cosine), predicted, self._file))
        return hits


def _nothing(limits: Limits, closest: Hit) -> Hits:
    takes = f"{closest.params:,} parameters and {closest.bytes:,} bytes"
    if closest.predicted_high is not None:
        takes = f"up to {closest.predicted_high:.3g} ms, {takes}"
    found = Hits()
    found.closest = closest
    found.reason = f"nothing keeps to {limits}; the closest, {closest.name!r}, takes {takes}"
    _log.warning("%s", found.reason)
    return found


def _current(needed: bool) -> Device | None:
    """The current device; None where there is none that can be used and none is needed."""
    try:
        return current_device()
    except NotCalibratedError as error:
        if needed:
            raise NotCalibratedError(
                f"milliseconds need a device, and {error}, or pass device="
            ) from None
    except EdgewiseError as error:
        if needed:
            raise
        _log.warning("milliseconds are not predicted: %s", error)
    return None


def _own_embedder(file: ZooFile, bundle: Bundle) -> Bundle:
    made_with, here = file.embedder, fingerprint(bundle)
    if made_with["fingerprint"] != here:
        raise BundleError(
            f"{file.bundle.path}: was made with another embedder {made_with['name']!r} "
            f"({made_with['fingerprint']}) than {bundle.path} ({here}); pass that one as embedder="
        )
    return bundle


def _numbers(images: Pictures, labels: Sequence[Any] | NDArray[Any]) -> NDArray[np.int64]:
    """(N,) a number for each label; ArgumentError unless there is one a picture, of two classes."""
    if isinstance(labels, str) or not isinstance(labels, (Sequence, np.ndarray)):
        raise ArgumentError(f"labels are a sequence, one for each picture, not {labels!r}")
    count = 1 if is_one(images) else len(cast("Sequence[Any]", images))
    if count == 0:
        raise ArgumentError("there are no pictures; give some of each class")
    if len(labels) != count:
        raise ArgumentError(
            f"there are {count} pictures and {len(labels)} labels; give one for each"
        )
    names = [str(label) for label in labels]
    known = {name: number for number, name in enumerate(dict.fromkeys(names))}
    if len(known) < 2:
        raise ArgumentError(
            f"all pictures are of one class, {names[0]!r}; retrieval takes two or more"
        )
    return np.array([known[name] for name in names], np.int64)
