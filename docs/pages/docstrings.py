"""Docstrings as reStructuredText: sections become fields, backticks code or links."""

from __future__ import annotations

import re

from sphinx.ext.napoleon import Config
from sphinx.ext.napoleon.docstring import GoogleDocstring

_PLAIN = ("attribute", "data", "property")


def as_rst(lines: list[str], what: str) -> list[str]:
    """A docstring's lines; `what` it is of, as autodoc calls it."""
    if what not in _PLAIN:  # there "what: more" would be a type
        config = Config(napoleon_use_rtype=False)
        lines = GoogleDocstring(lines, config).lines()  # type: ignore[arg-type]
    text = "\n".join(lines)
    if text.startswith("Alias for field number"):  # of a named tuple, which says nothing itself
        return []
    return re.sub(r"(`+)(.+?)\1", _literal, text, flags=re.DOTALL).split("\n")


def _literal(found: re.Match[str]) -> str:
    """What Markdown writes as code: a name stays a reference."""
    ticks, code = found.groups()
    name = ticks == "`" and re.fullmatch(r"[A-Za-z_][\w.]*", code)
    return found[0] if name else f"``{code}``"
