"""``edgewise-converter train latency`` and ``evaluate latency``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from edgewise.errors import ArgumentError
from edgewise_converter.latency.protocols import PROTOCOLS
from edgewise_converter.latency.tables import (
    DeviceInfo,
    LatencyTable,
    Split,
    describe_devices,
    load_devices,
    load_splits,
    load_table,
    merge_tables,
    resolve_devices,
)

_DEVICES_HELP = (
    "comma-separated devices of the tables, or groups of the split (meta_train, meta_valid, "
    "meta_test)"
)


def add_train_parser(subparsers: Any) -> None:
    """Add ``latency`` to the subcommands of ``train``."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "latency",
        help="meta-train a latency predictor from tables of timings",
        description="Writes a part of a latency bundle, which `compile latency` assembles.",
    )
    add_data(parser, train_required=True)
    parser.add_argument("--predictor", choices=("help", "edgewise"), required=True)
    parser.add_argument("--output", type=Path, required=True, metavar="FILE", help="the part")
    parser.add_argument("--seed", type=int, default=0, help="of a training with chance in it (0)")
    parser.add_argument(
        "--references",
        type=int,
        default=24,
        metavar="N",
        help="edgewise: architectures to design, in the order to time them (24)",
    )
    parser.add_argument(
        "--select",
        type=int,
        default=0,
        metavar="STEPS",
        help="edgewise: choose its settings anew by leaving device families out, a random local "
        "search of so many steps (0: the defaults, chosen so)",
    )
    parser.add_argument(
        "--prior",
        type=Path,
        metavar="FILE",
        help="help: the trained part of edgewise, whose references it embeds a device by",
    )
    parser.add_argument("--samples", type=int, default=10, help="help: references it uses (10)")
    parser.set_defaults(run=_train)


def add_evaluate_parser(subparsers: Any) -> None:
    """Add ``latency`` to the subcommands of ``evaluate``."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "latency", help="score latency predictors and baselines on devices they have not seen"
    )
    add_data(parser, train_required=False)
    asked = parser.add_mutually_exclusive_group(required=True)
    asked.add_argument("--test", metavar="DEVICES", help=_DEVICES_HELP)
    asked.add_argument(
        "--leave-out",
        choices=("families", "hardware"),
        help="test each family (or hardware) of the --train devices in turn, trained on those of "
        "the others; a hardware is never on both sides",
    )
    parser.add_argument("--samples", type=int, default=10, help="timings to adapt to (10)")
    parser.add_argument("--seeds", type=int, default=1, metavar="K", help="repetitions (1)")
    parser.add_argument("--protocol", choices=PROTOCOLS, default="strict")
    parser.add_argument(
        "--predictors",
        default="edgewise,flops,nearest,ridge,ridge-doptimal",
        metavar="NAMES",
        help="comma-separated, or `all` (slow: help is meta-trained for every repetition, maml "
        "and meta-sgd for three)",
    )
    parser.add_argument("--bundle", type=Path, help="score this bundle's help and edgewise")
    parser.add_argument("--runtime", default="auto", help="runs the bundle's help (auto)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the scores here")
    parser.set_defaults(run=_evaluate)


def add_data(parser: argparse.ArgumentParser, *, train_required: bool) -> None:
    """Add the options that name tables, splits, devices and training devices; see :class:`Data`."""
    parser.add_argument(
        "--table",
        type=Path,
        action="append",
        required=True,
        metavar="FILE",
        help="table of timings (.npz, or HAT's .csv); repeatable, all of one space",
    )
    parser.add_argument(
        "--target",
        default="decoder",
        choices=("decoder", "encoder", "total"),
        help="latency taken of HAT's .csv tables (decoder)",
    )
    parser.add_argument("--train", required=train_required, metavar="DEVICES", help=_DEVICES_HELP)
    parser.add_argument(
        "--valid",
        metavar="DEVICES",
        help="those of --train that choose the best episode of a meta-training (by default those "
        "in meta_valid, or else a quarter of the hardware)",
    )
    parser.add_argument("--splits", type=Path, help="splits.json (beside the first table)")
    parser.add_argument("--devices", type=Path, help="devices.json (beside the first table)")
    parser.add_argument(
        "--episodes",
        type=int,
        metavar="N",
        help="of a meta-training (as in HELP's paper: 2000, for fbnet and ofa 4000)",
    )
    parser.add_argument(
        "--checkpoints",
        type=Path,
        metavar="DIR",
        help="folder where meta-trainings keep their state; they go on from there",
    )


class Data:
    """What the options about data name."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        from edgewise_converter.latency.meta_training import episodes_of
        from edgewise_converter.latency.question import hold_out

        self.tables: list[LatencyTable] = [
            load_table(path, arguments.target) for path in arguments.table
        ]
        self.merged = merge_tables(self.tables)
        self.split: Split | None = None
        splits = _beside(arguments.splits, arguments.table[0], "splits.json")
        if splits is not None:
            self.split = load_splits(splits).get(self.merged.space)
        devices = _beside(arguments.devices, arguments.table[0], "devices.json")
        listed = {} if devices is None else load_devices(devices)
        self.info: dict[str, DeviceInfo] = describe_devices(self.merged, listed)
        self.episodes: int = arguments.episodes or episodes_of(self.merged.space)
        self.train = self.named(arguments.train) if arguments.train else ()
        chosen = self.split.groups["meta_valid"] if self.split else ()
        if arguments.valid:
            chosen = self.named(arguments.valid)
            for device in chosen:
                if device not in self.train:
                    raise ArgumentError(f"--valid names {device!r}, which --train does not")
        self.valid = tuple(device for device in self.train if device in chosen)
        if self.train and (not self.valid or self.valid == self.train):
            self.valid = hold_out(self.train, self.info)

    def named(self, text: str) -> tuple[str, ...]:
        """Devices by the text of an option."""
        return resolve_devices(text, self.merged, self.split)


def _train(arguments: argparse.Namespace) -> int:
    from edgewise_converter.latency.parts import train_edgewise_part, train_help_part
    from edgewise_converter.latency.train import use_one_thread

    use_one_thread()
    data = Data(arguments)
    if arguments.predictor == "edgewise":
        train_edgewise_part(
            data.tables,
            data.info,
            data.train,
            path=arguments.output,
            references=arguments.references,
            split=data.split,
            select=arguments.select,
            seed=arguments.seed,
            command=arguments.command_line,
        )
    elif arguments.prior is None:
        raise ArgumentError("help needs --prior: the references are those that edgewise designed")
    else:
        train_help_part(
            data.tables,
            data.split,
            data.train,
            valid=data.valid,
            path=arguments.output,
            prior=arguments.prior,
            samples=arguments.samples,
            seed=arguments.seed,
            episodes=data.episodes,
            checkpoints=arguments.checkpoints,
            command=arguments.command_line,
        )
    print(f"{arguments.output}: {arguments.output.stat().st_size:,} bytes")
    return 0


def _evaluate(arguments: argparse.Namespace) -> int:
    from edgewise_converter.latency.evaluate import evaluate, predictors_of
    from edgewise_converter.latency.leave_out import evaluate_left_out
    from edgewise_converter.latency.question import Question
    from edgewise_converter.latency.report import (
        answer_as_json,
        folds_as_json,
        print_answer,
        print_folds,
        write_json,
    )
    from edgewise_converter.latency.train import use_one_thread

    use_one_thread()
    if arguments.samples < 2 or arguments.seeds < 1:
        raise ArgumentError("--samples must be at least 2, and --seeds at least 1")
    data = Data(arguments)
    every = predictors_of(data.merged.space)
    names = every if arguments.predictors == "all" else arguments.predictors.split(",")
    question = Question(
        tables=data.tables,
        splits=data.split,
        info=data.info,
        train=data.train,
        valid=data.valid,
        test=data.named(arguments.test) if arguments.test else (),
        predictors=tuple(dict.fromkeys(name.strip() for name in names)),
        protocol=arguments.protocol,
        samples=arguments.samples,
        seeds=arguments.seeds,
        episodes=data.episodes,
        checkpoints=arguments.checkpoints,
        bundle=arguments.bundle,
        runtime=arguments.runtime,
    )
    if arguments.leave_out:
        folds = evaluate_left_out(question, arguments.leave_out)
        print_folds(folds, arguments.leave_out)
        written = folds_as_json(folds, arguments.leave_out, arguments.command_line)
    else:
        answer = evaluate(question)
        print_answer(question, answer)
        written = answer_as_json(question, answer, arguments.command_line)
    if arguments.json is not None:
        write_json(arguments.json, written)
    return 0


def _beside(given: Path | None, table: Path, name: str) -> Path | None:
    """The file given, or that of this name beside the table if there is one."""
    if given is not None:
        return given
    default = table.parent / name
    return default if default.exists() else None
