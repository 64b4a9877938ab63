"""Sphinx's settings for the site; `pages` stages the sources and builds them."""

from __future__ import annotations

from typing import Any

from pages.docstrings import as_rst
from sphinx.application import Sphinx
from sphinx.domains.python import ObjectEntry, PythonDomain

import edgewise

project = "edgewise"
author = "the edgewise authors"
version = release = edgewise.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc"]
smartquotes = False
myst_heading_anchors = 4
myst_links_external_new_tab = False

# Docstrings write code in single backticks; a name that is known is linked.
default_role = "py:obj"
autoclass_content = "both"
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 88
html_theme = "furo"
html_title = f"edgewise {release}"
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False
html_show_copyright = False


class _Domain(PythonDomain):
    """Links what a name can only mean: a class or function of ours, never one of several."""

    def find_obj(self, *arguments: Any, **options: Any) -> list[tuple[str, ObjectEntry]]:
        found = super().find_obj(*arguments, **options)
        fields = ("attribute", "property")
        return found if len(found) == 1 and found[0][1].objtype not in fields else []


def _docstring(
    _app: Sphinx, what: str, _name: str, _value: Any, _options: Any, lines: list[str]
) -> None:
    """Autodoc's hook."""
    lines[:] = as_rst(lines, what)


def setup(app: Sphinx) -> None:
    """Sphinx's hook."""
    app.add_domain(_Domain, override=True)
    app.connect("autodoc-process-docstring", _docstring)
