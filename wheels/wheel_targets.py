"""What wheels are built for: platforms and versions of CPython."""

from __future__ import annotations

import re
from typing import NamedTuple


class Platform(NamedTuple):
    """A kind of machine that gets a wheel, all of them Linux with glibc."""

    machine: str
    """As `uname -m` has it."""
    debian: str
    """Debian's name of the architecture."""
    triplet: str
    """As Debian's folders and CPython's extension modules have it."""
    glibc: str
    """The oldest that the wheel runs with."""
    zig: str
    """The target of zig, but for the version of glibc."""
    flags: str = ""
    """Further flags of the compiler."""

    @property
    def tag(self) -> str:
        """The platform tag of the wheel (PEP 600)."""
        return f"manylinux_{self.glibc.replace('.', '_')}_{self.machine}"

    def promises(self, asked: str) -> bool:
        """Whether a module that asks for the platform tag `asked`, as auditwheel has it, may be in
        the wheel: the same machine, and no newer glibc."""
        found = re.fullmatch(r"manylinux_(\d+)_(\d+)_(\w+)", asked)
        if found is None or found[3] != self.machine:
            return False
        major, minor = self.glibc.split(".")
        return (int(found[1]), int(found[2])) <= (int(major), int(minor))

    @property
    def zig_target(self) -> str:
        """What is compiled for."""
        return f"{self.zig}.{self.glibc}"


PLATFORMS = {
    platform.machine: platform
    for platform in (
        Platform("x86_64", "amd64", "x86_64-linux-gnu", "2.17", "x86_64-linux-gnu"),
        Platform("aarch64", "arm64", "aarch64-linux-gnu", "2.17", "aarch64-linux-gnu"),
        # ARMv7 with the floating point that Debian's armhf asks for, and no NEON. 2.31 is the
        # oldest glibc that auditwheel and pip know a tag of for it.
        Platform(
            "armv7l",
            "armhf",
            "arm-linux-gnueabihf",
            "2.31",
            "arm-linux-gnueabihf",
            "-mcpu=generic+v7a+vfp3d16",
        ),
    )
}

#: CPython whose headers Debian has, and the release that has them.
DEBIAN_SUITES = {"3.11": "bookworm", "3.13": "trixie"}
#: Those that a wheel is built for when their headers are given (`wheel_headers.py`).
PYTHONS = ("3.10", "3.11", "3.12", "3.13")


def interpreter_tag(python: str) -> str:
    """`cp311` of `3.11`."""
    return "cp" + python.replace(".", "")


def extension_suffix(python: str, platform: Platform) -> str:
    """The end of an extension module's name in that CPython."""
    return f".cpython-{python.replace('.', '')}-{platform.triplet}.so"
