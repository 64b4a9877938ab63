"""What is installed: found by CMake and pkg-config, small, showing nothing but its interface."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

import edgewise

from .installation import (
    BUNDLES,
    ROOT,
    Installed,
    build_with_cmake,
    build_with_pkg_config,
    run,
)

LARGEST = 700_000
"""Bytes of the stripped core, at most."""

STRICT = ["-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Wconversion", "-Wsign-conversion"]
ARCH = "|nor_conv_3x3~0|+|nor_conv_3x3~0|none~1|+|skip_connect~0|none~1|skip_connect~2|"


def test_the_version_is_one(installed: Installed) -> None:
    declared = _declared_version()
    assert edgewise.__version__ == declared
    header = (installed.prefix / "include/edgewise/version.h").read_text()
    assert f'#define EDGEWISE_VERSION "{declared}"' in header
    pkg_config = ["pkg-config", "--modversion", "edgewise"]
    found = run(*pkg_config, PKG_CONFIG_PATH=str(installed.lib / "pkgconfig"))
    assert found.strip() == declared
    assert f"## {declared}" in (ROOT / "CHANGELOG.md").read_text()


def test_the_shared_library_carries_its_abi(installed: Installed) -> None:
    major, minor, _ = edgewise.__version__.split(".")
    soname = f"libedgewise.so.{major}.{minor}"
    assert (installed.lib / "libedgewise.so").resolve().name == f"{soname}.{_}"
    about = run("readelf", "-d", installed.lib / "libedgewise.so")
    assert f"[{soname}]" in about


def test_nothing_but_the_interface_is_seen(installed: Installed) -> None:
    listed = run("nm", "-D", "--defined-only", installed.lib / "libedgewise.so").splitlines()
    shown = {line.split()[-1] for line in listed}
    header = (ROOT / "native/include/edgewise/edgewise.h").read_text()
    declared = set(re.findall(r"EDGEWISE_API[^;(]*?\b(edgewise_\w+)\(", header))
    assert len(declared) > 40
    assert shown == declared


def test_the_core_is_small(
    installed: Installed, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if installed.sanitized:
        pytest.skip("sanitizers are not small")
    stripped = tmp_path / "libedgewise.so"
    shutil.copy(installed.lib / "libedgewise.so", stripped)
    run("strip", stripped)
    size = stripped.stat().st_size
    with capsys.disabled():
        print(f" [core: {size} bytes stripped]", end="")
    assert size <= LARGEST


def test_the_headers_are_c99_and_cpp17(installed: Installed, tmp_path: Path) -> None:
    include = f"-I{installed.prefix / 'include'}"
    c, cpp = tmp_path / "header.c", tmp_path / "header.cpp"
    c.write_text("#include <edgewise/edgewise.h>\nint main(void) { return 0; }\n")
    cpp.write_text("#include <edgewise/edgewise.hpp>\nint main() { return 0; }\n")
    for standard in ("c99", "c11", "c17"):
        run("gcc", f"-std={standard}", *STRICT, "-Werror", include, "-fsyntax-only", c)
    cpp_only = ["-Wold-style-cast", "-Wnon-virtual-dtor", "-Wuseless-cast"]
    for standard in ("c++17", "c++20"):
        run("g++", f"-std={standard}", *STRICT, *cpp_only, "-Werror", include, "-fsyntax-only", cpp)
        run("g++", f"-std={standard}", *STRICT, "-Werror", include, "-fsyntax-only", "-xc++", c)


@pytest.mark.parametrize("language", ["c", "cpp"])
def test_pkg_config_finds_it(installed: Installed, language: str, tmp_path: Path) -> None:
    example = build_with_pkg_config(installed, language, tmp_path / language)
    _predicts(example, tmp_path)


def test_the_static_library_is_enough(installed: Installed, tmp_path: Path) -> None:
    options = ["-DEDGEWISE_EXAMPLE_STATIC=ON"]
    example = build_with_cmake(installed, "cpp", tmp_path / "build", options)
    assert "libedgewise" not in run("readelf", "-d", example)
    _predicts(example, tmp_path)


def test_a_project_in_c_is_told_that_the_static_library_is_cpp(
    installed: Installed, tmp_path: Path
) -> None:
    (tmp_path / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.22)\nproject(app LANGUAGES C)\n"
        "find_package(edgewise REQUIRED COMPONENTS static)\n"
    )
    command = ["cmake", "-S", tmp_path, "-B", tmp_path / "build"]
    done = subprocess.run(
        [*map(str, command), f"-DCMAKE_PREFIX_PATH={installed.prefix}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode
    assert "LANGUAGES C CXX" in " ".join(done.stderr.split())


def test_the_wheel_does_not_grow(installed: Installed, tmp_path: Path) -> None:
    """What pip installs is the component `python`; nothing of the C library is in it."""
    manifest = (installed.build / "cmake_install.cmake").read_text()
    assert "edgewise-runtime" in manifest
    run("cmake", "--install", installed.build, "--prefix", tmp_path, "--component", "python")
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] in (
        [],
        [path.name for path in installed.build.glob("_core*.so")],
    )


def _declared_version() -> str:
    found = re.search(r'^version = "(.*)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert found
    return found[1]


def _predicts(example: Path, folder: Path) -> None:
    timings = folder / "timings.tsv"
    others = [ARCH.replace("none", op) for op in ("none", "skip_connect", "nor_conv_1x1")]
    timings.write_text("".join(f"{arch}\t{1 + i}\n" for i, arch in enumerate(others)))
    bundle = BUNDLES / "nasbench201.safetensors"
    output = run(example, "recorded", bundle, folder / "out.profile", timings, ARCH)
    assert "predicted\t" + ARCH in output
