"""Keeps what a runtime's native code prints out of the user's terminal."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from collections.abc import Iterator

_log = logging.getLogger(__name__)
_lock = threading.Lock()


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Send file descriptor 2 to the null device, unless this module logs at DEBUG.

    TFLite announces each delegate on standard error from C++, where no Python setting reaches it.
    Errors are not lost: the runtimes raise them. Redirection is of the whole process, so the
    block must be short, and one thread at a time holds it.
    """
    if _log.isEnabledFor(logging.DEBUG):
        yield
        return
    with _lock:
        try:
            saved = os.dup(2)
        except OSError:  # no standard error at all, as under pythonw or some daemons
            yield
            return
        try:
            sink = os.open(os.devnull, os.O_WRONLY)
            os.dup2(sink, 2)
            os.close(sink)
            yield
        finally:
            os.dup2(saved, 2)
            os.close(saved)
