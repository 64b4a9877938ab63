"""Trained parts of a latency bundle: what ``train`` leaves for ``compile``.

A part is itself a bundle of kind ``latency``, with its own tensors only.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from edgewise.bundle import Bundle, write_bundle
from edgewise.errors import ArgumentError
from edgewise.spaces import get_space
from edgewise_converter.compile.help_graph import pack_learner
from edgewise_converter.latency.encodings.registry import encoding_of, help_inputs
from edgewise_converter.latency.help_network import NetworkConfig
from edgewise_converter.latency.help_predictor import DRAWS, HelpData, standard_noise
from edgewise_converter.latency.meta_training import TrainingConfig, kl_weight_of
from edgewise_converter.latency.prior_training import choose_and_train
from edgewise_converter.latency.protocols import domain_of
from edgewise_converter.latency.report import versions
from edgewise_converter.latency.tables import (
    DeviceInfo,
    LatencyTable,
    Split,
    merge_tables,
    split_of,
)
from edgewise_converter.latency.train import train_help

_LICENCE = (
    "Trained artefact of edgewise, Apache-2.0. Learnt from latency measurements published with "
    "HELP (github.com/HayeonLee/HELP, MIT) and OneProxy (github.com/Ren-Research/OneProxy, MIT); "
    "none of them is contained."
)


def train_edgewise_part(
    tables: Sequence[LatencyTable],
    info: Mapping[str, DeviceInfo],
    train: tuple[str, ...],
    *,
    path: Path,
    references: int,
    split: Split | None,
    select: int,
    seed: int,
    command: Sequence[str],
) -> None:
    """Learn the prior, design the references, write both.

    Args:
        tables: of one space.
        info: hardware and family of the devices.
        train: devices to learn from.
        path: where to write.
        references: how many architectures to design.
        split: their split, if any.
        select: steps of choosing the settings anew by leaving families out; 0 takes the defaults.
        seed: of that search.
        command: the command line, for the manifest.
    """
    table = merge_tables(tables)
    prior = choose_and_train(table, train, info, split, steps=select, seed=seed)
    # Any network can be built and timed on a new device. HELP, though, has to know the references
    # of its training devices, so they must have been measured there.
    available = [table.archs[index] for index in table.measured(train)]
    chosen = prior.core().design(available, references)
    manifest = _manifest(tables, train, seed, command) | {
        "references": [available[index] for index in chosen],
        "settings": asdict(prior.settings),
    }
    write_bundle(
        path, kind="latency", name="edgewise prior", manifest=manifest, tensors=prior.tensors()
    )


def train_help_part(
    tables: Sequence[LatencyTable],
    split: Split | None,
    train: tuple[str, ...],
    *,
    valid: tuple[str, ...],
    path: Path,
    prior: Path,
    samples: int,
    seed: int,
    episodes: int,
    checkpoints: Path | None,
    command: Sequence[str],
) -> None:
    """Meta-train HELP on the first ``samples`` references of a trained prior, under *strict*.

    Args:
        tables: of one space.
        split: their split, if any.
        train: devices to learn from.
        valid: those of them that choose the best episode.
        path: where to write.
        prior: the part that :func:`train_edgewise_part` wrote.
        samples: references to use.
        seed: of the training.
        episodes: how long it is.
        checkpoints: folder for its state, or None.
        command: the command line, for the manifest.
    """
    table = merge_tables(tables)
    space = get_space(table.space)
    names = references_of(prior, samples)
    index = {arch: at for at, arch in enumerate(table.archs)}
    missing = [arch for arch in names if arch not in index]
    if missing:
        raise ArgumentError(f"{table.source}: reference {missing[0]} is not in it")
    data = HelpData(
        table=table.select(train),
        inputs=help_inputs(space, space.encode(table.archs)),
        train=tuple(device for device in train if device not in valid),
        valid=valid,
        domains={
            device: domain_of(table, device, split_of(tables, split, device)) for device in train
        },
        reference=np.array([index[arch] for arch in names], dtype=np.int64),
        protocol="strict",
    )
    config = TrainingConfig(
        network=NetworkConfig(samples, columns=encoding_of(table.space).columns),
        episodes=episodes,
        samples=samples,
        kl_weight=kl_weight_of(table.space),
        seed=seed,
    )
    with tqdm(total=config.episodes, unit="episode", disable=None) as bar:

        def advance(episode: int, score: float) -> None:
            bar.update(episode - bar.n)
            bar.set_postfix(validation=f"{score:.4f}")

        trained = train_help(data, config, checkpoints, progress=advance)
    manifest = _manifest(tables, train, seed, command) | {
        "help": {
            "references": names,
            "residual": trained.help.residual,
            "width": config.network.width,
        },
        "metrics": {
            "validation_spearman_mid": round(trained.best_score, 5),
            "best_episode": trained.best_episode,
        },
    }
    noise = standard_noise(DRAWS, config.network.latent_size, seed).numpy()
    tensors: dict[str, NDArray[Any] | bytes] = {
        "help.learner": pack_learner(trained.help.learner),
        "help.noise": noise,
    }
    write_bundle(path, kind="latency", name="HELP", manifest=manifest, tensors=tensors)


def references_of(prior: Path, count: int) -> list[str]:
    """The first references of a trained prior.

    Raises:
        ArgumentError: it has fewer.
    """
    archs = list(Bundle.open(prior, kind="latency").manifest.get("references", ()))
    if len(archs) < count:
        raise ArgumentError(f"{prior}: has {len(archs)} references, {count} asked for")
    return archs[:count]


def _manifest(
    tables: Sequence[LatencyTable], train: tuple[str, ...], seed: int, command: Sequence[str]
) -> dict[str, Any]:
    return {
        "space": tables[0].space,
        "trained_on": list(train),
        "tables": [Path(table.source).name for table in tables],
        "seed": seed,
        "command": shlex.join(command),
        "versions": versions(),
        "licence": _LICENCE,
    }
