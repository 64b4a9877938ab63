"""Builds wheels for x86_64, aarch64 and armv7l on one machine, and checks their tags.

    make wheels

Compiles with zig from the package `ziglang`, against the headers of each CPython that can be had
(`wheel_headers.py`); those that cannot are named and left out, but the build fails without those of
CPython 3.11, which every platform is owed. auditwheel then says what the
compiled module asks of a system, which must not be more than the wheel's tag promises. Writes the
wheels into `--output`, and what they are into `--report`.
Needs what `wheels/requirements.txt` lists, and Debian or a relative for headers.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from wheel_headers import NoHeadersError, python_include
from wheel_targets import PLATFORMS, PYTHONS, Platform, extension_suffix, interpreter_tag

ROOT = Path(__file__).resolve().parent.parent
HERE = Path(__file__).resolve().parent
OWED = "3.11"


@dataclass(frozen=True)
class Wheel:
    """A wheel that was built.

    Attributes:
        name: of the file.
        bytes: of the file.
        module_bytes: of the compiled module in it.
        zoo_bytes: of the zoo in it, compressed as it lies there.
        auditwheel: what auditwheel says that the wheel is consistent with.
    """

    name: str
    bytes: int
    module_bytes: int
    zoo_bytes: int
    auditwheel: str


def main() -> None:
    """Build all that can be built, and say what cannot."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", type=Path, default=ROOT / "dist")
    parser.add_argument("--report", type=Path, help="a JSON file")
    parser.add_argument("--build", type=Path, default=ROOT / "build/wheels")
    parser.add_argument("--machine", action="append", choices=PLATFORMS, help="(all)")
    parser.add_argument("--python", action="append", choices=PYTHONS, help="(all)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="compilers at a time")
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    built, missing = [], []
    for machine in arguments.machine or PLATFORMS:
        for python in arguments.python or PYTHONS:
            try:
                include = python_include(python, PLATFORMS[machine], arguments.build / "headers")
            except NoHeadersError as error:
                if python == OWED:
                    raise SystemExit(str(error)) from error
                missing.append(str(error))
                print(f"left out: {error}", flush=True)
                continue
            built.append(build(python, PLATFORMS[machine], include, arguments))
            print(built[-1].name, f"{built[-1].bytes:,} bytes", flush=True)
    report = {
        "command": "make wheels",
        "wheels": [asdict(wheel) for wheel in built],
        "left_out": missing,
    }
    if arguments.report is not None:
        arguments.report.write_text(json.dumps(report, indent=1) + "\n")


def build(python: str, platform: Platform, include: Path, arguments: argparse.Namespace) -> Wheel:
    """Build one wheel, give it its tag, and check that.

    Args:
        python: `3.11`.
        platform: of the wheel.
        include: the folder of its headers.
        arguments: `output`, `build` and `jobs`.
    """
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        _compile(python, platform, include, folder, arguments)
        (raw,) = folder.glob("*.whl")
        # The backend writes the tag of the Python that runs it.
        own = interpreter_tag(python)
        tags = (f"--python-tag={own}", f"--abi-tag={own}", "--remove")
        _run(sys.executable, "-m", "wheel", "tags", *tags, raw)
        (wheel,) = folder.glob("*.whl")
        found = _checked(wheel, python, platform)
        shutil.move(wheel, arguments.output / wheel.name)
    return found


def _compile(
    python: str, platform: Platform, include: Path, folder: Path, arguments: argparse.Namespace
) -> None:
    """Write a wheel with the platform's tag, and that of this Python, into `folder`."""
    import ziglang  # only where wheels are built

    suffix = extension_suffix(python, platform)
    environment = {
        **os.environ,
        "EDGEWISE_PROCESSOR": platform.machine,
        "EDGEWISE_ZIG": str(Path(ziglang.__file__).parent / "zig"),
        "EDGEWISE_ZIG_TARGET": platform.zig_target,
        "EDGEWISE_ZIG_FLAGS": platform.flags,
        "SETUPTOOLS_EXT_SUFFIX": suffix,
        "_PYTHON_HOST_PLATFORM": platform.tag,
        "CMAKE_BUILD_PARALLEL_LEVEL": str(arguments.jobs),
    }
    settings = {
        "cmake.toolchain-file": HERE / "zig-toolchain.cmake",
        "cmake.python-hints": "false",
        "cmake.define.Python_INCLUDE_DIR": include,
        "cmake.define.PYTHON_MODULE_EXTENSION": suffix,
        "cmake.define.EDGEWISE_DEPS_PREFIX": sysconfig.get_path("purelib"),
        # One folder a platform: the core is the same for every Python.
        "build-dir": arguments.build / platform.machine,
    }
    options = [f"-C{name}={value}" for name, value in settings.items()]
    command = (sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder)
    _run(*command, *options, ROOT, env=environment)


def _checked(wheel: Path, python: str, platform: Platform) -> Wheel:
    """What there is to say of a wheel; AssertionError if it is not what it should be."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.unpack_archive(wheel, folder, "zip")
        modules = [path.relative_to(folder) for path in Path(folder).rglob("*.so*")]
        expected = Path("edgewise") / f"_core{extension_suffix(python, platform)}"
        assert modules == [expected], f"{wheel.name} has the modules {modules}"
        size = (Path(folder) / expected).stat().st_size
    tags = f"{interpreter_tag(python)}-{interpreter_tag(python)}-{platform.tag}"
    assert wheel.name.endswith(f"-{tags}.whl"), wheel.name
    shown = " ".join(_run("auditwheel", "show", wheel).split())
    consistent = re.search(r'platform tag: "([^"]+)"', shown)
    assert consistent, shown
    assert platform.promises(consistent[1]), f"{wheel.name} asks for {consistent[1]}"
    with zipfile.ZipFile(wheel) as archive:
        zoo = archive.getinfo("edgewise/bundles/zoo.safetensors").compress_size
    return Wheel(wheel.name, wheel.stat().st_size, size, zoo, consistent[1])


def _run(*command: str | Path, env: dict[str, str] | None = None) -> str:
    """Run a tool, of this Python's environment first; its output, and its fault if it fails."""
    environment = dict(os.environ if env is None else env)
    environment["PATH"] = os.pathsep.join(_tool_folders(environment))
    words = [str(word) for word in command]
    done = subprocess.run(
        words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    if done.returncode != 0:
        raise SystemExit(f"{done.stdout}\n{' '.join(words)} failed")
    return done.stdout


def _tool_folders(environment: dict[str, str]) -> Iterator[str]:
    yield sysconfig.get_path("scripts")
    yield environment.get("PATH", os.defpath)


if __name__ == "__main__":
    main()
