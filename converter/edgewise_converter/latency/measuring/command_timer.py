"""Any command as a timer: it is given a model file, and prints milliseconds."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
from pathlib import Path

from edgewise.arguments import positive_number
from edgewise.errors import ArgumentError, MeasurementError

MODEL, ARCH = "{model}", "{arch}"
_MILLISECONDS = re.compile(r"([0-9.]+(?:[eE][-+]?[0-9]+)?)\s*(?:ms)?")


class CommandTimer:
    """Runs a shell command for each network and reads the milliseconds it prints last.

    In the command, `{model}` stands for the path of the network's model file and `{arch}` for the
    architecture as its space writes it, both quoted for the shell; one of the two must occur.
    """

    def __init__(self, command: str, timeout_s: float) -> None:
        """Check the arguments; ArgumentError for a command without a place for the network."""
        if MODEL not in command and ARCH not in command:
            raise ArgumentError(
                f"the command must contain {MODEL} (path of the model file) or {ARCH}: {command!r}"
            )
        self.needs_model = MODEL in command
        self._command = command
        self._timeout_s = positive_number("timeout", timeout_s, "seconds")

    def __call__(self, arch: str, model: Path | None) -> float:
        """Milliseconds of `arch`, whose file is `model`.

        Raises:
            MeasurementError: the command failed, took too long, or did not print milliseconds
                alone on its last line.
        """
        command = self._command.replace(ARCH, shlex.quote(arch))
        if model is not None:
            command = command.replace(MODEL, shlex.quote(str(model)))
        code, out, err = self._run(command)
        if code != 0:
            said = _last_line(err) or _last_line(out) or "without a word"
            raise MeasurementError(f"timing {arch}: the command ended with code {code}: {said}")
        last = _last_line(out)
        found = _MILLISECONDS.fullmatch(last)
        ms = float(found[1]) if found and found[1].count(".") < 2 else 0.0
        if not 0 < ms < float("inf"):
            raise MeasurementError(
                f"timing {arch}: the last line that the command prints must be milliseconds, a "
                f"positive number alone, not {last!r}"
            )
        return ms

    def _run(self, command: str) -> tuple[int, str, str]:
        """Exit code, output and errors; whatever ends it early, nothing that it began is left."""
        process = subprocess.Popen(
            command,
            shell=True,
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        try:
            out, err = process.communicate(timeout=self._timeout_s)
        except subprocess.TimeoutExpired:
            raise MeasurementError(
                f"the command took longer than {self._timeout_s:g} s; a larger --timeout waits "
                f"longer: {command}"
            ) from None
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.communicate()
        return process.returncode, out, err


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else ""
