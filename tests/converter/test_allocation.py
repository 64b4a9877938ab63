"""Memory that is freed stays with the process where the C library is glibc."""

from __future__ import annotations

import subprocess
import sys

import pytest

_PROGRAM = """
import resource
import torch
from edgewise_converter.fewshot.allocation import keep_freed_memory

def faults(count):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(count):
        torch.zeros(4 << 20)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

before = faults(10)
assert keep_freed_memory()
faults(1)
print(before, faults(10))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="it is for glibc")
def test_freed_memory_is_used_again() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM], capture_output=True, text=True, check=True
    )
    before, after = map(int, done.stdout.split())
    assert before > 1000
    assert after < before / 10
