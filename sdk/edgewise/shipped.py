"""Bundles that ship with the package, and how a saved file says which one it was made with."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from .bundle import Bundle
from .errors import BundleError

BUNDLES = Path(__file__).resolve().parent / "bundles"
"""Where they lie."""


def open_shipped(kind: str, bundle: str | Path | Bundle) -> Bundle:
    """The bundle of a kind at a path, or for `default` the one that ships with the package.

    Raises BundleError when there is none, or it is damaged or of another kind.
    """
    if isinstance(bundle, Bundle):
        if bundle.kind != kind:
            raise BundleError(f"{bundle.path}: is of kind {bundle.kind!r}, no {kind}")
        return bundle
    path = BUNDLES / f"{kind}.safetensors" if bundle == "default" else Path(bundle)
    if bundle == "default" and not path.is_file():
        raise BundleError(f"{path}: no {kind} ships with this build; pass the path of a bundle")
    return Bundle.open(path, kind=kind)


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
