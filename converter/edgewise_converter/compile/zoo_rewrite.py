"""Writing a zoo's bundle again with a part of it changed, the rest as it was."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgewise import _core
from edgewise.bundle import Bundle, write_bundle
from edgewise.retrieval.zoo_file import ZooFile

_OWN = ("format_version", "kind", "name", "sha256", "deflated", "patterned", "borrowed")


def stored_tensors(file: ZooFile) -> dict[str, Any]:
    """All tensors by name: inflated, and kernels in the order of this library's columns."""
    bundle = file.bundle
    deflated = bundle.manifest["deflated"]
    tensors = {
        name: bundle.blob(name) if name in deflated else bundle.tensor(name)
        for name in bundle.names()
    }
    return tensors | {"kernels": file.kernels}


def rewrite(
    path: Path, bundle: Bundle, manifest: Mapping[str, Any], tensors: Mapping[str, Any]
) -> None:
    """Write a zoo again.

    Args:
        path: of the file; where it may be that of `bundle`, the caller holds its lock.
        bundle: as it was.
        manifest: what of it is new or other than it was.
        tensors: all of them, as `stored_tensors` gives those that stay.

    Raises:
        StorageError: the disk refuses.
    """
    about = {key: value for key, value in bundle.manifest.items() if key not in _OWN} | {**manifest}
    about["zoo"] = {**about["zoo"], "network_columns": _core.network_columns()}
    write_bundle(
        path,
        kind="zoo",
        name=bundle.name,
        manifest=about,
        tensors=tensors,
        deflate=bundle.manifest["deflated"],
    )
