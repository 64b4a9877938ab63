"""The check of inputs that both model formats share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..errors import ArgumentError
from .protocol import TensorInfo

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def check_inputs(infos: Sequence[TensorInfo], arrays: Sequence[NDArray[np.generic]]) -> None:
    """Raise ArgumentError unless `arrays` match `infos` in number, shape (-1: any) and dtype."""
    if len(arrays) != len(infos):
        raise ArgumentError(f"the model takes {len(infos)} inputs, {len(arrays)} were given")
    for info, array in zip(infos, arrays, strict=True):
        fits = len(array.shape) == len(info.shape) and all(
            want in (-1, got) for want, got in zip(info.shape, array.shape, strict=True)
        )
        if not fits or array.dtype != info.dtype:
            raise ArgumentError(
                f"input {info.name!r} takes {info.dtype}{list(info.shape)}, "
                f"not {array.dtype}{list(array.shape)}"
            )
