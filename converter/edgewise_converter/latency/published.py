"""Figures printed in the paper of HELP (arXiv 2106.08630), to be shown beside ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

PUBLISHED: Mapping[str, Mapping[str, Mapping[str, float]]] = {
    "nasbench201": {
        "HELP, Table 3": {
            "titan_rtx_256": 0.987,
            "gold_6226": 0.989,
            "pixel2": 0.802,
            "raspi4": 0.890,
            "eyeriss": 0.940,
            "fpga": 0.985,
            "mean": 0.932,
        },
        "BRP-NAS, Table 3 (900 timings)": {
            "titan_rtx_256": 0.814,
            "gold_6226": 0.796,
            "pixel2": 0.666,
            "raspi4": 0.847,
            "eyeriss": 0.811,
            "fpga": 0.801,
            "mean": 0.789,
        },
    },
    "fbnet": {
        "HELP, Table 2": {"raspi4": 0.887, "eyeriss": 0.943, "fpga": 0.892, "mean": 0.910},
        "MAML, Table 2": {"raspi4": 0.718, "eyeriss": 0.763, "fpga": 0.727, "mean": 0.736},
        "Meta-SGD, Table 2": {"raspi4": 0.821, "eyeriss": 0.822, "fpga": 0.776, "mean": 0.806},
    },
}
"""Rank correlation on the middle queries: by space, then by what is printed, then by device."""


class Constrained(NamedTuple):
    """What HELP found under a limit: milliseconds it took, and accuracy in percent."""

    limit: float
    ms: float
    accuracy: float


CONSTRAINED: Mapping[str, Mapping[str, tuple[Constrained, ...]]] = {
    "nasbench201": {
        "titan_rtx_256": (
            Constrained(18, 17.8, 69.7),
            Constrained(21, 18.9, 71.5),
            Constrained(25, 24.2, 71.8),
        ),
        "gold_6226": (
            Constrained(8, 8.0, 67.3),
            Constrained(11, 10.7, 70.2),
            Constrained(14, 14.3, 72.1),
        ),
        "pixel2": (
            Constrained(14, 13, 69.7),
            Constrained(18, 19, 71.8),
            Constrained(22, 25, 73.2),
        ),
        "eyeriss": (
            Constrained(5, 3.9, 71.5),
            Constrained(7, 5.1, 71.8),
            Constrained(9, 9.1, 73.5),
        ),
        "fpga": (
            Constrained(4, 3.8, 70.2),
            Constrained(5, 4.7, 71.8),
            Constrained(6, 7.4, 73.5),
        ),
    },
    "ofa": {
        "titan_rtx_64": (
            Constrained(20, 20.3, 76.0),
            Constrained(23, 23.1, 76.8),
            Constrained(28, 28.6, 77.9),
        ),
    },
}
"""Searches under a limit, by space, then by device: Table 4 (CIFAR-100 accuracy of candidates that
MetaD2A generated) and Table 5 (ImageNet)."""
