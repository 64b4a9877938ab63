"""Bundles that ship with the package, and how a saved file says which one it was made with."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from .bundle import Bundle

BUNDLES = Path(__file__).resolve().parent / "bundles"
"""Where they lie."""


def describe(bundle: Bundle) -> dict[str, str]:
    """What a saved file says of a bundle: its `name`, `path` and `fingerprint`.

    The path is empty for a bundle that ships with the package, since that lies elsewhere elsewhere.
    """
    path = Path(bundle.path).resolve()
    own = path.parent != BUNDLES and path.is_file()
    return {
        "name": bundle.name,
        "path": str(path) if own else "",
        "fingerprint": fingerprint(bundle),
    }


def fingerprint(bundle: Bundle) -> str:
    """A digest of a bundle's tensors, 16 hexadecimal digits."""
    hashes = json.dumps(bundle.manifest.get("sha256", {}), sort_keys=True)
    return hashlib.sha256(hashes.encode()).hexdigest()[:16]
