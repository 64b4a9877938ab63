"""Runtimes: each that is installed is run, each that is not says why."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

import edgewise.runtimes.tflite
from edgewise.errors import ArgumentError, RuntimeUnavailableError
from edgewise.runtimes import (
    RUNTIMES,
    Session,
    available_runtimes,
    diagnose,
    get_runtime,
    installed_version,
)
from edgewise.runtimes._probe import _MODELS

NUMPY_2 = int(np.__version__.split(".")[0]) >= 2


def _session(name: str, threads: int = 1) -> Session:
    engine = get_runtime(name)
    return engine.load(_MODELS[engine.format], threads=threads)


def test_run_adds_and_owns_its_outputs(runtime: str) -> None:
    session = _session(runtime)
    (first,) = session.run(np.array([1, 2], np.float32))
    (second,) = session.run(np.array([5, -7], np.float32))
    session.invoke()
    assert first.tolist() == [2, 4]
    assert second.tolist() == [10, -14]
    first[0] = 99  # writable, and nobody else's


def test_session_describes_its_tensors(runtime: str) -> None:
    session = _session(runtime, threads=2)
    assert [(i.name, i.shape, str(i.dtype)) for i in session.inputs] == [("x", (2,), "float32")]
    assert [(o.name, o.shape, str(o.dtype)) for o in session.outputs] == [("y", (2,), "float32")]


def test_invoke_before_run_has_inputs(runtime: str) -> None:
    _session(runtime).invoke()


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ([], "takes 1 inputs, 0 were given"),
        ([np.zeros(3, np.float32)], "'x' takes float32"),
        ([np.zeros((1, 2), np.float32)], "'x' takes float32"),
        ([np.zeros(2, np.float64)], "not float64"),
    ],
)
def test_wrong_inputs_are_refused(runtime: str, arrays: list[np.ndarray], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        _session(runtime).run(*arrays)


@pytest.mark.parametrize("model", [b"", b"no model at all" * 20])
def test_a_broken_model_is_one_clear_error(runtime: str, model: bytes) -> None:
    with pytest.raises(ArgumentError, match=f"{runtime} cannot load this model"):
        get_runtime(runtime).load(model)


@pytest.mark.parametrize("threads", [0, -1, 1.5, True, "2"])
def test_threads_must_be_positive(runtime: str, threads: object) -> None:
    engine = get_runtime(runtime)
    with pytest.raises(ArgumentError, match="threads must be a positive whole number"):
        engine.load(_MODELS[engine.format], threads=threads)  # type: ignore[arg-type]


def test_auto_is_the_first_that_works() -> None:
    assert get_runtime().name == available_runtimes()[0]
    assert available_runtimes() == [name for name in RUNTIMES if diagnose(name).works]


def test_diagnosis_of_a_working_runtime(runtime: str) -> None:
    version = get_runtime(runtime).version()
    assert diagnose(runtime) == (runtime, True, version, "", "")
    assert installed_version(runtime) == version


@pytest.mark.parametrize("name", [name for name in RUNTIMES if name not in available_runtimes()])
def test_one_that_does_not_work_says_why_and_the_cure(name: str) -> None:
    found = diagnose(name)
    assert found.reason
    assert "pip install" in found.cure
    with pytest.raises(RuntimeUnavailableError) as caught:
        get_runtime(name)
    assert found.reason in str(caught.value)
    assert found.cure in str(caught.value)


@pytest.mark.skipif(not NUMPY_2, reason="is about numpy 2")
def test_tflite_under_numpy_2_is_diagnosed() -> None:
    found = diagnose("tflite")
    assert not found.works
    assert "fails under numpy 2" in found.reason
    assert "numpy<2" in found.cure


def test_tflite_on_python_3_12_is_diagnosed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        edgewise.runtimes.tflite, "sys", SimpleNamespace(version_info=(3, 12, 1, "final", 0))
    )
    found = diagnose("tflite")
    assert not found.works
    assert "no wheel for Python" in found.reason
    assert "edgewise[litert]" in found.cure


def test_unknown_runtime() -> None:
    with pytest.raises(ArgumentError, match="litert, tflite, onnxruntime, and auto"):
        get_runtime("tensorrt")


def test_without_any_runtime_auto_names_every_extra() -> None:
    """A process that cannot see the runtimes' packages, as in a bare installation."""
    script = """
import sys
from importlib import metadata
real = metadata.version
def version(name):
    if name in ("ai-edge-litert", "tflite-runtime", "onnxruntime"):
        raise metadata.PackageNotFoundError(name)
    return real(name)
metadata.version = version
from edgewise.errors import RuntimeUnavailableError
from edgewise.runtimes import get_runtime
try:
    get_runtime()
except RuntimeUnavailableError as error:
    print(error)
"""
    text = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    ).stdout
    assert text.startswith("no inference runtime works here")
    assert all(f"{name}: " in text for name in RUNTIMES)
    assert "edgewise[litert]" in text
    assert "edgewise[onnx]" in text


def test_loading_prints_nothing(runtime: str) -> None:
    """TFLite's announcement of its delegate comes from C++, once a process."""
    script = f"""
from edgewise.runtimes import get_runtime
from edgewise.runtimes._probe import probe
probe(get_runtime({runtime!r}))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout == ""
    assert done.stderr == ""
