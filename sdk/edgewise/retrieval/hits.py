"""What retrieval answers: networks, each ready to be loaded, or which came closest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from ..errors import ArgumentError
from ..fewshot import FewShotClassifier
from ..fewshot.pictures import is_one
from ..latency.prediction import Prediction
from .entry import Entry
from .network import ZooNetwork

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..fewshot.pictures import Pictures
    from .zoo_file import ZooFile


@dataclass(frozen=True)
class Hit:
    """A network that was found for pictures."""

    entry: Entry
    """Its model card."""
    expected_accuracy: float
    """That is predicted of it on the pictures' classes once fine-tuned to them, share of one."""
    cosine: float
    """Between the pictures and the network, in the space of both."""
    predicted: Prediction | None
    """Of one picture on the device that was asked for, with an interval of confidence 0.9; None
    where there is no device."""
    _file: ZooFile

    @property
    def name(self) -> str:
        """Of the entry."""
        return self.entry.name

    @property
    def predicted_ms(self) -> float | None:
        """Of one picture on the device; None where there is none."""
        return None if self.predicted is None else float(self.predicted.ms)

    @property
    def predicted_low(self) -> float | None:
        """Lower end of the interval."""
        return None if self.predicted is None else float(self.predicted.low)

    @property
    def predicted_high(self) -> float | None:
        """Upper end of the interval, which keeps to `max_ms`."""
        return None if self.predicted is None else float(self.predicted.high)

    @property
    def task(self) -> str:
        """What the network was trained for."""
        return self.entry.task

    @property
    def params(self) -> int:
        """Learnt numbers, those of the head left out."""
        return self.entry.params

    @property
    def bytes(self) -> int:
        """Of the model file that runs."""
        return self.entry.bytes

    def load(self, runtime: str = "auto", threads: int = 1) -> ZooNetwork:
        """The network, ready to run; raises as `ZooNetwork`."""
        return ZooNetwork(self._file, self.entry, runtime=runtime, threads=threads)

    def classifier(
        self,
        images: Pictures,
        labels: Sequence[Any] | NDArray[Any],
        *,
        runtime: str = "auto",
        threads: int = 1,
    ) -> FewShotClassifier:
        """A few-shot classifier on the network's features, that was shown these pictures.

        Args:
            images: (N, H, W, 3) uint8, or a sequence of pictures and paths.
            labels: (N,) the class of each; they become strings.
            runtime: of the network.
            threads: of the runtime.

        Raises:
            ArgumentError: not one label for each picture.
            PictureError: a picture that cannot be used, named.
        """
        pictures: list[Any] = [images] if is_one(images) else [*cast("Sequence[Any]", images)]
        if len(pictures) != len(labels):
            raise ArgumentError(
                f"there are {len(pictures)} pictures and {len(labels)} labels; give one for each"
            )
        classifier = FewShotClassifier(self.load(runtime, threads))
        names = [str(label) for label in labels]
        for name in dict.fromkeys(names):
            own = [image for image, label in zip(pictures, names, strict=True) if label == name]
            classifier.add(name, own)
        return classifier

    def as_json(self) -> dict[str, Any]:
        """For printing."""
        entry = self.entry
        return {
            "name": self.name,
            "task": self.task,
            "expected_accuracy": round(self.expected_accuracy, 4),
            "cosine": round(self.cosine, 4),
            "predicted_ms": self.predicted_ms,
            "predicted_low": self.predicted_low,
            "predicted_high": self.predicted_high,
            "params": self.params,
            "bytes": self.bytes,
            "labels": list(entry.labels),
            "test_accuracy": entry.test_accuracy,
            "trained_on": list(entry.trained_on),
            "licence": entry.licence,
        }


class Hits(list[Hit]):
    """What was found, best first; empty where nothing keeps to the limits."""

    closest: Hit | None = None
    """Of an empty answer: the network that misses the limits by least."""
    reason: str = ""
    """Of an empty answer: what there was to keep to, and what the closest takes."""
