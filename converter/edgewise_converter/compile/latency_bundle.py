"""Assembles a latency bundle from its trained parts.

A trained part is a bundle of kind ``latency`` with its own tensors only: the prior (``edgewise.*``,
and the architectures to time, in designed order) and HELP's learner (``help.learner``,
``help.noise``). What the device needs beside them is made here: the reference networks as files to
be timed, and HELP's two graphs. Every file is checked against torch in every runtime first.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from edgewise.bundle import Bundle, write_bundle
from edgewise.errors import BundleError
from edgewise.spaces import get_space
from edgewise_converter.compile.help_check import check_help
from edgewise_converter.compile.help_graph import HelpFunctions, compile_help
from edgewise_converter.compile.parity import Parity, check_classifier, worst
from edgewise_converter.compile.reference_models import (
    FORMATS,
    PatternModel,
    pattern_network,
    reference_models,
)
from edgewise_converter.latency.encodings.registry import encoding_of
from edgewise_converter.latency.help_network import NetworkConfig
from edgewise_converter.latency.help_predictor import DRAWS
from edgewise_converter.latency.prior_kernels import SPACES, write_kernel_part
from edgewise_converter.spaces.registry import input_shape

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

#: Largest relative error of a compiled network that is shipped. Rounding alone reaches 1e-5 in the
#: deepest ones.
_NETWORK_TOLERANCE = 1e-4
_HELP_TOLERANCE = 1e-5
#: The same where squeeze-and-excitation magnifies rounding: torch in single precision differs there
#: from itself in double by up to 3e-3.
_GATED_TOLERANCE = 1e-2
_GATED_SPACES = ("ofa",)
#: What a bundle keeps of each part's manifest, beside the entry of the part's own name.
_PART_KEYS = ("seed", "command", "trained_on", "tables", "versions")


@dataclass(frozen=True)
class LatencyParts:
    """What training gave.

    Attributes:
        prior: tensors ``edgewise.*``; the manifest holds `references`, canonical and in order.
        help: tensors ``help.learner`` and ``help.noise``; the manifest's `help` holds `references`,
            `residual` and `width`. None leaves HELP out.
    """

    prior: Bundle
    help: Bundle | None = None

    @property
    def space(self) -> str:
        """Name of the space; BundleError when the parts disagree."""
        spaces = {str(part.manifest["space"]) for part in self.parts}
        if len(spaces) != 1:
            raise BundleError(f"the trained parts are for different spaces: {sorted(spaces)}")
        return spaces.pop()

    @property
    def parts(self) -> list[Bundle]:
        """The parts that are there."""
        return [self.prior] if self.help is None else [self.prior, self.help]


def compile_latency(
    parts: LatencyParts,
    path: Path,
    *,
    command: str,
    references: int = 24,
    report: Callable[[str], None],
) -> None:
    """Write the bundle that ships.

    Args:
        parts: what training gave.
        path: the file; written whole or not at all.
        command: how this was called, for the manifest.
        references: networks to ship as files, the first of the prior's.
        report: is told what was done, a line at a time.

    Raises:
        BundleError: a part lacks something or belongs to another space.
        ParityError: a compiled file does not compute what torch computes.
    """
    space, archs = parts.space, _references(parts.prior, references)
    tensors: dict[str, NDArray[Any] | bytes] = _plain(parts.prior, "edgewise.")
    manifest = _manifest(parts, command, archs)

    models = reference_models(space, archs)
    checked = _check_models(space, archs, models)
    report(f"{len(models)} reference models: {_describe(checked)}")
    manifest["parity"] = {"references": [parity.as_json() for parity in checked]}

    graphs: dict[str, bytes] = {}
    if parts.help is not None:
        tensors |= _plain(parts.help, "help.")
        network = help_network(parts.help)
        samples = len(parts.help.manifest["help"]["references"])
        compiled = compile_help(space, network, samples=samples)
        checked = _check_graphs(parts.help, network, compiled)
        report(f"HELP's graphs: {_describe(checked)}")
        manifest["parity"]["help"] = [parity.as_json() for parity in checked]
        graphs = {f"help.{name}": file for name, file in compiled.items()}

    files = graphs | {name: model.file for name, model in models.items()}
    write_bundle(
        path,
        kind="latency",
        name=f"latency of {space}",
        manifest=manifest,
        tensors=tensors | files,
        deflate=files.keys(),
        patterned={name: model.cuts for name, model in models.items()},
    )
    report(f"{path}: {path.stat().st_size:,} bytes")


def help_network(part: Bundle) -> NetworkConfig:
    """Sizes of the network in a trained part.

    Raises:
        BundleError: the learner or the noise has not the length that those sizes ask for.
    """
    about = part.manifest["help"]
    space = str(part.manifest["space"])
    network = NetworkConfig(
        embedding_size=len(about["references"]),
        width=int(about["width"]),
        columns=encoding_of(space).columns,
    )
    learner, noise = part.tensor("help.learner"), part.tensor("help.noise")
    wanted = (HelpFunctions.create(space, network).learner.size,), (DRAWS, network.latent_size)
    if (learner.shape, noise.shape) != wanted:
        raise BundleError(
            f"{part.path}: help.learner {learner.shape} and help.noise {noise.shape} are not the "
            f"{wanted[0]} and {wanted[1]} of {network}"
        )
    return network


def _references(prior: Bundle, count: int) -> list[str]:
    archs = list(prior.manifest.get("references", []))
    if len(archs) < count:
        raise BundleError(
            f"{prior.path}: names {len(archs)} reference architectures, {count} are to be shipped"
        )
    parse = get_space(prior.manifest["space"]).parse
    return [parse(arch) for arch in archs[:count]]


def _plain(part: Bundle, prefix: str) -> dict[str, NDArray[Any] | bytes]:
    found: dict[str, NDArray[Any] | bytes] = {
        name: part.tensor(name) for name in part.names() if name.startswith(prefix)
    }
    if not found:
        raise BundleError(f"{part.path}: holds no tensors {prefix}*")
    return found


def _manifest(parts: LatencyParts, command: str, archs: Sequence[str]) -> dict[str, Any]:
    """Shared facts at the top, each part's own under its name."""
    prior = parts.prior.manifest
    manifest: dict[str, Any] = {
        "space": parts.space,
        "trained_on": sorted({name for part in parts.parts for name in _trained_on(part)}),
        "seed": prior.get("seed"),
        "command": command,
        "licence": prior.get("licence"),
        "metrics": {},
        "references": list(archs),
    }
    for key, part in zip(("edgewise", "help"), parts.parts, strict=False):
        manifest["metrics"][key] = part.manifest.get("metrics")
        about = part.manifest
        manifest[key] = {name: about[name] for name in _PART_KEYS if name in about}
        manifest[key] |= about.get(key, {})
    return manifest


def _trained_on(part: Bundle) -> list[str]:
    return list(part.manifest.get("trained_on", []))


def _check_models(
    space: str, archs: Sequence[str], models: Mapping[str, PatternModel]
) -> list[Parity]:
    found: list[Parity] = []
    for index, arch in enumerate(archs):
        name = f"reference.{index:02d}"
        found += check_classifier(
            pattern_network(space, arch),
            {file_format: models[f"{name}.{file_format}"].file for file_format in FORMATS},
            image=input_shape(space, arch),
            cases=1,
            seed=index,
            tolerance=_GATED_TOLERANCE if space in _GATED_SPACES else _NETWORK_TOLERANCE,
        )
    return worst(found)


def _check_graphs(part: Bundle, network: NetworkConfig, files: Mapping[str, bytes]) -> list[Parity]:
    return check_help(
        part.manifest["space"],
        network,
        torch.from_numpy(np.array(part.tensor("help.learner"))),
        torch.from_numpy(np.array(part.tensor("help.noise"))),
        get_space(part.manifest["space"]).encode(part.manifest["help"]["references"]),
        files,
        tolerance=_HELP_TOLERANCE,
    )


def _describe(parities: Sequence[Parity]) -> str:
    return ", ".join(f"{p.runtime} {p.version} within {p.error:.1e} of torch" for p in parities)


def add_parser(subparsers: Any) -> None:
    """Add ``latency`` to the subcommands of ``compile``; `run` of its arguments does the work."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "latency", help="assemble a latency bundle from its trained parts"
    )
    prior = parser.add_mutually_exclusive_group(required=True)
    prior.add_argument("--prior", type=Path, help="what `train` gave for edgewise")
    prior.add_argument(
        "--space",
        choices=SPACES,
        help="instead of --prior: a space without timings, its prior from prices of kernels",
    )
    parser.add_argument("--learner", type=Path, help="what `train` gave for help")
    parser.add_argument("--output", type=Path, required=True, help="the bundle to write")
    parser.add_argument("--references", type=int, default=24, help="networks to ship as files (24)")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    if arguments.space is None:
        return _compile(arguments, arguments.prior, ["--prior", arguments.prior.name])
    with tempfile.TemporaryDirectory() as folder:
        part = Path(folder) / "prior.safetensors"
        command = f"edgewise-converter compile latency --space {arguments.space}"
        write_kernel_part(arguments.space, part, references=arguments.references, command=command)
        return _compile(arguments, part, ["--space", arguments.space])


def _compile(arguments: argparse.Namespace, prior: Path, options: list[str]) -> int:
    """Compile with a prior that ``options`` name."""
    learner = arguments.learner
    parts = LatencyParts(
        Bundle.open(prior, kind="latency"),
        None if learner is None else Bundle.open(learner, kind="latency"),
    )
    if learner is not None:
        options = [*options, "--learner", learner.name]
    options = [*options, "--references", str(arguments.references)]
    compile_latency(
        parts,
        arguments.output,
        command=" ".join(["edgewise-converter compile latency", *options]),
        references=arguments.references,
        report=print,
    )
    return 0
