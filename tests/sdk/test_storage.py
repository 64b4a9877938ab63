"""Files are written wholly or not at all, whatever the disk does."""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgewise import EdgewiseError, StorageError
from edgewise.storage import data_dir, locked, write_atomic

OLD = b"what was there before"


@pytest.fixture
def target(tmp_path: Path) -> Path:
    path = tmp_path / "folder" / "file.bin"
    path.parent.mkdir()
    path.write_bytes(OLD)
    return path


def assert_untouched(target: Path) -> None:
    assert target.read_bytes() == OLD
    assert [path.name for path in target.parent.iterdir()] == [target.name], "something was left"


def test_writes_and_replaces(target: Path) -> None:
    write_atomic(target, b"new")
    assert target.read_bytes() == b"new"
    write_atomic(target, [b"in ", b"pieces"])
    assert target.read_bytes() == b"in pieces"
    assert [path.name for path in target.parent.iterdir()] == [target.name]


def test_creates_parents_when_asked(tmp_path: Path) -> None:
    target = tmp_path / "a" / "b" / "c"
    with pytest.raises(StorageError, match="the folder does not exist"):
        write_atomic(target, b"x")
    write_atomic(target, b"x", create_parents=True)
    assert target.read_bytes() == b"x"


def test_permissions(target: Path) -> None:
    target.chmod(0o640)
    write_atomic(target, b"x")
    assert target.stat().st_mode & 0o777 == 0o640
    previous = os.umask(0o027)
    try:
        write_atomic(target.with_name("new"), b"x")
    finally:
        os.umask(previous)
    assert target.with_name("new").stat().st_mode & 0o777 == 0o640


def test_a_link_is_followed(target: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(target)
    write_atomic(link, b"through")
    assert link.is_symlink()
    assert target.read_bytes() == b"through"


def test_a_pipe_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()))
    reader.start()
    write_atomic(pipe, [b"some ", b"bytes"])
    reader.join()
    assert read == [b"some bytes"]
    assert pipe.is_fifo()
    assert list(tmp_path.iterdir()) == [pipe]


def test_a_long_name(tmp_path: Path) -> None:
    target = tmp_path / ("n" * 255)
    write_atomic(target, b"x")
    assert target.read_bytes() == b"x"


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError("a bug")])
def test_an_interruption_leaves_the_old_file(target: Path, error: BaseException) -> None:
    def pieces() -> Iterator[bytes]:
        yield b"half of it"
        raise error

    with pytest.raises((KeyboardInterrupt, RuntimeError)):
        write_atomic(target, pieces())
    assert_untouched(target)


def test_a_size_limit(target: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(StorageError, match=r"file.bin: the file would exceed") as caught:
            write_atomic(target, bytes(200_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert caught.value.errno == errno.EFBIG
    assert caught.value.filename == str(target)
    assert_untouched(target)


@contextlib.contextmanager
def tmpfs(folder: Path, options: str) -> Iterator[None]:
    """A small disk of our own at `folder`; the test is skipped where none can be mounted."""
    command = ["mount", "-t", "tmpfs", "-o", options, "edgewise-test", str(folder)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("cannot mount a tmpfs here")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk(tmp_path: Path) -> None:
    with tmpfs(tmp_path, "size=128k"):
        target = tmp_path / "file.bin"
        target.write_bytes(OLD)
        with pytest.raises(StorageError, match=r"file.bin: the disk is full: free some") as caught:
            write_atomic(target, [bytes(50_000)] * 6)
        assert caught.value.errno == errno.ENOSPC
        assert_untouched(target)
        write_atomic(target, b"small enough")


def test_a_read_only_disk(tmp_path: Path) -> None:
    with tmpfs(tmp_path, "size=128k"):
        target = tmp_path / "file.bin"
        target.write_bytes(OLD)
        subprocess.run(["mount", "-o", "remount,ro", str(tmp_path)], check=True)
        with pytest.raises(StorageError, match=r"file.bin: the disk is read-only") as caught:
            write_atomic(target, b"x")
        assert caught.value.errno == errno.EROFS
        assert_untouched(target)


@contextlib.contextmanager
def without_privileges() -> Iterator[None]:
    """Root may write anywhere; so for a moment this process is nobody."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_folder_closed_to_us() -> None:
    # Not below tmp_path, which is closed to everybody else already.
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        target = folder / "file.bin"
        target.write_bytes(OLD)
        folder.chmod(0o555)
        with without_privileges(), pytest.raises(StorageError, match="permission denied: choose"):
            write_atomic(target, b"x")
        assert_untouched(target)
        folder.chmod(0o755)


@pytest.mark.parametrize(
    ("path", "message"),
    [("folder", "it is a folder"), ("folder/file.bin/below", "is a file, not a folder")],
)
def test_impossible_targets(target: Path, path: str, message: str) -> None:
    with pytest.raises(StorageError, match=message):
        write_atomic(target.parent.parent / path, b"x", create_parents=False)
    assert_untouched(target)


def test_storage_errors_are_both_ours_and_the_systems(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="the folder does not exist"):
        write_atomic(tmp_path / "absent" / "file", b"x")
    assert issubclass(StorageError, EdgewiseError)


def test_data_dir(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("EDGEWISE_HOME", str(tmp_path / "here"))
    assert data_dir() == tmp_path / "here"
    monkeypatch.setenv("EDGEWISE_HOME", "~/there")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert data_dir() == tmp_path / "there"
    monkeypatch.delenv("EDGEWISE_HOME")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "xdg"))
    assert data_dir() == tmp_path / "xdg" / "edgewise"


# Other tests import JAX, which warns of every fork; the child only touches files, and ends.
@pytest.mark.filterwarnings("ignore:os.fork:RuntimeWarning")
def test_one_at_a_time_changes_a_file(tmp_path: Path) -> None:
    """Without the lock most of the additions are lost: each replaces the file that others read."""
    target = tmp_path / "count"
    target.write_bytes(b"0")
    workers = []
    for _ in range(6):
        worker = os.fork()
        if worker == 0:
            for _ in range(15):
                with locked(target):
                    write_atomic(target, str(int(target.read_bytes()) + 1).encode())
            os._exit(0)
        workers.append(worker)
    assert all(os.waitstatus_to_exitcode(os.waitpid(worker, 0)[1]) == 0 for worker in workers)
    assert target.read_bytes() == b"90"
    assert [path.name for path in tmp_path.iterdir()] == ["count"], "something was left"


# Other tests import JAX, which warns of every fork; the child only touches files, and ends.
@pytest.mark.filterwarnings("ignore:os.fork:RuntimeWarning")
def test_a_lock_ends_with_its_process(target: Path) -> None:
    read, write = os.pipe()
    holder = os.fork()
    if holder == 0:
        with locked(target):
            os.write(write, b"x")
            signal.pause()
    assert os.read(read, 1) == b"x"
    os.kill(holder, signal.SIGKILL)
    os.waitpid(holder, 0)
    with locked(target):
        pass
    os.close(read)
    os.close(write)


def test_nothing_is_locked_where_there_is_nothing(tmp_path: Path) -> None:
    with locked(tmp_path / "absent"):
        assert list(tmp_path.iterdir()) == []
