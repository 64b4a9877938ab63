"""What disturbs a device while it is timed: other programs, a CPU quota, a runtime that jitters.

All of them are real: processes that compute, the kernel's own quota, a runtime that takes longer.
Each is a context; when it is left, nothing of it stays.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from edgewise.runtimes import Runtime, Session

_GROUPS = Path("/sys/fs/cgroup")
_PERIOD_US = 100_000


@contextlib.contextmanager
def rivals(count: int = 1, core: int | None = None) -> Iterator[str]:
    """Other programs that never rest; with a `core`, they and this process have that core alone."""
    allowed = os.sched_getaffinity(0)
    code = "while True: pass"
    if core is not None:
        os.sched_setaffinity(0, {core})  # the others inherit it
    others = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(count)]
    try:
        time.sleep(0.2)
        yield f"{count} program(s) that never rest" + ("" if core is None else " on the same core")
    finally:
        for other in others:
            other.kill()
            other.wait()
        os.sched_setaffinity(0, allowed)


@contextlib.contextmanager
def quota(*shares: float, every_s: float = 1.0) -> Iterator[str]:
    """This process gets these shares of one core, one after another, each for `every_s` seconds.

    By the kernel's quota where control groups can be written, else by stopping and continuing the
    process in turns from another one.
    """
    with _limiter() as (what, limit):
        done = threading.Event()
        limit(shares[0])

        def change() -> None:
            turn = 0
            while not done.wait(every_s):
                turn += 1
                limit(shares[turn % len(shares)])

        changing = threading.Thread(target=change, daemon=True)
        if len(shares) > 1:
            changing.start()
        try:
            yield f"{what}: {', '.join(f'{share:.0%}' for share in shares)} of a core"
        finally:
            done.set()
            if len(shares) > 1:
                changing.join()


@contextlib.contextmanager
def _limiter() -> Iterator[tuple[str, Callable[[float], None]]]:
    group = _make_group()
    if group is None:
        with _stopper() as stop:
            yield "stopped and continued by another process", stop
        return
    second = (group / "cpu.max").exists()

    def limit(share: float) -> None:
        micros = str(int(share * _PERIOD_US))
        if second:
            (group / "cpu.max").write_text(f"{micros} {_PERIOD_US}")
        else:
            (group / "cpu.cfs_quota_us").write_text(micros)

    home = _own_group(group.parent)
    try:
        (group / "cgroup.procs").write_text(str(os.getpid()))
        yield "quota of the kernel", limit
    finally:
        (home / "cgroup.procs").write_text(str(os.getpid()))
        time.sleep(0.2)
        group.rmdir()


def _own_group(root: Path) -> Path:
    """The control group below `root` that this process is in; `root` where it does not show."""
    second = root.name in (_GROUPS.name, "unified")
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if not controllers if second else "cpu" in controllers.split(","):
            own = root / path.lstrip("/")
            if (own / "cgroup.procs").exists():
                return own
    return root


def _make_group() -> Path | None:
    """An empty control group with a CPU quota; None where this process may not make one."""
    for parent in (_GROUPS, _GROUPS / "cpu", _GROUPS / "cpu,cpuacct", _GROUPS / "unified"):
        group = parent / f"edgewise-{os.getpid()}"
        if not (parent / "cgroup.procs").exists():
            continue
        try:
            group.mkdir()
        except OSError:
            continue
        if (group / "cpu.max").exists() or (group / "cpu.cfs_quota_us").exists():
            return group
        group.rmdir()
    return None


@contextlib.contextmanager
def _stopper() -> Iterator[Callable[[float], None]]:
    """Another process that stops this one and lets it go on, thirty times a second."""
    code = (
        "import os, sys, threading, time\n"
        "me, share = os.getppid(), [1.0]\n"
        "def listen():\n"
        "    for line in sys.stdin: share[0] = float(line)\n"
        "threading.Thread(target=listen, daemon=True).start()\n"
        "while os.getppid() == me:\n"
        "    time.sleep(0.033 * share[0])\n"
        "    if share[0] < 1:\n"
        f"        os.kill(me, {int(signal.SIGSTOP)})\n"
        "        time.sleep(0.033 * (1 - share[0]))\n"
        f"        os.kill(me, {int(signal.SIGCONT)})\n"
    )
    other = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, text=True)

    def limit(share: float) -> None:
        assert other.stdin is not None
        other.stdin.write(f"{share}\n")
        other.stdin.flush()

    try:
        yield limit
    finally:
        limit(1.0)
        time.sleep(0.1)
        other.kill()
        other.wait()


class Jitter:
    """Relative delays that a run may have: `scale` times a Pareto variable, whose variance is
    infinite below a `tail` of 2."""

    def __init__(self, scale: float, tail: float, seed: int) -> None:
        self.scale, self.tail = scale, tail
        self._random = np.random.default_rng(seed)

    @property
    def median(self) -> float:
        """How many times longer the median run takes."""
        return float(1 + self.scale * (2 ** (1 / self.tail) - 1))

    def run(self, run: Callable[[], object]) -> None:
        """Run it, and go on computing for as long as it is delayed."""
        begun = time.perf_counter()
        run()
        now = time.perf_counter()
        end = now + (now - begun) * self.scale * float(self._random.pareto(self.tail))
        while time.perf_counter() < end:
            pass


class JitteringRuntime:
    """A runtime whose runs take as long as they do, and then a random bit longer."""

    def __init__(self, runtime: Runtime, jitter: Jitter) -> None:
        self._runtime, self._jitter = runtime, jitter
        self.name, self.format = runtime.name, runtime.format

    def version(self) -> str:
        """Of the real one."""
        return self._runtime.version()

    def load(self, model: bytes, *, threads: int = 1) -> Session:
        """A session of the real one, with another `invoke`."""
        session: Any = self._runtime.load(model, threads=threads)
        invoke = session.invoke
        session.invoke = lambda: self._jitter.run(invoke)
        loaded: Session = session
        return loaded
