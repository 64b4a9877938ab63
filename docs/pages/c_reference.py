"""The page of the C interface, out of the header's own comments."""

from __future__ import annotations

import re

_SECTION = re.compile(r"^/\* ---- (.+?) -+ \*/$", re.MULTILINE)
_COMMENT = re.compile(r"/\*(.*?)\*/", re.DOTALL)
_NAMES = re.compile(r"\bedgewise_\w+|\bEDGEWISE_\w+")


def page(header: str) -> str:
    """The page as MyST Markdown.

    Args:
        header: the text of `edgewise.h`: a comment about all of it, then sections that begin with
            `/* ---- Title ---- */`, in which comments stand before what they are about.
    """
    opening, *parts = _SECTION.split(header)
    first = _COMMENT.match(opening)
    if first is None or not parts:
        raise ValueError("edgewise.h does not begin with a comment, or has no sections")
    text = ["# C interface", "", "`#include <edgewise/edgewise.h>`", "", _prose(first[1]), ""]
    for title, body in zip(parts[::2], parts[1::2], strict=True):
        text += [f"## {title}", "", *_declarations(body)]
    return "\n".join(text) + "\n"


def _declarations(body: str) -> list[str]:
    """Comment, then code, for each blank-line-separated piece of a section."""
    lines: list[str] = []
    for piece in _pieces(body):
        about = _COMMENT.match(piece)
        code = piece[about.end() :].strip("\n") if about else piece
        if about:
            lines += [_prose(about[1]), ""]
        if code:
            lines += ["```c", _code(code), "```", ""]
    return lines


def _pieces(body: str) -> list[str]:
    closing = body.find("#ifdef __cplusplus")
    inner = body if closing < 0 else body[:closing]
    return [piece for piece in re.split(r"\n\s*\n", inner.strip("\n")) if piece.strip()]


def _prose(comment: str) -> str:
    """A comment as paragraphs; what it indents stays code; names of the interface become code."""
    lines = [re.sub(r"^ \* ?", "", line).rstrip() for line in comment.strip().split("\n")]
    paragraphs = "\n".join(lines).split("\n\n")
    return "\n\n".join(_paragraph(paragraph) for paragraph in paragraphs)


def _paragraph(text: str) -> str:
    if text.startswith("  "):
        return f"```c\n{text}\n```"
    named = "".join(
        piece if piece.startswith("`") else _NAMES.sub(r"`\g<0>`", piece) for piece in _spans(text)
    )
    return "".join(
        piece if piece.startswith("`") else re.sub(r"([*_<\[\\])", r"\\\1", piece)
        for piece in _spans(named)
    )


def _spans(text: str) -> list[str]:
    """Prose and code, `in backticks`, in turns."""
    return re.split(r"(`[^`]*`)", text)


def _code(declarations: str) -> str:
    """Declarations without the macro that exports them, and with their lines aligned again."""
    macro = "EDGEWISE_API "
    return re.sub(rf"^ {{{len(macro)}}}", "", declarations, flags=re.MULTILINE).replace(macro, "")
