"""Builds the site: `python -m pages OUTPUT`, with docs/ on the path. Warnings are errors."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from sphinx.cmd.build import build_main

from .staging import stage


def main() -> int:
    """Stage the sources beside the output, then build them."""
    parser = argparse.ArgumentParser(prog="pages", description=__doc__)
    parser.add_argument("output", type=Path, help="folder of the built pages; is replaced")
    output: Path = parser.parse_args().output
    root = Path(__file__).resolve().parents[2]
    sources = output.with_name(f"{output.name}-sources")
    stage(root, sources)
    strict = ["--fail-on-warning", "--keep-going", "--quiet", "--fresh-env"]
    return build_main(
        [*strict, "--write-all", "--conf-dir", f"{root}/docs", f"{sources}", f"{output}"]
    )


if __name__ == "__main__":
    sys.exit(main())
