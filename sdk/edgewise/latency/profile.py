"""A calibrated device as a file: the timings, and what they were taken on.

The timings are stored and not the adapted model, since adapting takes milliseconds and a file of
a few numbers can be read, checked and kept. The format is the bundle's, with kind `profile`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..bundle import Bundle, bundle_pieces
from ..errors import BundleError, ProfileError
from ..measure import Measurement
from ..shipped import BUNDLES, fingerprint
from ..storage import write_atomic
from .network import TimedNetwork, no_features
from .predictor import open_bundle

_KIND = "profile"


@dataclass(frozen=True)
class Profile:
    """What is stored of a device."""

    space: str
    predictor: str
    measurements: tuple[Measurement, ...]
    """One a timed architecture (`name` is its canonical string), in the order of timing."""
    info: Mapping[str, Any]
    """JSON values, see `Device.info`."""
    bundle: Mapping[str, str]
    """The latency bundle that the timings were adapted with, see `shipped.describe`."""
    networks: tuple[TimedNetwork, ...] = ()
    """Model files and architectures of other spaces that were timed; the files may be gone."""

    def with_measurement(self, fresh: Measurement) -> Profile:
        """This one and a timing, in place of an earlier one of the same architecture."""
        others = [m for m in self.measurements if m.name != fresh.name]
        return replace(self, measurements=(*others, fresh))

    def with_network(self, fresh: TimedNetwork) -> Profile:
        """The same with a network of another space, or of none."""
        others = [n for n in self.networks if n.measurement.name != fresh.measurement.name]
        return replace(self, networks=(*others, fresh))


def open_described(
    path: str | Path, profile: Profile, bundle: str | Path | Bundle | None = None
) -> Bundle:
    """The bundle that `profile`, read from `path`, was adapted with: `bundle`, or where it says.

    Where it says and nothing is, the same one that ships will do: an app in C brings its own copy.
    Raises BundleError when it is not there or is another one.
    """
    opened = open_bundle(profile.space, bundle or _place(profile))
    if fingerprint(opened) != profile.bundle.get("fingerprint"):
        raise BundleError(
            f"{path}: was adapted with another bundle {profile.bundle.get('name')!r} than "
            f"{opened.path}; pass that one as bundle=, or calibrate again"
        )
    return opened


def _place(profile: Profile) -> str | None:
    """Where the bundle of `profile` lies; None for the one that ships."""
    named, shipped = profile.bundle.get("path"), BUNDLES / f"{profile.space}.safetensors"
    if named and not Path(named).is_file() and shipped.is_file():
        same = fingerprint(Bundle.open(shipped)) == profile.bundle.get("fingerprint")
        return None if same else named
    return named or None


def save_profile(profile: Profile, path: str | Path, *, create_parents: bool = False) -> None:
    """Write `profile`, atomically. Raises StorageError when the disk does not take it."""
    networks = [network.measurement for network in profile.networks]
    measured = [*profile.measurements, *networks]
    pieces = bundle_pieces(
        kind=_KIND,
        name=f"{profile.space} on {profile.info.get('cpu', 'a device')}",
        manifest={
            "space": profile.space,
            "predictor": profile.predictor,
            "architectures": [m.name for m in profile.measurements],
            "networks": [m.name for m in networks],
            "info": dict(profile.info),
            "bundle": dict(profile.bundle),
        },
        tensors={
            "ms": np.array([m.ms for m in measured], np.float64),
            "spread": np.array([m.spread for m in measured], np.float64),
            "runs": np.array([m.runs for m in measured], np.int64),
            "p90": np.array([m.p90 for m in measured], np.float64),
            "features": np.array([no_features(), *(n.features for n in profile.networks)])[1:],
        },
    )
    write_atomic(path, pieces, create_parents=create_parents)


def load_profile(path: str | Path, *, space: str | None = None) -> Profile:
    """Read a profile.

    Raises BundleError for a damaged file or one that is no profile; ProfileError when it was made
    by another version of this library, or for another space than `space`.
    """
    bundle = Bundle.open(path, kind=_KIND)
    manifest = bundle.manifest
    try:
        archs, networks = list(manifest["architectures"]), list(manifest["networks"])
        timed = _measurements([*archs, *networks], bundle)
        profile = Profile(
            space=str(manifest["space"]),
            predictor=str(manifest["predictor"]),
            measurements=tuple(timed[: len(archs)]),
            info=dict(manifest["info"]),
            bundle={str(key): str(value) for key, value in manifest["bundle"].items()},
            networks=tuple(_networks(timed[len(archs) :], bundle)),
        )
    except (KeyError, TypeError, AttributeError, ValueError, OverflowError) as error:
        raise ProfileError(f"{path}: the profile is incomplete ({error!r})") from error
    _check_version(path, profile)
    if space is not None and profile.space != space:
        raise ProfileError(f"{path}: is a profile of space {profile.space!r}, not {space!r}")
    return profile


def _measurements(archs: Sequence[str], bundle: Bundle) -> list[Measurement]:
    columns = [bundle.tensor(name) for name in ("ms", "spread", "runs", "p90")]
    if any(column.shape != (len(archs),) for column in columns):
        raise ValueError("its tensors do not have one value an architecture")
    ms, spread, runs, p90 = (column.tolist() for column in columns)
    rows = zip(archs, ms, spread, runs, p90, strict=True)
    return [Measurement(str(a), float(m), float(s), int(r), float(p)) for a, m, s, r, p in rows]


def _networks(timed: Sequence[Measurement], bundle: Bundle) -> list[TimedNetwork]:
    features = bundle.tensor("features")
    if features.shape != (len(timed), len(no_features())) or features.dtype != np.float64:
        raise ValueError("its networks do not have one row of features each")
    if not (np.isfinite(features) & (features >= 0)).all():
        raise ValueError("the features of its networks are no finite numbers from 0")
    return [TimedNetwork(m, row) for m, row in zip(timed, np.array(features), strict=True)]


def _check_version(path: str | Path, profile: Profile) -> None:
    """The first two numbers decide: what a prediction means may change with them only."""
    from .. import __version__

    made_by = str(profile.info.get("edgewise", ""))
    if made_by.split(".")[:2] != __version__.split(".")[:2]:
        raise ProfileError(
            f"{path}: was made by edgewise {made_by or 'of unknown version'}, this is "
            f"{__version__}; calibrate again (the file is left as it is)"
        )
