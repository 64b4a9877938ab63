"""CPython's headers for a platform: those given, or Debian's."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from debian import DebianError, unpack
from wheel_targets import DEBIAN_SUITES, Platform, interpreter_tag

FOLDER = "EDGEWISE_PYTHON_HEADERS"


class NoHeadersError(Exception):
    """They cannot be had; the message says what helps."""


def python_include(python: str, platform: Platform, cache: Path) -> Path:
    """The folder with `Python.h` and `pyconfig.h` of that CPython on that platform.

    A folder named by the environment variable `EDGEWISE_PYTHON_HEADERS` may hold them, as
    `cp312-aarch64/Python.h` and so on, `pyconfig.h` among them; it goes before Debian.

    Args:
        python: `3.11`.
        platform: of the wheel.
        cache: where Debian's are unpacked, and found the next time.

    Raises:
        NoHeadersError: nobody has them.
    """
    name = f"{interpreter_tag(python)}-{platform.machine}"
    given = Path(os.environ.get(FOLDER, "/nonexistent")) / name
    if (given / "Python.h").is_file():
        return given
    if python not in DEBIAN_SUITES:
        raise NoHeadersError(
            f"no Debian release has the headers of CPython {python}; put them into ${FOLDER}/{name}"
        )
    folder = cache / name
    include = folder / "usr/include"
    config = include / platform.triplet / f"python{python}" / "pyconfig.h"
    if not config.is_file():
        try:
            unpack(folder, DEBIAN_SUITES[python], platform.debian, [f"libpython{python}-dev"])
        except DebianError as error:
            raise NoHeadersError(f"CPython {python} for {platform.machine}: {error}") from error
    own = include / f"python{python}"
    # Where Debian has one that includes that of the architecture, found by a path of its own.
    shutil.copyfile(config, own / "pyconfig.h")
    return own
