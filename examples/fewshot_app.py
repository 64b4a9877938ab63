"""An app that learns classes while it runs: three, then a fourth; a stranger; a new process.

    pip install 'edgewise[litert,image]'
    python examples/fewshot_app.py                       # pictures that this program draws
    python examples/fewshot_app.py --pictures FOLDER     # yours: one folder for each of five things

Five pictures of each of the first three things are shown, others of them are classified. A fourth
thing is added without touching the three. Pictures of the fifth, which is never shown, are to be
called unknown. The classes are saved, and another process loads them and gives the same answers.
Nothing leaves this machine, and nothing but the classes' means is kept.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import edgewise as sdk

SHOWN, ASKED, SIDE = 5, 10, 96
DRAWN = {
    "stripes": ((190, 40, 40), (230, 220, 210)),
    "dots": ((230, 190, 40), (30, 60, 140)),
    "chequers": ((30, 30, 30), (220, 220, 220)),
    "rings": ((50, 130, 60), (130, 90, 50)),
    "clouds": ((150, 90, 170), (200, 220, 240)),
}
"""The things that this program draws, and the two colours of each."""

Pictures = list[NDArray[np.uint8] | Path]


def main() -> int:
    """Learn, classify, add, reject, save, load."""
    options = _parse()
    if options.load is not None:
        return _answer(options.load, options.bundle, options.runtime)
    things = _drawn() if options.pictures is None else _own(options.pictures)
    *known, stranger = things
    app = sdk.FewShotClassifier(options.bundle, runtime=options.runtime)
    for name in known[:3]:
        app.add(name, things[name][:SHOWN])
    print(f"shown {SHOWN} pictures each of {', '.join(app.labels)}")
    _classify(app, {name: things[name] for name in known[:3]})

    app.add(known[3], things[known[3]][:SHOWN])
    print(f"\nadded {known[3]}")
    _classify(app, {name: things[name] for name in known})

    answers = app.predict(things[stranger][SHOWN:])
    unknown = int(answers.is_unknown.sum())
    print(f"\n{stranger} was never shown: {unknown} of {len(answers.is_unknown)} called unknown")

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "things.classifier"
        app.save(path)
        print(f"\nsaved {path.stat().st_size:,} bytes")
        command = [sys.executable, __file__, "--load", str(path), "--runtime", options.runtime]
        found = subprocess.run(
            [*command, "--bundle", options.bundle], check=True, capture_output=True, text=True
        )
    labels, probability = json.loads(found.stdout)
    here = app.predict(_questions())
    same = labels == here.label.tolist() and np.allclose(probability, here.probability)
    print(f"a new process that loads them gives {'the same' if same else 'OTHER'} answers")
    return 0 if same else 1


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pictures", type=Path, help="a folder of five folders of pictures")
    parser.add_argument(
        "--bundle", default="default", help="an embedder other than the shipped one"
    )
    parser.add_argument("--runtime", default="auto")
    parser.add_argument("--load", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def _classify(app: sdk.FewShotClassifier, things: dict[str, Pictures]) -> None:
    """Classify the pictures that were not shown."""
    for name, pictures in things.items():
        answers = app.predict(pictures[SHOWN:])
        right, unknown = int((answers.label == name).sum()), int(answers.is_unknown.sum())
        print(
            f"  {name:12} {right:2} of {len(answers.label)} right, {unknown} called unknown, "
            f"mean probability {answers.probability.mean():.2f}"
        )


def _answer(path: Path, bundle: str, runtime: str) -> int:
    """What the other process does."""
    embedder = None if bundle == "default" else bundle
    app = sdk.FewShotClassifier.load(path, embedder=embedder, runtime=runtime)
    answers = app.predict(_questions())
    print(json.dumps([answers.label.tolist(), answers.probability.tolist()]))
    return 0


def _questions() -> list[NDArray[np.uint8]]:
    generator = np.random.default_rng(99)
    return [_draw(name, generator) for name in DRAWN]


def _own(folder: Path) -> dict[str, Pictures]:
    found: dict[str, Pictures] = {
        place.name: sorted(file for file in place.iterdir() if file.is_file())
        for place in sorted(folder.iterdir())
        if place.is_dir()
    }
    if len(found) != len(DRAWN) or min(map(len, found.values())) <= SHOWN:
        raise SystemExit(f"{folder} must hold five folders of more than {SHOWN} pictures each")
    return found


def _drawn() -> dict[str, Pictures]:
    """Pictures of five patterns, each of any size and direction, its colours more or less."""
    generator = np.random.default_rng(0)
    return {name: [_draw(name, generator) for _ in range(SHOWN + ASKED)] for name in DRAWN}


def _draw(name: str, generator: np.random.Generator) -> NDArray[np.uint8]:
    down, right = np.mgrid[:SIDE, :SIDE] / SIDE - generator.uniform(0.3, 0.7, (2, 1, 1))
    angle, count = generator.uniform(0, np.pi), generator.uniform(3, 6)
    along = np.cos(angle) * right + np.sin(angle) * down
    across = np.cos(angle) * down - np.sin(angle) * right
    wave = 2 * np.pi * count
    if name == "stripes":
        pattern = np.sin(wave * along)
    elif name == "dots":
        pattern = np.cos(wave * along) + np.cos(wave * across) - 1.0
    elif name == "chequers":
        pattern = np.sign(np.sin(wave * along)) * np.sign(np.sin(wave * across))
    elif name == "rings":
        pattern = np.sin(2 * wave * np.hypot(along, across))
    else:
        coarse = np.kron(generator.normal(size=(6, 6)), np.ones((SIDE // 6, SIDE // 6)))
        pattern = sum(np.roll(coarse, (y, x), (0, 1)) for y in range(12) for x in range(12)) / 40
    share = np.clip(0.5 + 2 * pattern, 0, 1)[..., None]
    first, second = np.array(DRAWN[name]) + generator.normal(0, 20, (2, 3))
    colours = share * first + (1 - share) * second + generator.normal(0, 8, (SIDE, SIDE, 3))
    pixels: NDArray[np.uint8] = np.clip(colours, 0, 255).astype(np.uint8)
    return pixels


if __name__ == "__main__":
    sys.exit(main())
