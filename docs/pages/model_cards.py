"""The page of the bundles that ship, a card each."""

from __future__ import annotations

from pathlib import Path

from edgewise_converter.model_card import model_card

_ABOUT = """# Model cards

One for each trained file that ships, out of its manifest, by

```
edgewise-converter card FILE
```

How each was trained is in the guides; how good it is on what it has not seen, under
[benchmarks](benchmarks.md).

"""


def page(root: Path) -> str:
    """The page as Markdown, of the files below the repository's `root`."""
    shipped = sorted((root / "sdk" / "edgewise" / "bundles").glob("*.safetensors"))
    if not shipped:
        raise FileNotFoundError(f"no bundles in {root}/sdk/edgewise/bundles")
    return _ABOUT + "\n".join(model_card(path) for path in shipped)
