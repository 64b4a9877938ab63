"""Which headers of others a build has compiled in, their versions, and their licences as they say.

Ninja keeps the headers that every source has read. They are sorted by library; each library's
version is what its own headers define, and its licences are those that the headers read name.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_NOTICES = {
    "MPL-2.0": r"Mozilla Public License",
    "BSD-3-Clause": r"Redistribution and use in source and binary forms|BSD-style license",
    "Apache-2.0 WITH LLVM-exception": r"Apache License v2\.0 with LLVM Exceptions",
    "Apache-2.0": r"Apache License, Version 2\.0|SPDX-License-Identifier: Apache-2\.0(?! WITH)",
    "MIT": r"SPDX-License-Identifier: MIT|Permission is hereby granted, free of charge",
}
"""What a header says at its beginning, by the identifier of the licence."""

_UNUSUAL = r"General Public License"
_HEAD = 6000  # characters; licences stand at the beginning


@dataclass(frozen=True)
class Library:
    """Headers that somebody else has written."""

    name: str
    below: str
    """Part of the path that its headers have in common."""
    versioned: str
    """The header that defines its version, from there."""
    macros: tuple[str, str, str]
    wheel: str
    """The package of the registry that it was taken from."""
    source: str
    """Where its source is."""


LIBRARIES = (
    Library(
        "eigen",
        "/include/eigen3/",
        "Eigen/src/Core/util/Macros.h",
        ("EIGEN_WORLD_VERSION", "EIGEN_MAJOR_VERSION", "EIGEN_MINOR_VERSION"),
        "cmeel-eigen",
        "https://gitlab.com/libeigen/eigen",
    ),
    Library(
        "nlohmann-json",
        "/nlohmann_json/include/",
        "nlohmann/detail/abi_macros.hpp",
        (
            "NLOHMANN_JSON_VERSION_MAJOR",
            "NLOHMANN_JSON_VERSION_MINOR",
            "NLOHMANN_JSON_VERSION_PATCH",
        ),
        "nlohmann-json",
        "https://github.com/nlohmann/json",
    ),
    Library(
        "pybind11",
        "/pybind11/include/",
        "pybind11/detail/common.h",
        ("PYBIND11_VERSION_MAJOR", "PYBIND11_VERSION_MINOR", "PYBIND11_VERSION_MICRO"),
        "pybind11",
        "https://github.com/pybind/pybind11",
    ),
)


@dataclass(frozen=True)
class CompiledIn:
    """A library of headers as a build has used it."""

    origin: Library
    version: str
    licences: tuple[str, ...]
    """SPDX identifiers that the headers name."""
    headers: int
    """How many of them were read."""


def compiled_in(build: Path) -> list[CompiledIn]:
    """The libraries whose headers the build in the folder `build` has read.

    Raises:
        ValueError: headers of a library were read that is none of `LIBRARIES`, or one of a licence
            that nobody has looked at; it is named.
    """
    headers = _headers(build)
    found = []
    for library in LIBRARIES:
        own = [header for header in headers if library.below in str(header)]
        if own:
            licences = sorted({licence for header in own for licence in _licences(header)})
            version = _version(own, library)
            found.append(CompiledIn(library, version, tuple(licences), len(own)))
    _refuse_strangers(headers)
    return found


def _headers(build: Path) -> list[Path]:
    listed = subprocess.run(
        ["ninja", "-C", str(build), "-t", "deps"], check=True, capture_output=True, text=True
    ).stdout
    read = {line.strip() for line in listed.splitlines() if line.startswith("    ")}
    return sorted((build / path).resolve() for path in read)


def _licences(header: Path) -> list[str]:
    text = re.sub(r"\s*\n\s*(?://+|\*)?\s*", " ", header.read_text(errors="replace")[:_HEAD])
    if re.search(_UNUSUAL, text):
        raise ValueError(f"{header}: names a licence that is not known here")
    return [licence for licence, notice in _NOTICES.items() if re.search(notice, text)]


def _version(headers: Sequence[Path], library: Library) -> str:
    (header,) = (path for path in headers if str(path).endswith(library.below + library.versioned))
    text = header.read_text()
    numbers = []
    for macro in library.macros:
        found = re.search(rf"^#\s*define\s+{macro}\s+(\d+)", text, re.MULTILINE)
        if found is None:
            raise ValueError(f"{header}: does not define {macro}")
        numbers.append(found[1])
    return ".".join(numbers)


def _refuse_strangers(headers: Sequence[Path]) -> None:
    """Of packages in an environment none but those known may be compiled in."""
    for header in headers:
        known = any(library.below in str(header) for library in LIBRARIES)
        if "site-packages" in header.parts and not known:
            raise ValueError(f"{header}: is compiled in, and of no library that is known here")
