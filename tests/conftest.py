"""What all tests share: the measured data, when it is there, and a data folder of their own."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of measured tables and images that lies beside the repository.

    Tests that need it are skipped without it, unless EDGEWISE_REQUIRE_DATA is set, as in CI.
    """
    if not _DATA.is_dir():
        why = f"needs the measured data in {_DATA}"
        if os.environ.get("EDGEWISE_REQUIRE_DATA"):
            pytest.fail(why)
        pytest.skip(why)
    return _DATA


@pytest.fixture(autouse=True)
def own_data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh EDGEWISE_HOME for each test: none may touch what the user has stored."""
    home = tmp_path / "edgewise-home"
    monkeypatch.setenv("EDGEWISE_HOME", str(home))
    return home


@pytest.fixture(autouse=True, scope="session")
def heeded_ctrl_c() -> None:
    """What tests start heeds Ctrl-C, where a shell runs them in the background and ignores it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
