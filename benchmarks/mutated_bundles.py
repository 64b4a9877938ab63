"""Opens and uses damaged bundles by the thousand: each is one clear error, or works.

    python benchmarks/mutated_bundles.py --count 100000

Starts from the files in `tests/fixtures`, one of each kind, and from two whose tensors are
deflated, cut out or lent. Each is changed at random: bytes, cuts, doubled or lost pieces, numbers
and values of its manifest; in half of them all digests are then set right again, so that what lies
behind the digests is reached. Each is then read from disk as an app reads it. Chunks run in
processes of their own, limited in time and memory, so that a crash, a hang or a blow-up is seen;
everything else than an EdgewiseError of one line is a fault too. A fault's seed is kept: `--only
SEED` runs that one and shows what happens. Writes `docs/results/mutated_bundles.json`; the exit
status is 1 when there was a fault.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import hashlib
import json
import math
import random
import resource
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from edgewise import _core
from edgewise.borrow import Borrowed, Loan, Scaled, loans
from edgewise.bundle import Bundle, bundle_pieces
from edgewise.errors import EdgewiseError
from edgewise.fewshot.classifier import _restored
from edgewise.fewshot.classifier_file import load_classifier
from edgewise.fewshot.embedder import calibration_of
from edgewise.latency import Device
from edgewise.latency.predictor import load_predictor, open_bundle
from edgewise.latency.profile import load_profile
from edgewise.pattern import Cut, stored_weights
from edgewise.retrieval.zoo_file import FORMATS, ZooFile

ROOT = Path(__file__).resolve().parent.parent
FIXTURES = ROOT / "tests" / "fixtures"
_MEMORY = 3 << 30  # bytes of address space that a chunk may take beyond its start
_PATIENCE = 0.5  # seconds a bundle that a chunk may take, on a busy machine
_LENGTH = 8
_COMMON = ("format_version", "kind", "name", "sha256")


def main() -> int:
    """Run, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=100_000, help="bundles (100000)")
    parser.add_argument("--chunk", type=int, default=1000, help="bundles a process (1000)")
    parser.add_argument("--seed", type=int, default=0, help="of the first (0)")
    parser.add_argument("--only", type=int, help="one bundle, here, by its seed")
    parser.add_argument("--output", type=Path, default=ROOT / "docs/results/mutated_bundles.json")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.only is not None:
        with tempfile.TemporaryDirectory() as folder:
            print(_try(arguments.only, _seeds(), Path(folder)) or "used without an error")
        return 0
    if arguments.worker:
        return _work(arguments.seed, arguments.count)
    began = time.monotonic()
    outcomes: Counter[str] = Counter()
    faults: list[dict[str, Any]] = []
    last = arguments.seed + arguments.count
    for first in range(arguments.seed, last, arguments.chunk):
        count = min(arguments.chunk, last - first)
        found, broken = _chunk(first, count)
        outcomes.update(found)
        faults += broken
        print(f"\r{first + count - arguments.seed:,} bundles, {len(faults)} faults", end="")
    print()
    result = {
        "command": f"python benchmarks/mutated_bundles.py --count {arguments.count} "
        f"--seed {arguments.seed}",
        "bundles": arguments.count,
        "seconds": round(time.monotonic() - began),
        "outcomes": dict(outcomes.most_common()),
        "faults": faults,
    }
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result["outcomes"], indent=1), *faults[:20], sep="\n")
    return 1 if faults else 0


def _chunk(first: int, count: int) -> tuple[Counter[str], list[dict[str, Any]]]:
    """Outcomes of bundles, and their faults; after a crash, the rest goes on in another process."""
    outcomes: Counter[str] = Counter()
    faults: list[dict[str, Any]] = []
    while count > 0:
        command = [sys.executable, __file__, "--worker", "--seed", str(first)]
        process = subprocess.Popen(
            [*command, "--count", str(count)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        hung = False
        try:
            output, errors = process.communicate(timeout=60 + _PATIENCE * count)
        except subprocess.TimeoutExpired:
            process.kill()
            output, errors = process.communicate()
            hung = True
        done = 0
        for line in output.splitlines():
            about = json.loads(line)
            done += 1
            outcomes[about["outcome"]] += 1
            if about.get("fault"):
                faults.append({"seed": about["seed"], "fault": about["fault"]})
        if process.returncode:
            what = "hung" if hung else f"ended with {process.returncode}: {errors[-300:]}"
            faults.append({"seed": first + done, "fault": what})
            outcomes["crash or hang"] += 1
            done += 1
        first, count = first + done, count - done
    return outcomes, faults


def _work(first: int, count: int) -> int:
    """A line of JSON for each bundle."""
    sources = _seeds()
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (used + _MEMORY, hard))
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(first, first + count):
            about: dict[str, Any] = {"seed": seed}
            try:
                about["outcome"] = _try(seed, sources, Path(folder)) or "used"
            except Exception as error:
                place = traceback.extract_tb(error.__traceback__)[-1]
                about["outcome"] = f"fault: {type(error).__name__}"
                about["fault"] = f"{error!r} at {Path(place.filename).name}:{place.lineno}"[:500]
            print(json.dumps(about), flush=True)
    return 0


def _seeds() -> list[bytes]:
    files = sorted(path for path in FIXTURES.glob("*/*") if path.suffix != ".json")
    assert files, f"no files in {FIXTURES}"
    return [*(path.read_bytes() for path in files), *_stored()]


def _stored() -> list[bytes]:
    """Bundles whose tensors are stored in every other way: deflated, cut out, lent, scaled."""
    generator = np.random.default_rng(0)
    weights = stored_weights(4, 6, 9, 1)
    model = b"a model" + weights.tobytes() + b"its end"
    common = generator.integers(0, 256, 600, np.uint8)
    loan = Loan(5, 0, 10, 6, 10, 1)
    turned = common.reshape(10, 10, 6).transpose(0, 2, 1).tobytes()
    scaled = Scaled(common.view(np.int8).reshape(10, 6, 10, 1), np.full(10, 1 / 3, np.float32))
    lender = b"l" + common.reshape(10, 6, 10).transpose(0, 2, 1).tobytes() + scaled.scales.tobytes()
    floats = b"begin" + scaled.values().tobytes() + b"end"
    manifest = {"space": "nasbench201", "references": []}
    return [
        b"".join(
            bundle_pieces(
                *("latency", "stored", manifest),
                {"reference.00.onnx": model, "text": bytes(5000)},
                ("reference.00.onnx", "text"),
                {"reference.00.onnx": [Cut(7, 4, 6, 9, 1)]},
            )
        ),
        b"".join(
            bundle_pieces(
                *("embedder", "lent", {}),
                {"lender": common.tobytes(), "borrower": b"begin" + turned + b"end"},
                borrowed={"borrower": Borrowed("lender", [loan])},
            )
        ),
        b"".join(
            bundle_pieces(
                *("embedder", "scaled", {}),
                {"lender": lender, "borrower": floats},
                borrowed={"borrower": Borrowed("lender", loans(floats, lender, [], [scaled]))},
            )
        ),
    ]


def _try(seed: int, sources: list[bytes], folder: Path) -> str | None:
    """The class of the error that a bundle gives; None when it works."""
    draw = random.Random(seed)
    raw = _mutated(draw, bytearray(draw.choice(sources)))
    path = folder / "bundle"
    path.write_bytes(raw)
    try:
        use(path)
    except EdgewiseError as error:
        message = str(error)
        if "\n" in message or not message or len(message) > 2000:
            raise ValueError(f"the message is no line: {message[:200]!r}") from error
        return type(error).__name__
    return None


def use(path: Path) -> None:
    """Everything that is done with a file of its kind, short of running its networks."""
    bundle = Bundle.open(path)
    repr(bundle)
    first: EdgewiseError | None = None
    for name in bundle.names():
        try:
            bundle.tensor(name)
            bundle.blob(name)
        except EdgewiseError as error:
            first = first or error
    if bundle.kind in _USES:
        _USES[bundle.kind](path)
    if first is not None:
        raise first


def _latency(path: Path) -> None:
    bundle = Bundle.open(path)
    open_bundle("nasbench201", bundle)
    predictor = load_predictor("edgewise", bundle, "auto")
    adapted = predictor.adapt(predictor.references[:4], [1.0, 2.0, 3.0, 4.0])
    answer = adapted.predict(predictor.references)
    if not np.isfinite(answer.ms).all():
        raise ValueError(f"predicts {answer.ms}")


def _profile(path: Path) -> None:
    load_profile(path)
    device = Device.load(path, bundle=next(FIXTURES.glob("*/latency.safetensors")))
    names = [measured.name for measured in device.measurements]
    if names and not np.isfinite(device.predict(names).ms).all():
        raise ValueError("a prediction is not finite")
    device.save(path.with_name("saved"))
    device.networks.predict_features(np.ones((1, len(_core.network_columns()))), 0.9)


def _classifier(path: Path) -> None:
    saved = load_classifier(path)
    dim = saved.sums.shape[1]
    if saved.labels and dim and saved.metric in ("cosine", "euclidean"):
        classes = _restored(path, saved, _core.Prototypes(dim, saved.metric))
        classes.classify(np.ones((1, dim), np.float32), 10.0, 0.5)


def _embedder(path: Path) -> None:
    calibration_of(Bundle.open(path), "embedder")


def _zoo(path: Path) -> None:
    file = ZooFile(Bundle.open(path))
    size = file.index.query.inputs
    file.index.search(np.linspace(-1, 1, size, dtype=np.float32), 3)
    for entry in file.entries:
        file.fingerprint(entry)
        for form in FORMATS:
            file.model(entry, form)
        file.head(entry)


_USES: dict[str, Callable[[Path], None]] = {
    "latency": _latency,
    "profile": _profile,
    "classifier": _classifier,
    "embedder": _embedder,
    "zoo": _zoo,
}


# Changing files. Which change is drawn does not depend on the file.


def _mutated(draw: random.Random, raw: bytearray) -> bytes:
    if draw.random() < 0.5:
        return bytes(_scrambled(draw, raw))
    header, data = _parted(raw)
    manifest = json.loads(header["__metadata__"]["edgewise"])
    table = {name: about for name, about in header.items() if name != "__metadata__"}
    for _ in range(draw.choice((1, 1, 2, 3))):
        what = draw.random()
        if what < 0.5:
            # Mostly what the kind says: the rest rarely leads anywhere.
            common = [key for key in _COMMON if key in manifest] if draw.random() < 0.8 else []
            aside = {key: manifest.pop(key) for key in common}
            _change_value(draw, manifest)
            manifest |= aside
        elif what < 0.6:
            _change_value(draw, table)
        else:
            change = _scrambled if draw.random() < 0.2 else _poke
            data = bytes(change(draw, bytearray(data)))
    return _sealed(manifest, table, bytes(data))


def _scrambled(draw: random.Random, raw: bytearray) -> bytearray:
    for _ in range(draw.choice((1, 1, 2, 4, 8))):
        if not raw:
            return raw
        at = draw.randrange(len(raw))
        size = min(draw.choice((1, 2, 4, 8, 64, 700)), len(raw) - at)
        what = draw.randrange(6)
        if what == 0:
            raw[at] = draw.randrange(256)
        elif what == 1:
            raw[at] ^= 1 << draw.randrange(8)
        elif what == 2:
            del raw[at:]
        elif what == 3:
            del raw[at : at + size]
        elif what == 4:
            raw[at:at] = raw[at : at + size]
        else:
            raw[at : at + size] = draw.randbytes(size)
    return raw


def _poke(draw: random.Random, raw: bytearray) -> bytearray:
    """A few numbers of the data, replaced by telling ones."""
    for _ in range(draw.choice((1, 2, 8))):
        if len(raw) < 8:
            break
        at = 8 * draw.randrange(len(raw) // 8)
        value = draw.choice((math.nan, math.inf, -math.inf, 0.0, -1.0, 1e308, -1e308, 5e-324, 1e30))
        dtype = draw.choice(("<f8", "<f4", "<i8", "<i4"))
        with np.errstate(all="ignore"), contextlib.suppress(ValueError, OverflowError):
            number = draw.choice((2**31 - 1, -(2**31), 0, -1)) if dtype[1] == "i" else value
            content = np.array(number).astype(dtype).tobytes()
            raw[at : at + len(content)] = content
    return raw


_VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2, 7, 255, 65536, 2**31, 2**32, 2**53, 2**63, 2**64 - 1),
    *(-(2**31), -(2**63), 10**12, 0.5, -0.0, 1e-300, 1e300, 1e308, "", "0", "a", "a\0b", "ä猫\n"),
    *("../../etc/passwd", "/dev/zero", "x" * 3000, "nan", "inf", "-1", "1e999", "\ud800"),
    *([], {}, [[]], [None], {"": {}}, [0] * 40, [["a"]], {"sha256": {}}, [1, 2, 3, 4]),
    *(["fbnet"], "fbnet", "ofa", "cosine", "euclidean", "prototype", "relation", "int8"),
)


def _change_value(draw: random.Random, tree: Any) -> None:
    """One value somewhere in a tree of JSON is replaced, moved, doubled or lost."""
    place, depth = tree, 0
    while True:
        keys: list[Any] = list(place) if isinstance(place, dict) else list(range(len(place)))
        if not keys:
            return
        key = draw.choice(keys)
        if isinstance(place[key], (dict, list)) and place[key] and draw.random() < 0.8:
            place, depth = place[key], depth + 1
            continue
        break
    what = draw.randrange(6)
    if what == 0:
        del place[key]
    elif what == 1:
        place[key] = copy.deepcopy(place[draw.choice(keys)])
    elif what == 2 and isinstance(place, dict):
        place[draw.choice(("x", "", "_pad.0", "_pad.99", "index", "ms", "model.0000.onnx"))] = (
            place.pop(key)
        )
    elif what == 3 and isinstance(place, list):
        place.append(place[key])
    elif what == 4 and isinstance(place[key], (int, float)) and abs(place[key]) < 1e300:
        place[key] = place[key] * draw.choice((-1, 2, 1000)) + draw.choice((-1, 0, 1))
    else:
        place[key] = copy.deepcopy(draw.choice(_VALUES))


def _parted(raw: bytes | bytearray) -> tuple[dict[str, Any], bytes]:
    length = int.from_bytes(raw[:_LENGTH], "little")
    header: dict[str, Any] = json.loads(raw[_LENGTH : _LENGTH + length])
    return header, bytes(raw[_LENGTH + length :])


def _sealed(manifest: Any, table: dict[str, Any], data: bytes) -> bytes:
    """A bundle of these with digests that fit, as far as its parts can be understood."""
    hashes = manifest.get("sha256") if isinstance(manifest, dict) else None
    for name, about in table.items():
        with contextlib.suppress(KeyError, TypeError, ValueError):
            begin, end = about["data_offsets"]
            if isinstance(hashes, dict) and name in hashes:
                hashes[name] = hashlib.sha256(data[begin:end]).hexdigest()
    text = json.dumps(manifest)
    lines = [text]
    with contextlib.suppress(KeyError, TypeError, ValueError):
        for name, about in sorted(table.items(), key=lambda it: (*it[1]["data_offsets"], it[0])):
            begin, end = about["data_offsets"]
            shape = ",".join(str(size) for size in about["shape"])
            lines.append(f"{name}\t{about['dtype']}\t{shape}\t{begin}\t{end}")
    digest = hashlib.sha256("".join(f"{line}\n" for line in lines).encode(errors="replace"))
    metadata = {"edgewise": text, "edgewise.sha256": digest.hexdigest()}
    encoded = json.dumps({"__metadata__": metadata, **table}).encode()
    encoded += b" " * (-(_LENGTH + len(encoded)) % 64)
    return len(encoded).to_bytes(_LENGTH, "little") + encoded + data


if __name__ == "__main__":
    sys.exit(main())
