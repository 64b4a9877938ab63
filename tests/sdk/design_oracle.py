"""Which networks to time, by trying every one: the slow twin of the core's design."""

from __future__ import annotations

from collections.abc import Callable

USUAL_COUNTS = (5, 10)


def design(left: Callable[[list[int]], float], candidates: int, count: int) -> list[int]:
    """The ``count`` of 0..candidates - 1 that leave least, best first.

    One after the other, then each exchanged for a better one: the first five among themselves, then
    the next five, then the others; at last put in order.

    Args:
        left: the variance that timing these leaves.
        candidates: how many there are.
        count: how many to choose.
    """
    chosen: list[int] = []
    for size in [*(usual for usual in USUAL_COUNTS if usual < count), count]:
        settled = len(chosen)
        while len(chosen) < size:
            chosen.append(_best(left, chosen, range(candidates)))
        while _exchange(left, chosen, settled, candidates):
            pass
        members = chosen[settled:]
        del chosen[settled:]
        while members:
            chosen.append(_best(left, chosen, members))
            members.remove(chosen[-1])
    return chosen


def _best(left: Callable[[list[int]], float], chosen: list[int], members: range | list[int]) -> int:
    return min((i for i in members if i not in chosen), key=lambda i: left([*chosen, i]))


def _exchange(
    left: Callable[[list[int]], float], chosen: list[int], settled: int, candidates: int
) -> bool:
    """One round; whether any was exchanged."""
    exchanged = False
    for k in range(settled, len(chosen)):
        others = chosen[:k] + chosen[k + 1 :]
        better = _best(left, others, range(candidates))
        if left([*others, better]) < left([*others, chosen[k]]) * (1 - 1e-9):
            chosen[k] = better
            exchanged = True
    return exchanged
