"""Figures printed in the paper of HELP (arXiv 2106.08630), to be shown beside ours.

Spearman's rank correlation on the middle queries.
"""

from __future__ import annotations

from collections.abc import Mapping

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
"""By space, then by what is printed, then by device."""
