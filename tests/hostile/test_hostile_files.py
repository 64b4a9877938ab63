"""Files made to harm: one clear edgewise error each; no crash, no hang, no memory, no litter."""

from __future__ import annotations

import contextlib
import resource
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

import edgewise
from edgewise import EdgewiseError
from edgewise.bundle import Bundle
from edgewise.latency import Device, calibrate
from edgewise.runtimes import available_runtimes

from ..fixtures.write import CLASSES, pictures
from .cases import cases
from .forge import EMBEDDER, GOOD, LATENCY, forged, put

pytestmark = pytest.mark.skipif(
    "onnxruntime" not in available_runtimes(), reason="the networks of the files are ONNX"
)

MEMORY = 1 << 30
SECONDS = 30


@contextlib.contextmanager
def bounded() -> Iterator[None]:
    """A gigabyte more than now and half a minute of computing, or the test fails."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MEMORY, before[1]))

    def hung(_signal: int, _frame: object) -> None:
        raise TimeoutError("it takes too long")

    old = signal.signal(signal.SIGPROF, hung)
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, old)
        resource.setrlimit(resource.RLIMIT_AS, before)


def use_bundle(path: Path) -> None:
    Bundle.open(path).verify()


def use_profile(path: Path) -> None:
    device = Device.load(path, bundle=LATENCY)
    device.predict([m.name for m in device.measurements])


def use_classifier(path: Path) -> None:
    classifier = edgewise.FewShotClassifier.load(path, embedder=EMBEDDER, runtime="onnxruntime")
    classifier.predict(pictures(0))


def use_embedder(path: Path) -> None:
    classifier = edgewise.FewShotClassifier(path, runtime="onnxruntime")
    classifier.add("red", pictures(0)[:1])
    classifier.predict(pictures(0))


def use_zoo(path: Path) -> None:
    zoo = edgewise.ModelZoo(path, embedder=EMBEDDER, runtime="onnxruntime")
    asked = pictures(0)
    hits = zoo.retrieve(asked, [CLASSES[at % 3] for at in range(len(asked))], k=2)
    for hit in hits:
        loaded = hit.load("onnxruntime")
        loaded.predict(asked)
        assert loaded.calibration


def use_prior(path: Path) -> None:
    device = calibrate(measure=lambda _: 3.0, bundle=path, progress=False)
    device.predict([m.name for m in device.measurements])


def use_model(path: Path) -> None:
    Device.load(GOOD / "device.profile", bundle=LATENCY).predict(path)


USES: dict[str, Callable[[Path], None]] = {
    "bundle": use_bundle,
    "profile": use_profile,
    "classifier": use_classifier,
    "embedder": use_embedder,
    "zoo": use_zoo,
    "prior": use_prior,
    "model": use_model,
}
CASES = {f"{kind}: {name}": (kind, name, make) for kind, name, make in cases()}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_one_clear_error(case: str, tmp_path: Path) -> None:
    kind, name, make = CASES[case]
    path = tmp_path / (name if kind == "model" else "hostile")
    path.write_bytes(make())
    with bounded(), pytest.raises(EdgewiseError) as caught:
        USES[kind](path)
    message = str(caught.value)
    # The file, or the good one beside it that it does not go with.
    assert any(str(each) in message for each in (path, EMBEDDER, LATENCY))
    assert "\n" not in message
    assert len(message) < 1000 + len(str(path))
    assert [file.name for file in tmp_path.iterdir() if file.is_file()] == [path.name]


@pytest.mark.parametrize(
    ("kind", "file"),
    [
        ("profile", "device.profile"),
        ("classifier", "things.classifier"),
        ("embedder", "embedder.safetensors"),
        ("embedder", "background.safetensors"),
        ("zoo", "zoo.safetensors"),
        ("prior", "latency.safetensors"),
    ],
)
def test_what_the_cases_are_made_from_is_good(kind: str, file: str, tmp_path: Path) -> None:
    """Or the errors above would be no proof."""
    path = tmp_path / file
    path.write_bytes(forged(file, lambda _manifest, _tensors: None))
    with bounded():
        USES[kind](path)


@pytest.mark.parametrize("name", ["../../../evil", "/etc/passwd", "a\0b", "..\\evil", "x" * 5000])
def test_names_are_no_paths(name: str, tmp_path: Path) -> None:
    """Names of networks and labels come from files, and lead nowhere."""
    folder = tmp_path / "deep" / "deeper"
    folder.mkdir(parents=True)
    path = folder / "zoo.safetensors"
    path.write_bytes(forged("zoo.safetensors", put("entries.0", "name", name)))
    before = sorted(tmp_path.rglob("*"))
    with bounded():
        use_zoo(path)
        assert edgewise.ModelZoo(path, embedder=EMBEDDER)[name].name == name
    assert sorted(tmp_path.rglob("*")) == before


def test_what_a_file_points_to_is_read_as_a_bundle_only(tmp_path: Path) -> None:
    """A classifier may name any path; nothing but a bundle of the right kind is taken from it."""
    for place in ("/dev/zero", "/etc/passwd", str(tmp_path), str(LATENCY), "\0"):
        path = tmp_path / "hostile"
        path.write_bytes(forged("things.classifier", put("embedder", "path", place)))
        with bounded(), pytest.raises(EdgewiseError):
            edgewise.FewShotClassifier.load(path, runtime="onnxruntime")
        wrong = str(EMBEDDER) if place == str(LATENCY) else place
        path.write_bytes(forged("device.profile", put("bundle", "path", wrong)))
        with bounded(), pytest.raises(EdgewiseError):
            Device.load(path)


@pytest.mark.parametrize("seed", range(3))
def test_pictures_are_no_way_in(seed: int) -> None:
    """Bytes that are no picture, in the place of one."""
    classifier = edgewise.FewShotClassifier(EMBEDDER, runtime="onnxruntime")
    noise = np.random.default_rng(seed).bytes(2000)
    with bounded(), pytest.raises(EdgewiseError):
        classifier.add("noise", [noise])  # type: ignore[list-item]
