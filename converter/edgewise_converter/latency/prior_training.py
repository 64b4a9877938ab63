"""Learns the prior of any space."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from edgewise.errors import ArgumentError
from edgewise_converter.latency import prior_blocks, prior_nasbench201, prior_transformer
from edgewise_converter.latency.block_selection import choose_deviations
from edgewise_converter.latency.prior import Prior
from edgewise_converter.latency.prior_selection import leave_families_out, select_settings
from edgewise_converter.latency.tables import DeviceInfo, LatencyTable, Split

_DESIGNS = 3  # halves of the pool that settings are tried on


def train_prior(
    table: LatencyTable, devices: Sequence[str], info: Mapping[str, DeviceInfo]
) -> Prior:
    """Learn a prior from some devices of a table, with the settings that ship.

    Args:
        table: latencies; architectures that a device was not measured on are left out.
        devices: devices to learn from, and no other.
        info: their hardware and families, which are balanced.

    Raises:
        ArgumentError: no device, an unknown one, too few timings, or a space without a prior.
    """
    return choose_and_train(table, devices, info, None, steps=0, seed=0)


def choose_and_train(
    table: LatencyTable,
    devices: Sequence[str],
    info: Mapping[str, DeviceInfo],
    split: Split | None,
    *,
    steps: int,
    seed: int,
) -> Prior:
    """The same, its settings chosen anew in ``steps`` steps by leaving families out.

    Args:
        table: latencies.
        devices: devices to learn from and to choose by, and no other.
        info: their hardware and families.
        split: pool and query of the table, if it has any.
        steps: of the search; 0 keeps the settings that ship.
        seed: of the search.

    Raises:
        ArgumentError: as :func:`train_prior`; or too few families to leave one out.
    """
    if table.space == "nasbench201":
        fits = prior_nasbench201.fit_devices(table, devices)
        cell = prior_nasbench201.PriorSettings()
        if steps:
            left_out = leave_families_out(table, fits, info, split, designs=_DESIGNS, seed=seed)
            cell = select_settings(left_out.loss, cell, steps=steps, seed=seed)
        return prior_nasbench201.build_prior(table.space, fits, info, cell)
    if table.space in prior_blocks.SETTINGS:
        blocks = prior_blocks.SETTINGS[table.space]
        if steps:
            start = replace(prior_blocks.START, unlike=blocks.unlike)
            blocks = choose_deviations(table, devices, info, start, steps=steps, seed=seed)
        return prior_blocks.train(table, devices, info, blocks)
    if table.space == "transformer":
        return prior_transformer.train(table, devices, info, prior_transformer.Settings())
    raise ArgumentError(f"{table.source}: no prior is known for space {table.space!r}")
