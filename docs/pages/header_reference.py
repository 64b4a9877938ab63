"""What the pages of the public headers share: their sections, comments as prose, code."""

from __future__ import annotations

import re
from collections.abc import Iterator

_NAMES = re.compile(r"\b(?:edgewise_|EDGEWISE_|(?:edgewise|std)::)\w+")


def head(title: str, header: str, about: str, language: str) -> list[str]:
    """The beginning of a page.

    Args:
        title: of the page.
        header: what a program includes, `edgewise.h`.
        about: the comment that the header begins with, without its marks.
        language: of the code, as Markdown names it.
    """
    return [f"# {title}", "", f"`#include <edgewise/{header}>`", "", prose(about, language), ""]


def read_header(
    header: str, section: re.Pattern[str], comment: re.Pattern[str]
) -> tuple[str, list[tuple[str, str]]]:
    """The comment about all of it, then titles of sections and what stands under them.

    Args:
        header: the text of the header.
        section: the line that a section begins with; its one group is the title.
        comment: a comment; its one group are its lines.

    Raises:
        ValueError: it does not begin with a comment, or has no sections.
    """
    opening, *parts = section.split(header)
    about = comment.match(opening)
    if about is None or not parts:
        raise ValueError("the header does not begin with a comment, or has no sections")
    return about[1], list(zip(parts[::2], parts[1::2], strict=True))


def code(text: str, language: str) -> list[str]:
    """A block of code."""
    return [f"```{language}", text, "```", ""]


def prose(comment: str, language: str) -> str:
    """A comment as paragraphs; what it indents stays code; names of the interface become code."""
    return "\n\n".join(_paragraph(text, language) for text in comment.split("\n\n"))


def _paragraph(text: str, language: str) -> str:
    if text.startswith("  "):
        return f"```{language}\n{text}\n```"
    named = "".join(
        piece if piece.startswith("`") else _NAMES.sub(r"`\g<0>`", piece) for piece in _spans(text)
    )
    return "".join(
        piece if piece.startswith("`") else re.sub(r"([*_<\[\\])", r"\\\1", piece)
        for piece in _spans(named)
    )


def _spans(text: str) -> Iterator[str]:
    """Prose and code, `in backticks`, in turns."""
    yield from re.split(r"(`[^`]*`)", text)
