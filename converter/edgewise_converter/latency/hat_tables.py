"""Tables of HAT's transformers (Wang et al., arXiv 2005.14187), CSV files as its authors publish.

One row an architecture, in ten columns of which those of single layers are averages; one file a
device and task. Rows differ from file to file, so no two devices need have one in common. Times are
milliseconds; every file times the encoder and one decoding apart.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgewise.errors import ArgumentError

FloatArray = NDArray[np.float64]

SPACE = "transformer"
TARGETS = ("decoder", "encoder", "total")
"""What latency can be taken from such a file; the total is the sum."""

_COLUMNS = (
    "encoder_embed_dim",
    "encoder_layer_num",
    "encoder_ffn_embed_dim_avg",
    "encoder_self_attention_heads_avg",
    "decoder_embed_dim",
    "decoder_layer_num",
    "decoder_ffn_embed_dim_avg",
    "decoder_self_attention_heads_avg",
    "decoder_ende_attention_heads_avg",
    "decoder_arbitrary_ende_attn_avg",
)
_LATENCIES = {
    "decoder": ("latency_mean_decoder",),
    "encoder": ("latency_mean_encoder",),
    "total": ("latency_mean_encoder", "latency_mean_decoder"),
}


def read_hat_table(path: Path, target: str) -> tuple[list[str], FloatArray]:
    """Architectures as the space ``transformer`` reads them, and their latencies, milliseconds.

    Args:
        path: a CSV file with a header.
        target: which latency, of ``TARGETS``.

    Raises:
        ArgumentError: an unknown target, no such file, a missing column, or a value that is no
            number.
    """
    if target not in TARGETS:
        raise ArgumentError(f"unknown target {target!r}; known are {', '.join(TARGETS)}")
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except FileNotFoundError as error:
        raise ArgumentError(f"{path}: no such file") from error
    except (OSError, ValueError, csv.Error) as error:
        raise ArgumentError(f"{path}: not a CSV table ({error})") from error
    if not rows:
        raise ArgumentError(f"{path}: an empty table")
    archs = [
        json.dumps(dict(zip(_COLUMNS, _numbers(row, _COLUMNS, path, line), strict=True)))
        for line, row in enumerate(rows, start=2)
    ]
    timings = [
        sum(_numbers(row, _LATENCIES[target], path, line)) for line, row in enumerate(rows, start=2)
    ]
    return archs, np.array(timings)


def hat_hardware(device: str) -> str:
    """The hardware that a file of HAT's names at its end: "titanxp" of "wmt14ende_gpu_titanxp"."""
    return device.rpartition("_")[2]


def _numbers(
    row: Mapping[str, str | None], names: Sequence[str], path: Path, line: int
) -> list[float]:
    values = []
    for name in names:
        if row.get(name) is None:
            raise ArgumentError(f"{path}: line {line} has no column {name!r}")
        try:
            value = float(str(row[name]))
        except ValueError as error:
            raise ArgumentError(f"{path}: line {line}: {name} is {row[name]!r}") from error
        # A whole number is written as one, so that a width is the width the space knows.
        values.append(int(value) if value.is_integer() else value)
    return values
