"""The page of the C interface, out of the header's own comments."""

from __future__ import annotations

import re

from .header_reference import code, head, prose, read_header

_SECTION = re.compile(r"^/\* ---- (.+?) -+ \*/$", re.MULTILINE)
_COMMENT = re.compile(r"/\*(.*?)\*/", re.DOTALL)


def page(header: str) -> str:
    """The page as MyST Markdown.

    Args:
        header: the text of `edgewise.h`: a comment about all of it, then sections that begin with
            `/* ---- Title ---- */`, in which comments stand before what they are about.

    Raises:
        ValueError: it is not.
    """
    about, parts = read_header(header, _SECTION, _COMMENT)
    text = head("C interface", "edgewise.h", _unmarked(about), "c")
    for title, body in parts:
        text += [f"## {title}", "", *_declarations(body)]
    return "\n".join(text) + "\n"


def _declarations(body: str) -> list[str]:
    """Comment, then code, for each blank-line-separated piece of a section."""
    lines: list[str] = []
    for piece in _pieces(body):
        about = _COMMENT.match(piece)
        declared = piece[about.end() :].strip("\n") if about else piece
        if about:
            lines += [prose(_unmarked(about[1]), "c"), ""]
        if declared:
            lines += code(_without_export(declared), "c")
    return lines


def _pieces(body: str) -> list[str]:
    closing = body.find("#ifdef __cplusplus")
    inner = body if closing < 0 else body[:closing]
    return [piece for piece in re.split(r"\n\s*\n", inner.strip("\n")) if piece.strip()]


def _unmarked(comment: str) -> str:
    """The words of a comment, without the stars before its lines."""
    return "\n".join(re.sub(r"^ \* ?", "", line).rstrip() for line in comment.strip().split("\n"))


def _without_export(declarations: str) -> str:
    """Declarations without the macro that exports them, and with their lines aligned again."""
    macro = "EDGEWISE_API "
    return re.sub(rf"^ {{{len(macro)}}}", "", declarations, flags=re.MULTILINE).replace(macro, "")
