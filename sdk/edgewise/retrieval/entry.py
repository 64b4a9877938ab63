"""What a zoo says of each of its networks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_NUMBERS = ("parameters", "flops", "bytes")
_ACCURACIES = ("validation_accuracy", "test_accuracy")


@dataclass(frozen=True)
class Entry:
    """A network of a zoo: its model card."""

    number: int
    """Of the entry in its zoo, from 0."""
    name: str
    """Unique in the zoo."""
    task: str
    """What it was trained for."""
    labels: tuple[str, ...]
    """Classes that it tells apart."""
    arch: str | None
    """Which network of the supernet it is; None for a network of another making."""
    trained_on: tuple[str, ...]
    """Data sets."""
    licence: str
    validation_accuracy: float
    """On pictures of its task, share of one."""
    test_accuracy: float
    params: int
    """Learnt numbers, those of its head left out."""
    flops: float
    """Multiply-accumulates x 2 of one picture."""
    bytes: int
    """Of the model file that runs, weights in single precision."""
    image: tuple[int, int]
    """Height and width of the pictures it takes; others are resized."""
    features: int
    """How many numbers it describes a picture with."""
    model: int | None
    """Which of the zoo's models it fills with its weights; None where it has one of its own."""


def read_entry(number: int, about: Mapping[str, Any], zoo: Mapping[str, Any]) -> Entry:
    """An entry of a manifest; raises KeyError, TypeError or ValueError for what cannot be one."""
    whole = {**zoo, **about}
    height, width, channels = (int(side) for side in whole["image"])
    parameters, flops, size = (float(about[key]) for key in _NUMBERS)
    validation, test = (float(about[key]) for key in _ACCURACIES)
    features = int(whole["features"])
    if channels != 3 or min(height, width, features) < 1:
        raise ValueError(f"pictures {whole['image']} to {features} features")
    labels = tuple(str(label) for label in about["labels"])
    if not labels:
        raise ValueError("it tells no classes apart")
    arch, model = about.get("arch"), about.get("model")
    return Entry(
        number=number,
        name=str(about["name"]),
        task=str(about["task"]),
        labels=labels,
        arch=None if arch is None else str(arch),
        trained_on=tuple(str(name) for name in about["trained_on"]),
        licence=str(about["licence"]),
        validation_accuracy=validation,
        test_accuracy=test,
        params=int(parameters),
        flops=flops,
        bytes=int(size),
        image=(height, width),
        features=features,
        model=None if model is None else int(model),
    )
