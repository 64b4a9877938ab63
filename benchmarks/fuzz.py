"""Fuzzes the core: each target for a time, counts and findings to `docs/results/fuzz.json`.

    make fuzz FUZZ_SECONDS=600
    python benchmarks/fuzz.py --build build/fuzz --seconds 600 bundle profile

The targets are in `native/fuzz`, built by clang with libFuzzer and the address and
undefined-behaviour sanitizers. What a target starts from is its corpus in the repository and what
earlier runs found below the build folder. Words for the fuzzer are the string literals of the core.
A finding (a crash, a second for one input, two gigabytes, a broken promise) is named and kept
beside the build; entries of targets that are not run are left as they are in the file.
"""

from __future__ import annotations

import argparse
import json
import re
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
FUZZ = ROOT / "native" / "fuzz"
MODELS = ROOT / "native" / "tests" / "data"
TARGETS = tuple(sorted(path.stem.removeprefix("fuzz_") for path in FUZZ.glob("fuzz_*.cpp")))


def main() -> int:
    """Run, print, write; 1 when there was a finding."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("targets", nargs="*", help=f"of {', '.join(TARGETS)} (all)")
    parser.add_argument("--build", type=Path, default=ROOT / "build" / "fuzz")
    parser.add_argument("--seconds", type=int, default=60, help="of each target (60)")
    parser.add_argument("--output", type=Path, default=ROOT / "docs/results/fuzz.json")
    arguments = parser.parse_args()
    unknown = set(arguments.targets) - set(TARGETS)
    if unknown:
        parser.error(f"unknown targets {', '.join(sorted(unknown))}; of {', '.join(TARGETS)}")
    words = _write_words(arguments.build / "words.dict")
    findings = 0
    for target in arguments.targets or TARGETS:
        about = _fuzz(arguments.build.resolve(), target, words, arguments.seconds)
        _store(arguments.output, target, about, f"make fuzz FUZZ_SECONDS={arguments.seconds}")
        findings += len(about["findings"])
        print(
            f"{target:14} {about['executions']:>12,} executions in {about['seconds']} s, "
            f"{about['edges']:,} edges, {len(about['findings'])} findings",
            *about["findings"],
            flush=True,
        )
    return 1 if findings else 0


def _write_words(path: Path) -> Path:
    """A dictionary for libFuzzer: names that the core compares with."""
    found: set[str] = set()
    for source in [
        *(ROOT / "native/src").glob("*.cpp"),
        *(ROOT / "native").glob("include/*/*.hpp"),
    ]:
        found.update(re.findall(r'"([\w.%~|+-]{2,40})"', source.read_text()))
    path.write_text("".join(f'"{word}"\n' for word in sorted(found)))
    return path


def _fuzz(build: Path, target: str, words: Path, seconds: int) -> dict[str, Any]:
    work, artifacts = build / "corpus" / target, build / "findings" / target
    work.mkdir(parents=True, exist_ok=True)
    artifacts.mkdir(parents=True, exist_ok=True)
    before = {path.name for path in artifacts.iterdir()}
    earlier = resource.getrusage(resource.RUSAGE_CHILDREN)
    kept = [str(folder) for folder in (FUZZ / "corpus" / target,) if folder.is_dir()]
    if target == "model_file":
        kept.append(str(MODELS))
    command = [
        str(build / "native" / "fuzz" / f"fuzz_{target}"),
        # What takes a second is reported; whether it was the input or a busy machine is seen after.
        *(f"-max_total_time={seconds}", "-print_final_stats=1", "-timeout=300"),
        "-report_slow_units=1",
        *("-rss_limit_mb=2048", "-max_len=32768", f"-dict={words}"),
        *(f"-artifact_prefix={artifacts}/", "-verbosity=1", str(work), *kept),
    ]
    began = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    took = time.monotonic() - began
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    fresh = sorted(path for path in artifacts.iterdir() if path.name not in before)
    findings = [path.name for path in fresh if not _slept(command[0], path)]
    if done.returncode and not findings:
        findings = [f"exit status {done.returncode}"]
    if findings:
        print(done.stderr[-4000:], file=sys.stderr)
    return {
        "executions": _last(r"stat::number_of_executed_units:\s+(\d+)", done.stderr),
        "seconds": round(took),
        "cpu_seconds": round(spent.ru_utime + spent.ru_stime - earlier.ru_utime - earlier.ru_stime),
        "edges": _last(r"cov: (\d+)", done.stderr),
        "inputs_kept": sum(1 for _ in work.iterdir()),
        "findings": findings,
    }


def _slept(program: str, finding: Path) -> bool:
    """Whether an input took long because the machine did something else: alone it does not."""
    if not finding.name.startswith(("slow-unit-", "timeout-")):
        return False
    began = time.monotonic()
    subprocess.run([program, str(finding)], capture_output=True, check=False)
    return time.monotonic() - began < 1


def _last(pattern: str, text: str) -> int:
    found = re.findall(pattern, text)
    return int(found[-1]) if found else 0


def _store(path: Path, target: str, about: dict[str, Any], command: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    targets = json.loads(path.read_text())["targets"] if path.is_file() else {}
    targets[target] = about
    whole = {"command": command, "targets": dict(sorted(targets.items()))}
    path.write_text(json.dumps(whole, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
