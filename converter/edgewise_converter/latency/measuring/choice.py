"""Which architectures are measured: those of a list, those of a table, or a random draw."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edgewise.errors import ArchitectureError, ArgumentError

if TYPE_CHECKING:
    from edgewise.spaces import Space

_MANY = 1_000_000  # of a space that cannot be listed; nobody measures more


def read_architectures(path: Path, space: Space) -> list[str]:
    """Canonical architectures of a text file, one a line, each once; `#` begins a comment line.

    Raises:
        ArgumentError: the file is missing, is no text, or names none.
        ArchitectureError: a line is no architecture of the space; the message has its number.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError as error:
        raise ArgumentError(f"{path}: no such file") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ArgumentError(f"{path}: not a text file ({error})") from error
    found: dict[str, None] = {}
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if text and not text.startswith("#"):
            try:
                found[space.parse(text)] = None
            except ArchitectureError as error:
                raise ArchitectureError(f"{path}, line {number}: {error}") from error
    if not found:
        raise ArgumentError(f"{path}: names no architecture")
    return list(found)


def draw_architectures(space: Space, count: int, seed: int) -> list[str]:
    """`count` different architectures drawn evenly, canonical; the same seed draws the same.

    Networks without a path from input to output are left out: they compute a constant, and their
    latency says nothing of a device.

    Raises:
        ArgumentError: the space has fewer.
    """
    most = space.size or _MANY
    drawn = min(count, most)
    while True:
        archs = [a for a in space.decode(space.draw(drawn, seed)) if space.connected(a)]
        if len(archs) >= count:
            return archs[:count]
        if drawn == most:
            raise ArgumentError(f"{space.name} has {len(archs)} architectures, not {count}")
        drawn = min(2 * drawn, most)
