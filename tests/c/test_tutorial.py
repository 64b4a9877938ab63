"""The program in C of the tutorial for apps: it compiles without a warning, and runs."""

from __future__ import annotations

import re
from pathlib import Path

from edgewise.fewshot.classifier_file import load_classifier

from .installation import BUNDLES, ROOT, Installed, run


def test_the_program_of_the_tutorial(installed: Installed, tmp_path: Path) -> None:
    text = (ROOT / "docs" / "tutorial-app.md").read_text()
    (program,) = re.findall(r"^```c\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    source, app, saved = (tmp_path / name for name in ("app.c", "app", "things.classifier"))
    source.write_text(program)
    flags = [*installed.flags.split(), "-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]
    linked = [f"-L{installed.lib}", f"-Wl,-rpath,{installed.lib}", "-ledgewise", "-lm"]
    run("cc", *flags, f"-I{installed.prefix / 'include'}", source, "-o", app, *linked)
    said = run(app, BUNDLES / "embedder.safetensors", saved)
    assert said == "plant\tknown\n"
    classes = load_classifier(saved)
    assert classes.labels == ["mug", "plant"]
    assert classes.examples.tolist() == [5, 5]
