"""Which classes are for training, for validation and for test."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from edgewise.errors import ArgumentError

PARTS = ("train", "val", "test")


@dataclass(frozen=True)
class ClassSplit:
    """A split by class: no class is in two parts.

    Attributes:
        source: where it is from, for messages.
        train: classes to learn from.
        val: classes by which anything is chosen.
        test: classes that are only scored.
    """

    source: str
    train: tuple[str, ...]
    val: tuple[str, ...]
    test: tuple[str, ...]

    def __post_init__(self) -> None:
        """Check that the parts have no class in common.

        Raises:
            ArgumentError: they have.
        """
        seen: dict[str, str] = {}
        for part in PARTS:
            for name in self.part(part):
                if name in seen:
                    raise ArgumentError(
                        f"{self.source}: class {name!r} is in {seen[name]} and in {part}"
                    )
                seen[name] = part

    def part(self, name: str) -> tuple[str, ...]:
        """The classes of a part: `train`, `val` or `test`."""
        if name not in PARTS:
            raise ArgumentError(f"unknown part {name!r}; known are {', '.join(PARTS)}")
        classes: tuple[str, ...] = getattr(self, name)
        return classes


def load_class_splits(path: Path) -> dict[str, ClassSplit]:
    """Read the class splits of a `splits.json`.

    An entry `{name: {"train": [...], "val": [...], "test": [...]}}` is a split; others are left.

    Raises:
        ArgumentError: no such file, not JSON, a part that is no list of names, or a class
            in two parts.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ArgumentError(f"{path}: no such file") from error
    except (OSError, ValueError) as error:
        raise ArgumentError(f"{path}: not JSON ({error})") from error
    if not isinstance(content, dict):
        raise ArgumentError(f"{path}: expected a JSON object")
    splits = {}
    for name, parts in content.items():
        if not isinstance(parts, dict) or set(parts) != set(PARTS):
            continue
        for part, classes in parts.items():
            if not isinstance(classes, list) or not all(isinstance(each, str) for each in classes):
                raise ArgumentError(f"{path}: {name}: {part} is not a list of class names")
        source = f"{path}: {name}"
        splits[name] = ClassSplit(source, **{part: tuple(parts[part]) for part in PARTS})
    return splits
