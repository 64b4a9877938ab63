"""What the tests of the C library share: it, installed, and the examples built against it.

The build folder is `build/native`, that of `make ctest`, or the one that EDGEWISE_C_BUILD names
(`make sanitize` runs the examples with its own). What is missing in it is built.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from .installation import ROOT, Installed, build_with_cmake, configure, run


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """Built where that is still to be done, and installed into a folder of its own."""
    build = ROOT / os.environ.get("EDGEWISE_C_BUILD", "build/native")
    if not (build / "CMakeCache.txt").is_file():
        configure(build)
    run("cmake", "--build", build, "--target", "edgewise", "edgewise_static")
    prefix = tmp_path_factory.mktemp("installed")
    for component in ("edgewise-runtime", "edgewise-development"):
        run("cmake", "--install", build, "--prefix", prefix, "--component", component)
    return Installed(prefix, build)


@pytest.fixture(scope="session", params=["c", "cpp"])
def example(
    request: pytest.FixtureRequest, installed: Installed, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The example app in C and in C++, built by find_package against the installed library."""
    language = str(request.param)
    return build_with_cmake(installed, language, tmp_path_factory.mktemp(language))
