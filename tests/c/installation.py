"""The C library as it is installed, and how the examples are built against it and run."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUNDLES = ROOT / "sdk" / "edgewise" / "bundles"

# CMake may lie in the environment, whose folder of programs need not be on the path.
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])


def run(*command: str | Path, **environment: str) -> str:
    """What the command printed; fails the test with all that it said when it does not end well."""
    done = subprocess.run(
        [str(word) for word in command],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        pytest.fail(f"{command} ended with {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done.stdout


@dataclass(frozen=True)
class Installed:
    """The library as users have it."""

    prefix: Path
    build: Path

    @property
    def lib(self) -> Path:
        """Its folder of libraries."""
        (config,) = self.prefix.glob("lib*/**/edgewise-config.cmake")
        return config.parents[2]

    @property
    def sanitized(self) -> bool:
        """Whether it was built with the address and undefined-behaviour sanitizers."""
        return self.cached("EDGEWISE_SANITIZE") == "ON"

    @property
    def flags(self) -> str:
        """What the examples are compiled and linked with beside their own."""
        sanitize = "-O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all"
        return sanitize if self.sanitized else "-O2"

    def cached(self, name: str) -> str:
        """A variable of the build."""
        text = (self.build / "CMakeCache.txt").read_text()
        found = re.search(rf"^{name}:\w+=(.*)$", text, re.MULTILINE)
        return found[1] if found else ""


def configure(build: Path) -> None:
    """As the Makefile does."""
    run(
        *("cmake", "-S", ROOT, "-B", build, "-G", "Ninja", "-DEDGEWISE_WERROR=ON"),
        *("-DEDGEWISE_LTO=OFF", "-DEDGEWISE_BUILD_TESTS=ON"),
        f"-DEDGEWISE_DEPS_PREFIX={sysconfig.get_path('purelib')}",
    )


def build_with_cmake(
    installed: Installed, language: str, build: Path, options: Sequence[str] = ()
) -> Path:
    """The example of `examples/LANGUAGE`, by find_package."""
    flags = "CFLAGS" if language == "c" else "CXXFLAGS"
    run(
        *("cmake", "-S", ROOT / "examples" / language, "-B", build),
        *(f"-DCMAKE_PREFIX_PATH={installed.prefix}", "-DCMAKE_BUILD_TYPE=None", *options),
        **{flags: f"{installed.flags} -Werror"},
    )
    run("cmake", "--build", build)
    return build / "edgewise_example"


def build_with_pkg_config(installed: Installed, language: str, build: Path) -> Path:
    """The same by make and pkg-config."""
    shutil.copytree(ROOT / "examples" / language, build)
    flags = "CFLAGS" if language == "c" else "CXXFLAGS"
    run(
        *("make", "-C", build, f"{flags}={installed.flags}"),
        f"LDFLAGS={installed.flags} -Wl,-rpath,{installed.lib}",
        PKG_CONFIG_PATH=str(installed.lib / "pkgconfig"),
    )
    return build / "edgewise_example"


@dataclass(frozen=True)
class Line:
    """A line that an example printed: its words between tabs."""

    words: list[str]

    @property
    def name(self) -> str:
        """What the line is about."""
        return self.words[1]

    @property
    def numbers(self) -> list[float]:
        """The words that follow."""
        return [float(word) for word in self.words[2:]]


def lines_of(output: str, kind: str) -> list[Line]:
    """The lines of that kind, in order."""
    split = [line.split("\t") for line in output.splitlines()]
    return [Line(words) for words in split if words[0] == kind]
