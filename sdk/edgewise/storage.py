"""Where edgewise keeps its files, and how it writes them: never half.

A file is written aside in the same folder, flushed to the disk, then renamed over the old one.
Whatever goes wrong, the old file is still there and nothing is left behind. A process that is
killed may leave what it had written aside, `.edgewise-*.part`, which nothing ever reads.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from collections.abc import Iterable, Iterator
from pathlib import Path

from .errors import StorageError

__all__ = ["data_dir", "locked", "write_atomic"]

_CURES = {
    errno.ENOSPC: "the disk is full: free some space, or choose another folder",
    errno.EDQUOT: "the disk quota is used up: free some space, or choose another folder",
    errno.EFBIG: "the file would exceed the size limit of this process or disk: "
    "raise it, or choose another folder",
    errno.EROFS: "the disk is read-only: choose another folder",
    errno.EACCES: "permission denied: choose a folder you may write to",
    errno.EPERM: "the folder may not be changed: choose a folder you may write to",
    errno.ENOENT: "the folder does not exist: create it first",
    errno.ENOTDIR: "a part of the path is a file, not a folder: choose another path",
    errno.EISDIR: "it is a folder: give the name of a file",
}


def data_dir() -> Path:
    """The user's data folder of edgewise: `$EDGEWISE_HOME`, or the platform's own place.

    It need not exist yet: `write_atomic(..., create_parents=True)` creates it.
    """
    override = os.environ.get("EDGEWISE_HOME")
    if override:
        return Path(override).expanduser()
    # Imported here: most programs that import edgewise never ask.
    import platformdirs

    return Path(platformdirs.user_data_dir("edgewise", appauthor=False))


def write_atomic(
    path: str | os.PathLike[str],
    data: bytes | Iterable[bytes],
    *,
    create_parents: bool = False,
) -> None:
    """Write `data` (one piece or several) to `path`, wholly or not at all.

    An existing file keeps its permissions; a new one gets those of any new file (umask).

    Raises:
        StorageError: the disk is full or read-only, the folder is absent or closed to us; the
            message names the path and the cure. The old file, if any, is untouched.
    """
    target = Path(path)
    pieces = [data] if isinstance(data, bytes) else data
    try:
        if create_parents:
            target.parent.mkdir(parents=True, exist_ok=True)
        _write_aside_and_rename(target, pieces)
    except OSError as error:
        cure = _CURES.get(error.errno or 0, os.strerror(error.errno) if error.errno else str(error))
        message = f"cannot write {target}: {cure}"
        raise StorageError(message, error.errno, str(target)) from error


@contextlib.contextmanager
def locked(path: str | os.PathLike[str]) -> Iterator[None]:
    """Let one at a time read a file, change it and write it back; others wait here.

    Holds between processes and threads that all ask for it, and ends with the process, however that
    ends. Nothing is left behind: what is locked is the file itself. Where a system has no such
    locks, or there is no such file, nothing is locked.
    """
    descriptor = _lock(Path(path))
    try:
        yield
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _lock(path: Path) -> int | None:
    try:
        import fcntl
    except ImportError:  # Windows
        return None
    while True:
        try:
            descriptor = os.open(path, os.O_RDONLY)
        except OSError:
            return None  # whoever reads it says why
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            # Whoever held it before may have renamed another file over the one that waited here.
            if os.path.samestat(os.fstat(descriptor), path.stat()):
                return descriptor
        except OSError:
            os.close(descriptor)
            return None  # a disk without locks
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _write_aside_and_rename(target: Path, pieces: Iterable[bytes]) -> None:
    if target.is_dir():
        raise IsADirectoryError(errno.EISDIR, "is a directory", str(target))
    # A rename would replace a symbolic link; what it points to is what is meant.
    target = Path(os.path.realpath(target))
    if target.exists() and not target.is_file():
        # A device or a pipe, /dev/null for one: it is written to, and must not be replaced.
        with target.open("wb") as device:
            device.writelines(pieces)
        return
    aside = target.with_name(f".edgewise-{secrets.token_hex(8)}.part")
    # Made as any new file is (umask); never over a file of that name.
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.writelines(pieces)
            file.flush()
            if target.exists():
                aside.chmod(target.stat().st_mode & 0o777)
            os.fsync(file.fileno())
        aside.replace(target)
    except BaseException:  # Ctrl-C leaves nothing behind either
        with contextlib.suppress(OSError):
            aside.unlink()
        raise
    _sync_folder(target.parent)


def _sync_folder(folder: Path) -> None:
    """Make the rename itself durable. Where a folder cannot be synced, the file is still whole."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
