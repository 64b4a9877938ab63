"""Evaluations that leave a family or a hardware out, each in turn: how far a method carries.

What is left out is tested with all its settings and batch sizes; what is trained on shares neither
the family (or hardware) with it nor any hardware: a phone's DSP teaches nothing of its GPU.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from edgewise.errors import ArgumentError
from edgewise_converter.latency.evaluate import evaluate
from edgewise_converter.latency.question import Answer, Question, hardware_of, hold_out
from edgewise_converter.latency.scoring import Score, mean_score
from edgewise_converter.latency.tables import DeviceInfo

LEAVE_OUT = ("families", "hardware")
"""What can be left out."""


@dataclass(frozen=True)
class Fold:
    """One that is left out.

    Attributes:
        name: of the family or hardware.
        question: what was asked: its devices tested, others trained on.
        answer: what was found.
    """

    name: str
    question: Question
    answer: Answer

    def means(self, method: str) -> list[Score]:
        """A method's mean over the devices, for each repetition."""
        devices = self.answer.scores[method].values()
        return [mean_score(scores) for scores in zip(*devices, strict=True)]


def evaluate_left_out(question: Question, by: str) -> list[Fold]:
    """Leave out each family (or hardware) of the training devices, in the order of the devices.

    Args:
        question: its ``train`` devices are what is left out and trained on in turn; ``valid`` those
            preferred to choose a meta-training's best episode by; ``test`` is not looked at.
        by: of ``LEAVE_OUT``.

    Raises:
        ArgumentError: nothing is left to train on, or a method cannot do with what is.
    """
    folds = []
    for name, train, test in split_devices(question.train, question.info, by):
        valid = tuple(device for device in train if device in question.valid)
        if not valid or valid == train:
            valid = hold_out(train, question.info)
        asked = replace(question, train=train, valid=valid, test=test)
        folds.append(Fold(name, asked, evaluate(asked)))
    return folds


def split_devices(
    devices: Sequence[str], info: Mapping[str, DeviceInfo], by: str
) -> list[tuple[str, tuple[str, ...], tuple[str, ...]]]:
    """Name, devices to train on and devices to test of each fold."""
    kinds: dict[str, Callable[[str], str]] = {
        "families": lambda device: info[device].family if device in info else device,
        "hardware": lambda device: hardware_of(device, info),
    }
    if by not in kinds:
        raise ArgumentError(f"unknown {by!r} to leave out; known are {', '.join(LEAVE_OUT)}")
    kind, found = kinds[by], []
    for name in dict.fromkeys(map(kind, devices)):
        test = tuple(device for device in devices if kind(device) == name)
        seen = {hardware_of(device, info) for device in test}
        train = tuple(
            device
            for device in devices
            if kind(device) != name and hardware_of(device, info) not in seen
        )
        if not train:
            raise ArgumentError(f"without {name} there is no device left to train on")
        found.append((name, train, test))
    return found
