"""The page of the C++ interface, out of the header's own comments and public declarations."""

from __future__ import annotations

import re
from collections.abc import Iterator
from textwrap import dedent
from typing import NamedTuple

from .header_reference import code, head, prose, read_header

_SECTION = re.compile(r"^// ---- (.+?) -+$", re.MULTILINE)
_COMMENT = re.compile(r"\s*((?:[ \t]*//[^\n]*\n)+)")
_TOKEN = re.compile(r"""//[^\n]*|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|::|[(){}:;]""")
_REST_OF_LINE = re.compile(r"[ \t]*(//[^\n]*)?")
_TYPE = re.compile(r"(class|struct) (\w+)[^{;]*(?=\{)")


class _Declaration(NamedTuple):
    """A declaration or definition of the header.

    Attributes:
        about: the comment before it, without its marks; empty if it has none.
        text: itself, without a function's body, at the left margin.
    """

    about: str
    text: str


def page(header: str) -> str:
    """The page as MyST Markdown.

    Args:
        header: the text of `edgewise.hpp`: a comment about all of it, then sections that begin
            with `// ---- Title ----`, in which comments stand before what they are about. What is
            private, or in a namespace within, is left out.

    Raises:
        ValueError: it is not.
    """
    about, parts = read_header(header, _SECTION, _COMMENT)
    text = head("C++ interface", "edgewise.hpp", _unmarked(about), "cpp")
    for title, body in parts:
        text += [f"## {title}", ""]
        for declaration in _declarations(body):
            text += _described(declaration)
    return "\n".join(text) + "\n"


def _described(declaration: _Declaration) -> list[str]:
    """A type with its members under a heading; of anything else its comment, then its code."""
    kind = _TYPE.match(declaration.text)
    about = [prose(declaration.about, "cpp"), ""] if declaration.about else []
    if kind is None:
        return [*about, *code(declaration.text, "cpp")]
    lines = [f"### {kind[2]}", "", *about]
    if kind[1] == "struct":
        return lines + code(declaration.text, "cpp")
    lines += code(kind[0].rstrip(), "cpp")
    for member in _members(declaration.text[kind.end() :]):
        lines += _described(member)
    return lines


def _members(body: str) -> Iterator[_Declaration]:
    """What a class declares for all, out of what follows its name."""
    public = re.split(r"^ (?:private|protected):$", body, flags=re.MULTILINE)[0]
    return _declarations(re.sub(r"^ public:$", "", public.removeprefix("{"), flags=re.MULTILINE))


def _declarations(body: str) -> Iterator[_Declaration]:
    """What is declared, in order; what stands together with no comment between is one."""
    plain: list[str] = []
    for piece in _pieces(body):
        about = _COMMENT.match(piece)
        text = dedent(piece[about.end() :] if about else piece).strip()
        if text.startswith("namespace "):
            continue
        if about is None and not _TYPE.match(text):
            plain.append(_without_body(text))
            continue
        yield from _joined(plain)
        plain = []
        yield _Declaration(_unmarked(about[1]) if about else "", _without_body(text))
    yield from _joined(plain)


def _joined(declarations: list[str]) -> Iterator[_Declaration]:
    if declarations:
        yield _Declaration("", "\n".join(declarations))


def _pieces(body: str) -> Iterator[str]:
    """Each declaration, with the comment before it and the one that ends its last line."""
    start = depth = 0
    for token in _TOKEN.finditer(body):
        depth += _deeper(token[0])
        if depth < 0:  # the end of what is around it all
            return
        ends = token[0] == ";" or (token[0] == "}" and body[token.end()] != ";")
        if depth == 0 and ends:
            rest = _REST_OF_LINE.match(body, token.end())
            end = rest.end() if rest else token.end()
            yield body[start:end]
            start = end


def _without_body(text: str) -> str:
    """A function's declaration, of its definition; anything else as it is."""
    if _TYPE.match(text):
        return text
    depth = 0
    for token in _TOKEN.finditer(text):
        if depth == 0 and token[0] in {"{", ":"}:
            comment = text[text.rindex("}") + 1 :].strip()
            return f"{text[: token.start()].rstrip()};" + (f"  {comment}" if comment else "")
        depth += _deeper(token[0])
    return text


def _deeper(token: str) -> int:
    return (token in {"(", "{"}) - (token in {")", "}"})


def _unmarked(comment: str) -> str:
    """The words of a comment, without the marks before its lines."""
    return "\n".join(re.sub(r"^\s*// ?", "", line).rstrip() for line in comment.splitlines())
