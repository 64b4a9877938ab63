"""Debian's packages of any architecture and release, without a change to this machine.

`apt-get` runs over a folder of its own; the mirror is the one that this machine's apt uses.
"""

from __future__ import annotations

import functools
import subprocess
from collections.abc import Sequence
from pathlib import Path

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


class DebianError(Exception):
    """A package or a release that cannot be had; the message says which and why."""


@functools.cache
def mirror() -> str:
    """Where this machine gets Debian from.

    Raises:
        DebianError: its apt knows no Debian archive.
    """
    targets = _run("apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages")
    found = [line for line in targets.split() if line.rstrip("/").endswith("/debian")]
    if not found:
        raise DebianError("apt on this machine has no Debian archive among its sources")
    return found[0]


def unpack(folder: Path, suite: str, architecture: str, packages: Sequence[str]) -> None:
    """Lay the files of packages, without what they depend on, below `folder`.

    Args:
        folder: where; made if need be.
        suite: of Debian: `bookworm`.
        architecture: `arm64`, ...
        packages: names.

    Raises:
        DebianError: the archive cannot be reached, or has no such package.
    """
    apt = folder / ".apt"
    for part in ("lists/partial", "archives/partial", "etc"):
        (apt / part).mkdir(parents=True, exist_ok=True)
    sources = apt / "etc" / "sources.list"
    sources.write_text(f"deb [signed-by={KEYRING}] {mirror()} {suite} main\n")
    (apt / "status").touch()
    settings = {
        "APT::Architecture": architecture,
        "APT::Architectures": architecture,
        "APT::Sandbox::User": "root",
        "Dir::State": apt,
        "Dir::State::Lists": apt / "lists",
        "Dir::State::Status": apt / "status",
        "Dir::Cache": apt,
        "Dir::Etc::SourceList": sources,
        "Dir::Etc::SourceParts": "/dev/null",
    }
    options = [f"-o{name}={value}" for name, value in settings.items()]
    _run("apt-get", *options, "--quiet", "update")
    _run("apt-get", *options, "--quiet", "download", *packages, cwd=apt)
    for package in sorted(apt.glob("*.deb")):
        _run("dpkg-deb", "--extract", package, folder)
        package.unlink()


def _run(*command: str | Path, cwd: Path | None = None) -> str:
    words = [str(word) for word in command]
    try:
        done = subprocess.run(words, cwd=cwd, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise DebianError(
            f"{words[0]} is not installed; this needs Debian or a relative"
        ) from error
    if done.returncode != 0:
        raise DebianError(f"{' '.join(words[:1] + words[-2:])} failed: {done.stderr.strip()}")
    return done.stdout
