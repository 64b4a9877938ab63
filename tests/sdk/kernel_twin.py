"""What the twins of `Space.lower` are written with: a network as a list of plain rows."""

from __future__ import annotations

from typing import NamedTuple

from edgewise.spaces import Kernel

Position = tuple[int, int, int]
Shape = tuple[int, int, int]  # height, width, channels


class Row(NamedTuple):
    """All that a kernel says of itself, in plain numbers."""

    op: str
    activation: str
    before: Shape
    after: Shape
    window: tuple[int, int]
    stride: int
    groups: int
    batch: int
    inputs: list[int]
    position: Position


class Twin:
    """Rows one after another; a result is known by the number of its row."""

    def __init__(self, *inputs: Shape) -> None:
        self.rows: list[Row] = []
        self.shapes = {-1 - number: shape for number, shape in enumerate(inputs)}
        self.position: Position = (0, -1, -1)

    def step(
        self,
        op: str,
        *inputs: int,
        after: Shape | None = None,
        before: Shape | None = None,
        act: str = "identity",
        window: tuple[int, int] = (1, 1),
        stride: int = 1,
        groups: int = 1,
        batch: int = 1,
    ) -> int:
        """Append a row; shapes default to that of the first input."""
        shape = before or self.shapes[inputs[0]]
        number = len(self.rows)
        self.shapes[number] = after or shape
        self.rows.append(
            Row(
                op,
                act,
                shape,
                self.shapes[number],
                window,
                stride,
                groups,
                batch,
                list(inputs),
                self.position,
            )
        )
        return number

    def conv(
        self, x: int, channels: int, k: int, stride: int = 1, groups: int = 1, act: str = "identity"
    ) -> int:
        """A convolution padded by (k - 1) / 2."""
        height, width, _ = self.shapes[x]
        pad = (k - 1) // 2
        after = tuple((side + 2 * pad - k) // stride + 1 for side in (height, width))
        return self.step(
            "conv",
            x,
            after=(*after, channels),  # type: ignore[arg-type]
            act=act,
            window=(k, k),
            stride=stride,
            groups=groups,
        )

    def mean(self, x: int) -> int:
        """The mean of each channel."""
        height, width, channels = self.shapes[x]
        return self.step(
            "global_avg_pool", x, after=(1, 1, channels), window=(height, width), stride=height
        )

    def linear(self, x: int, channels: int, act: str = "identity") -> int:
        """A matrix product over the channels."""
        return self.step("linear", x, after=(*self.shapes[x][:2], channels), act=act)


def rows_of(kernels: list[Kernel]) -> list[Row]:
    """What the core lowered, as rows."""
    return [
        Row(
            k.op,
            k.activation,
            (k.height, k.width, k.in_channels),
            (k.out_height, k.out_width, k.out_channels),
            (k.kernel_height, k.kernel_width),
            k.stride,
            k.groups,
            k.batch,
            k.inputs,
            k.position,
        )
        for k in kernels
    ]
