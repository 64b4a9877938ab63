"""From pictures to a classifier on a pretrained network that suits them and this device.

    pip install 'edgewise[litert,image]'
    python examples/retrieve.py                          # pictures that this program draws
    python examples/retrieve.py --pictures FOLDER        # yours: one folder for each class
    python examples/retrieve.py --max-ms 0.5 --zoo FILE

The device is calibrated when it has not been: some networks are timed, which takes a few seconds.
Five pictures of each class are shown to the zoo, which answers with the networks that should serve
them best within the limit. The first becomes a classifier, which classifies pictures that it was
not shown. Nothing leaves this machine.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import edgewise as sdk

SHOWN, ASKED, SIDE = 5, 10, 64
DRAWN = ("stripes", "dots", "chequers", "rings")
"""The classes that this program draws."""


def main() -> int:
    """Calibrate, retrieve, classify."""
    options = _parse()
    classes = _drawn() if options.pictures is None else _own(options.pictures)
    device = _device(options.runtime)
    zoo = sdk.ModelZoo(options.zoo, runtime=options.runtime)
    shown = [(picture, name) for name, own in classes.items() for picture in own[:SHOWN]]
    pictures: list[Any] = [picture for picture, _ in shown]
    labels = [name for _, name in shown]

    started = time.perf_counter()
    hits = zoo.retrieve(pictures, labels, k=3, max_ms=options.max_ms, device=device)
    print(f"asked {len(zoo)} networks in {time.perf_counter() - started:.2f} s")
    if not hits:
        print(hits.reason)
        return 1
    for hit in hits:
        print(
            f"  {hit.name:40} expected {hit.expected_accuracy:.0%}, "
            f"{hit.predicted_ms:.2f} ms (up to {hit.predicted_high:.2f}), {hit.params:,} parameters"
        )

    app = hits[0].classifier(pictures, labels, runtime=options.runtime)
    right = count = 0
    for name, own in classes.items():
        answers = app.predict(own[SHOWN:])
        right, count = right + int((answers.label == name).sum()), count + len(own[SHOWN:])
    print(f"{hits[0].name} with {SHOWN} pictures a class: {right} of {count} others right")
    return 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pictures", type=Path, help="a folder of folders of pictures")
    parser.add_argument("--max-ms", type=float, default=20.0, help="limit on this device (20)")
    parser.add_argument("--zoo", default="default", help="a zoo other than the shipped one")
    parser.add_argument("--runtime", default="auto")
    return parser.parse_args()


def _device(runtime: str) -> sdk.Device:
    try:
        return sdk.current_device()
    except sdk.NotCalibratedError:
        print("calibrating this device")
        return sdk.calibrate("supernet", runtime=runtime, budget_s=20)


def _own(folder: Path) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {
        place.name: sorted(file for file in place.iterdir() if file.is_file())
        for place in sorted(folder.iterdir())
        if place.is_dir()
    }
    if len(found) < 2 or min(map(len, found.values())) <= SHOWN:
        raise SystemExit(f"{folder} must hold two folders or more of over {SHOWN} pictures each")
    return found


def _drawn() -> dict[str, list[Any]]:
    generator = np.random.default_rng(0)
    return {name: [_draw(name, generator) for _ in range(SHOWN + ASKED)] for name in DRAWN}


def _draw(name: str, generator: np.random.Generator) -> NDArray[np.uint8]:
    """A pattern of any size, direction and two colours."""
    down, right = np.mgrid[:SIDE, :SIDE] / SIDE - generator.uniform(0.3, 0.7, (2, 1, 1))
    angle, wave = generator.uniform(0, np.pi), 2 * np.pi * generator.uniform(3, 6)
    along = np.cos(angle) * right + np.sin(angle) * down
    across = np.cos(angle) * down - np.sin(angle) * right
    pattern = {
        "stripes": np.sin(wave * along),
        "dots": np.cos(wave * along) + np.cos(wave * across) - 1.0,
        "chequers": np.sign(np.sin(wave * along)) * np.sign(np.sin(wave * across)),
        "rings": np.sin(2 * wave * np.hypot(along, across)),
    }[name]
    share = np.clip(0.5 + 2 * pattern, 0, 1)[..., None]
    first, second = generator.integers(0, 256, (2, 3))
    pixels: NDArray[np.uint8] = np.clip(share * first + (1 - share) * second, 0, 255).astype(
        np.uint8
    )
    return pixels


if __name__ == "__main__":
    sys.exit(main())
