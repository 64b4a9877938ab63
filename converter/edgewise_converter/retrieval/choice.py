"""What is chosen of the supernet: depth, kernel sizes and expansions of a network to be cut."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgewise.errors import ArchitectureError
from edgewise.spaces import get_space

#: The space of the core that these are architectures of.
SPACE = "supernet"
STAGES, MOST_BLOCKS = 3, 3
KERNELS, EXPANSIONS, DEPTHS = (3, 5), (2, 3, 4), (1, 2, 3)
_KEYS = ("ks", "e", "d")


@dataclass(frozen=True)
class Choice:
    """A network of the supernet.

    Attributes:
        kernels: (9,) of the blocks, three a stage; those past the stage's depth are 3.
        expansions: the same; those past the stage's depth are 2.
        depths: (3,) blocks of each stage.
    """

    kernels: tuple[int, ...]
    expansions: tuple[int, ...]
    depths: tuple[int, ...]

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            ArchitectureError: a wrong number of values, or one that may not be chosen.
        """
        _check("ks", self.kernels, STAGES * MOST_BLOCKS, KERNELS)
        _check("e", self.expansions, STAGES * MOST_BLOCKS, EXPANSIONS)
        _check("d", self.depths, STAGES, DEPTHS)

    def blocks(self) -> list[tuple[int, int]]:
        """Stage and number within it of each block that is there."""
        return [(stage, at) for stage, depth in enumerate(self.depths) for at in range(depth)]

    def canonical(self) -> Choice:
        """The same network, what is not there set to the first choice."""
        there = {stage * MOST_BLOCKS + at for stage, at in self.blocks()}
        kernels, expansions = (
            tuple(value if at in there else first for at, value in enumerate(values))
            for values, first in ((self.kernels, KERNELS[0]), (self.expansions, EXPANSIONS[0]))
        )
        return Choice(kernels, expansions, self.depths)

    def __str__(self) -> str:
        """One line of JSON, which :func:`parse_choice` reads."""
        values = (self.kernels, self.expansions, self.depths)
        return json.dumps(
            {key: list(value) for key, value in zip(_KEYS, values, strict=True)},
            separators=(",", ":"),
        )


def parse_choice(text: str) -> Choice:
    """The choice that a string stands for, canonical.

    Raises:
        ArchitectureError: it stands for none.
    """
    found = json.loads(get_space(SPACE).parse(text))
    return Choice(*(tuple(found[key]) for key in _KEYS))


def largest() -> Choice:
    """Everything at its most."""
    return _all(-1)


def smallest() -> Choice:
    """Everything at its least."""
    return _all(0)


def draw_choice(generator: np.random.Generator) -> Choice:
    """A random network: every value uniform, then canonical."""
    blocks = STAGES * MOST_BLOCKS
    kernels, expansions, depths = (
        tuple(generator.choice(np.array(values), count).tolist())
        for values, count in ((KERNELS, blocks), (EXPANSIONS, blocks), (DEPTHS, STAGES))
    )
    return Choice(kernels, expansions, depths).canonical()


def _all(at: int) -> Choice:
    blocks = STAGES * MOST_BLOCKS
    return Choice(
        (KERNELS[at],) * blocks, (EXPANSIONS[at],) * blocks, (DEPTHS[at],) * STAGES
    ).canonical()


def _check(name: str, values: Sequence[int], count: int, allowed: Sequence[int]) -> None:
    if len(values) != count:
        raise ArchitectureError(f"{name} has {len(values)} values, not {count}")
    for at, value in enumerate(values):
        if value not in allowed:
            raise ArchitectureError(
                f"{name}[{at}] is {value}, none of {', '.join(map(str, allowed))}"
            )
