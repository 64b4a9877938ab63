"""Nothing that is read can run: the device's package unpickles nothing and evaluates nothing."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import edgewise

SOURCES = sorted(Path(edgewise.__file__).parent.rglob("*.py"))
MODULES = {
    *("pickle", "_pickle", "cPickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"),
    *("code", "codeop", "runpy", "socket", "ssl", "http", "urllib", "ftplib", "requests"),
}
CALLS = {"eval", "exec", "compile", "__import__"}
SHELLS = {"os.system", "os.popen"}


def faults(tree: ast.AST) -> Iterator[str]:
    """What there is of it in a file."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""] if not node.level else []
        else:
            names = []
        yield from (f"imports {name}" for name in names if name.split(".")[0] in MODULES)
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name) and node.func.id in CALLS:
                yield f"calls {node.func.id}"
            if ast.unparse(node.func) in SHELLS:
                yield f"calls {ast.unparse(node.func)}"
            for keyword in node.keywords:
                constant = isinstance(keyword.value, ast.Constant) and keyword.value.value is False
                if keyword.arg in ("allow_pickle", "shell") and not constant:
                    yield f"passes {keyword.arg}"


def test_the_package() -> None:
    assert len(SOURCES) > 40
    found = {
        f"{path.name}: {fault}"
        for path in SOURCES
        for fault in faults(ast.parse(path.read_text(encoding="utf-8")))
    }
    assert not found


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from joblib import load",
        "import urllib.request",
        "eval('1')",
        "import os; os.system('ls')",
        "np.load(f, allow_pickle=True)",
        "subprocess.run(c, shell=yes)",
    ],
)
def test_what_is_looked_for_is_found(source: str) -> None:
    assert list(faults(ast.parse(source)))
