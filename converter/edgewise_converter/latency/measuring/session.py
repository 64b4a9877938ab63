"""Measuring: groups of networks in turns through a runtime, or one after another by a command."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from edgewise.errors import EdgewiseError, MeasurementError
from edgewise.latency.timing import ready_session
from edgewise.measure import MeasuringInterrupted
from edgewise.runtimes import Runtime
from edgewise_converter.latency.measuring.command_timer import CommandTimer
from edgewise_converter.latency.measuring.group_timer import GroupTimer, Run, enough
from edgewise_converter.latency.measuring.growing_table import GrowingTable

_log = logging.getLogger(__name__)

GROUP = 10
"""Networks that are timed in turns, as in a calibration."""

_HOPELESS = 3  # failures in a row that end measuring

Advance = Callable[[int, int], None]
Build = Callable[[str], bytes]
"""Architecture to model file."""

_T = TypeVar("_T")


class Measuring:
    """One device being measured: fills a table, and remembers what failed."""

    def __init__(self, table: GrowingTable, build: Build, advance: Advance | None = None) -> None:
        """`build` makes a network's file; `advance(done, total)` is called as networks are done."""
        self._table = table
        self._build = build
        self._advance = advance
        self._done = 0
        self._failures_in_a_row = 0
        self.failed: list[str] = []
        """Architectures that could not be timed; they stay NaN."""

    def through(self, runtime: Runtime, archs: Sequence[str], threads: int) -> None:
        """Time `archs` on this machine, ten in turns; a group is written when it is done.

        Ctrl-C keeps those networks of the group under way that had runs enough.

        Raises:
            MeasurementError: three networks in a row failed.
            MeasuringInterrupted: Ctrl-C.
        """

        def load(arch: str) -> Run:
            return ready_session(runtime, self._build(arch), threads).invoke

        timer, known = GroupTimer(threads), self._table.fastest()
        if known is not None and archs:
            timer.anchor(known[0], load(known[0]), known[1])
        for begin in range(0, len(archs), GROUP):
            group = archs[begin : begin + GROUP]
            runs = self._try_each(group, load)
            if runs:
                self._time_group(timer, runs)
            self._show(len(group), len(archs))

    def by_command(self, timer: CommandTimer, archs: Sequence[str], file_format: str) -> None:
        """Ask a command about one of `archs` after another; an answer is written at once.

        Raises:
            MeasurementError: three networks in a row failed.
        """
        with tempfile.TemporaryDirectory(prefix="edgewise-") as folder:
            model = Path(folder) / f"network.{file_format}"

            def ask(arch: str) -> float:
                if not timer.needs_model:
                    return timer(arch, None)
                model.write_bytes(self._build(arch))
                return timer(arch, model)

            for arch in archs:
                self._table.put(self._try_each([arch], ask))
                self._show(1, len(archs))

    def _time_group(self, timer: GroupTimer, runs: Mapping[str, Run]) -> None:
        try:
            ms, notes = timer.time(runs)
        except MeasuringInterrupted as interrupted:
            kept = enough(interrupted)
            self._table.put({arch: kept[arch] for arch in runs if arch in kept})
            raise
        self._table.put(ms, notes)

    def _try_each(self, archs: Sequence[str], action: Callable[[str], _T]) -> dict[str, _T]:
        """What `action` gives for those of `archs` that it does not fail for."""
        found = {}
        for arch in archs:
            try:
                found[arch] = action(arch)
                self._failures_in_a_row = 0
            except EdgewiseError as error:
                self.failed.append(arch)
                self._failures_in_a_row += 1
                if self._failures_in_a_row == _HOPELESS:
                    raise MeasurementError(
                        f"{_HOPELESS} networks in a row could not be timed; the last: {error}"
                    ) from error
                _log.warning("%s is left out: %s", arch, error)
        return found

    def _show(self, count: int, total: int) -> None:
        self._done += count
        if self._advance is not None:
            self._advance(self._done, total)
