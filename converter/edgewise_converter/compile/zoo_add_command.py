"""``zoo add``: a network of one's own into a zoo's bundle."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from edgewise.errors import ArgumentError
from edgewise_converter.compile.zoo_add import Addition, add_to_zoo


def add_parser(actions: Any) -> None:
    """Add ``add`` to the actions of ``zoo``."""
    parser: argparse.ArgumentParser = actions.add_parser(
        "add", help="a network of one's own, ONNX or exported by torch, into a zoo's bundle"
    )
    parser.add_argument("zoo", type=Path, help="the bundle")
    parser.add_argument("--network", type=Path, required=True, help=".onnx, or .pt2 (torch.export)")
    parser.add_argument(
        "--pictures", type=Path, required=True, help="one folder of pictures for each class"
    )
    parser.add_argument("--name", required=True, help="of the entry")
    parser.add_argument(
        "--labels", help="classes in the order of its answers, by commas (folders by name)"
    )
    parser.add_argument(
        "--mean", default="0,0,0", help="that pixels / 255 are less, red, green, blue (0,0,0)"
    )
    parser.add_argument("--deviation", default="1,1,1", help="and divided by (1,1,1)")
    parser.add_argument("--licence", default="the user's own", help="note for its card")
    parser.add_argument("--embedder", default="default", help="that the zoo was made with")
    parser.add_argument("--seed", type=int, default=0, help="of test and validation pictures")
    parser.add_argument("--output", type=Path, help="another file than the zoo")
    parser.set_defaults(run=_add)


def _add(arguments: argparse.Namespace) -> int:
    card = add_to_zoo(
        arguments.zoo,
        Addition(
            name=arguments.name,
            network=arguments.network,
            pictures=arguments.pictures,
            labels=tuple(arguments.labels.split(",")) if arguments.labels else None,
            mean=_three(arguments.mean),
            deviation=_three(arguments.deviation),
            licence=arguments.licence,
            seed=arguments.seed,
        ),
        embedder=arguments.embedder,
        output=arguments.output,
    )
    print(
        f"{arguments.output or arguments.zoo}: {card['name']}, {len(card['labels'])} classes, "
        f"{card['parameters']:,} parameters, {card['test_accuracy']:.1%} of test pictures right"
    )
    return 0


def _three(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(value) for value in text.split(","))
    except ValueError as error:
        raise ArgumentError(f"{text!r} are no numbers; write red,green,blue") from error
