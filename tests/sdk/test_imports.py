"""What importing pulls in, and that nothing here talks to a network."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Callable

import pytest

from edgewise.latency import calibrate

HEAVY = (
    "PIL",
    "ai_edge_litert",
    "edgewise_converter",
    "onnx",
    "onnxruntime",
    "platformdirs",
    "tflite_runtime",
    "torch",
    "tqdm",
)


@pytest.mark.parametrize(
    "module", ["edgewise", "edgewise.latency", "edgewise.fewshot", "edgewise.cli"]
)
def test_importing_pulls_in_nothing_heavy(module: str) -> None:
    script = f"import sys, {module}; print(*sorted(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    loaded = {name.split(".")[0] for name in done.stdout.split()}
    assert loaded.isdisjoint(HEAVY)


def test_importing_edgewise_leaves_the_capabilities_for_later() -> None:
    script = "import sys, edgewise; print('edgewise.latency' in sys.modules, edgewise.Device)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("False <class")


def test_no_socket_is_opened(cost: Callable[[str], float], monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> None:
        raise AssertionError(f"a socket was opened: {arguments}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket.socket, "bind", refuse)
    device = calibrate(measure=cost, progress=False)
    device.predict(device.measurements[0].name)
