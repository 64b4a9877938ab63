"""Classes of the core, out of its stub file: their docstrings are there, not in the extension."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from .docstrings import as_rst


def directive(stub: Path, name: str, shown_as: str) -> list[str]:
    """A class with its methods and properties, as lines of reStructuredText.

    Raises:
        ValueError: the stub file has no such class.
    """
    for node in ast.parse(stub.read_text()).body:
        if isinstance(node, ast.ClassDef) and node.name == name:
            return [f".. py:class:: {shown_as}", "", *_within(_about(node, "class"))] + [
                line
                for member in node.body
                if isinstance(member, ast.FunctionDef) and not member.name.startswith("_")
                for line in _within(list(_member(member)))
            ]
    raise ValueError(f"{stub}: has no class {name}")


def _member(function: ast.FunctionDef) -> Iterator[str]:
    answer = "" if function.returns is None else ast.unparse(function.returns)
    marks = {ast.unparse(mark) for mark in function.decorator_list}
    if "property" in marks:
        yield from (f".. py:property:: {function.name}", f"   :type: {answer}", "")
        yield from _within(_about(function, "property"))
        return
    arguments = function.args
    if "staticmethod" not in marks:
        arguments.args = arguments.args[1:]
    yield f".. py:method:: {function.name}({ast.unparse(arguments)}) -> {answer}"
    yield from (f"   :{mark}:" for mark in sorted(marks & {"staticmethod", "classmethod"}))
    yield ""
    yield from _within(_about(function, "method"))


def _about(node: ast.ClassDef | ast.FunctionDef, what: str) -> list[str]:
    return [*as_rst((ast.get_docstring(node) or "").split("\n"), what), ""]


def _within(lines: list[str]) -> list[str]:
    return [f"   {line}" if line else "" for line in lines]
