"""The file of a trained space: what `compile retrieval` makes a zoo bundle out of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from edgewise.bundle import Bundle, write_bundle
from edgewise.errors import BundleError
from edgewise_converter.retrieval.encoders import Space, SpaceConfig

_PREFIX = "space."


def write_space(path: Path, space: Space, *, embedder_dim: int, nearest: int, **about: Any) -> None:
    """Write a space.

    Args:
        path: of the file.
        space: trained.
        embedder_dim: D of the embedder that its queries come from.
        nearest: how many of the nearest are ranked by what is expected of them.
        about: more for the manifest, as JSON values.

    Raises:
        StorageError: the disk refuses.
    """
    manifest = {
        "space": space.config.to_json(),
        "embedder_dim": embedder_dim,
        "nearest": nearest,
        **about,
    }
    tensors = {_PREFIX + name: value.numpy() for name, value in space.state_dict().items()}
    write_bundle(path, kind="zoo", name="space", manifest=manifest, tensors=tensors)


def read_space(path: Path) -> tuple[Space, dict[str, Any]]:
    """The space of a file, in evaluation mode, and the manifest.

    Raises:
        BundleError: it is damaged or holds none.
    """
    bundle = Bundle.open(path, kind="zoo")
    about = bundle.manifest
    try:
        settings = about["space"]
        config = SpaceConfig(**{**settings, "statistics": tuple(settings["statistics"])})
        space = Space(config, int(about["embedder_dim"]))
        space.load_state_dict(
            {
                name.removeprefix(_PREFIX): torch.from_numpy(np.array(bundle.tensor(name)))
                for name in bundle.names()
                if name.startswith(_PREFIX)
            }
        )
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise BundleError(f"{path}: holds no space (edgewise-converter train retrieval)") from error
    return space.eval().requires_grad_(requires_grad=False), about
