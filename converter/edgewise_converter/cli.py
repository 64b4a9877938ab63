"""The command line of the host: ``edgewise-converter train|evaluate|report|compile|...``.

Exit codes: 0, 1 (one line that says what is wrong), 2 (usage). Each capability adds its own
subcommands; nothing heavy is imported before it is known what is to be done.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edgewise import __version__
from edgewise.errors import EdgewiseError
from edgewise_converter import inspect as inspection
from edgewise_converter import model_card
from edgewise_converter.latency import command as latency
from edgewise_converter.latency import report_command as reporting
from edgewise_converter.latency.measuring import command as measuring
from edgewise_converter.retrieval import command as retrieval

_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    parser = _parser(given)
    parsed = parser.parse_args(given)
    parsed.command_line = [parser.prog, *map(without_folders, given)]
    logging.basicConfig(
        level=logging.INFO if parsed.verbose else logging.WARNING, format="%(message)s"
    )
    try:
        return int(parsed.run(parsed))
    except EdgewiseError as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"{parser.prog}: interrupted", file=sys.stderr)
        return _INTERRUPTED


def without_folders(word: str) -> str:
    """A word of a command line as files record it: of an absolute path, or `NAME=PATH`, the name.

    Where things lie on the machine that ran it is no one else's concern; relative paths stay.
    """
    name, mark, path = word.rpartition("=")
    return name + mark + (Path(path).name if Path(path).is_absolute() else path)


def _parser(given: Sequence[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="edgewise-converter",
        description="Train, evaluate and compile what edgewise runs on a device.",
    )
    parser.add_argument("--version", action="version", version=__version__)
    parser.add_argument("-v", "--verbose", action="store_true", help="say what is being done")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    training = _capabilities(commands, "train", "learn from data")
    latency.add_train_parser(training)
    retrieval.add_train_parser(training)
    if "train" in given:
        # Needs torch, which takes seconds to import.
        from edgewise_converter.fewshot import (
            mean_command,
            meta_command,
            pretrain_command,
            train_command,
        )
        from edgewise_converter.retrieval import space_command

        space_command.add_train_parser(training)
        train_command.add_train_parser(training)
        pretrain_command.add_train_parser(training)
        meta_command.add_train_parser(training)
        mean_command.add_train_parser(training)
    evaluating = _capabilities(commands, "evaluate", "score on what was not learnt")
    latency.add_evaluate_parser(evaluating)
    if "evaluate" in given:
        # Needs torch, which takes seconds to import.
        from edgewise_converter.fewshot import evaluate_command
        from edgewise_converter.latency import constrained_command
        from edgewise_converter.retrieval import space_command

        space_command.add_evaluate_parser(evaluating)
        evaluate_command.add_evaluate_parser(evaluating)
        constrained_command.add_search_parser(evaluating)
    compiling = _capabilities(commands, "compile", "assemble a bundle for devices")
    if "compile" in given:
        # Needs torch, which takes seconds to import.
        from edgewise_converter.compile import (
            fewshot_command,
            latency_bundle,
            networks_bundle,
            retrieval_command,
        )

        latency_bundle.add_parser(compiling)
        networks_bundle.add_parser(compiling)
        fewshot_command.add_parser(compiling)
        retrieval_command.add_parser(compiling)
    inspection.add_parser(commands)
    model_card.add_parser(commands)
    reporting.add_report_parser(commands)
    measuring.add_parser(commands)
    retrieval.add_zoo_parser(commands, given)
    return parser


def _capabilities(commands: Any, name: str, text: str) -> Any:
    parser = commands.add_parser(name, help=text, description=f"{text.capitalize()}.")
    return parser.add_subparsers(title="capabilities", metavar="CAPABILITY", required=True)


if __name__ == "__main__":
    sys.exit(main())
