"""The example apps in C and C++ say what the Python package says, to 1e-6, and share its files."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import edgewise as sdk
from edgewise.bundle import Bundle
from edgewise.fewshot import FewShotClassifier
from edgewise.latency import calibrate
from edgewise.latency.predictor import open_bundle
from edgewise.latency.profile import save_profile
from edgewise.spaces import get_space

from .installation import BUNDLES, ROOT, Installed, lines_of, run

SPACES = ("nasbench201", "fbnet", "ofa", "supernet")
CLOSE = pytest.approx


def bundle_path(space: str) -> Path:
    return BUNDLES / f"{space}.safetensors"


def queries(space: str, count: int = 50) -> list[str]:
    known = get_space(space)
    return known.decode(known.draw(count, seed=7))


def noisy_device(space: str, path: Path) -> sdk.Device:
    """A device whose timings are 20 % off, by its own seed; also written to `path` as a table."""
    known, noise = get_space(space), np.random.default_rng(3)
    archs = open_bundle(space).manifest["references"][:10]
    ms = [(1 + known.flops(a) / 2e8) * noise.uniform(0.8, 1.2) for a in archs]
    path.write_text("".join(f"{a}\t{m!r}\n" for a, m in zip(archs, map(float, ms), strict=True)))
    table = dict(zip(archs, map(float, ms), strict=True))
    return calibrate(space=space, measure=table.__getitem__, progress=False, resume=False)


def expect_same(output: str, device: sdk.Device, archs: list[str]) -> None:
    found = lines_of(output, "predicted")
    assert [line.name for line in found] == archs
    expected = np.stack(device.predict(archs), axis=1)
    np.testing.assert_allclose([line.numbers for line in found], expected, rtol=1e-6)


@pytest.mark.parametrize("space", SPACES)
def test_predictions_are_those_of_python(example: Path, space: str, tmp_path: Path) -> None:
    device = noisy_device(space, tmp_path / "timings.tsv")
    archs = queries(space)
    output = run(
        *(
            example,
            "recorded",
            bundle_path(space),
            tmp_path / "c.profile",
            tmp_path / "timings.tsv",
        ),
        *archs,
    )
    expect_same(output, device, archs)
    timed = [line.name for line in lines_of(output, "timed")]
    assert timed == [m.name for m in device.measurements]


def test_the_next_reference_is_that_of_python(example: Path, tmp_path: Path) -> None:
    device = noisy_device("nasbench201", tmp_path / "timings.tsv")
    output = run(
        *(example, "recorded", bundle_path("nasbench201"), tmp_path / "c.profile"),
        tmp_path / "timings.tsv",
    )
    assert lines_of(output, "next")[0].name == device.next_reference()


def test_it_times_its_own_engine(example: Path, installed: Installed, tmp_path: Path) -> None:
    """Ten networks are really run; Python reads the profile and predicts the same."""
    archs = queries("nasbench201")
    runs = "1" if installed.sanitized else "3"
    profile = tmp_path / "device.profile"
    output = run(example, "latency", bundle_path("nasbench201"), profile, runs, *archs)
    device = sdk.Device.load(profile)
    expect_same(output, device, archs)
    timed = lines_of(output, "timed")
    assert [line.name for line in timed] == open_bundle("nasbench201").manifest["references"][:10]
    assert [m.ms for m in device.measurements] == CLOSE([line.numbers[0] for line in timed], 1e-9)
    # It really ran them: what takes more arithmetic took longer.
    space = get_space("nasbench201")
    flops = [space.flops(line.name) for line in timed]
    assert np.corrcoef(flops, [line.numbers[0] for line in timed])[0, 1] > 0.8


@pytest.mark.parametrize("space", SPACES)
def test_profiles_go_both_ways(example: Path, space: str, tmp_path: Path) -> None:
    device = noisy_device(space, tmp_path / "timings.tsv")
    other = "nasbench201" if space != "nasbench201" else "ofa"
    device.update(queries(other, 1)[0], 12.5)  # kept by C, which does not predict such
    archs = queries(space)
    unsteady = replace(device.profile, info={**device.info, "unsteady": 0.15})
    save_profile(unsteady, tmp_path / "python.profile")  # as if timed on a machine that wavered
    output = run(example, "predict", bundle_path(space), tmp_path / "python.profile", *archs)
    expect_same(output, sdk.Device.load(tmp_path / "python.profile"), archs)
    device.save(tmp_path / "python.profile")
    output = run(example, "predict", bundle_path(space), tmp_path / "python.profile", *archs)
    expect_same(output, device, archs)

    run(
        *(example, "recorded", bundle_path(space), tmp_path / "c.profile"),
        tmp_path / "timings.tsv",
    )
    loaded = sdk.Device.load(tmp_path / "c.profile")
    expect_same(output, loaded, archs)
    assert loaded.info["runtime"] == "measure"
    assert loaded.info["semantics"] == device.info["semantics"]
    assert loaded.info["edgewise"] == sdk.__version__
    loaded.update(archs[0], 3.0)
    loaded.save(tmp_path / "c.profile")
    output = run(example, "predict", bundle_path(space), tmp_path / "c.profile", *archs)
    expect_same(output, loaded, archs)


def test_a_profile_outlives_the_bundle_that_it_names(example: Path, tmp_path: Path) -> None:
    """An app brings a copy of a shipped bundle; where that is not, the shipped one does."""
    copy = tmp_path / "app.safetensors"
    copy.write_bytes(bundle_path("nasbench201").read_bytes())
    device = noisy_device("nasbench201", tmp_path / "timings.tsv")
    run(example, "recorded", copy, tmp_path / "c.profile", tmp_path / "timings.tsv")
    copy.unlink()
    archs = queries("nasbench201")
    loaded = sdk.Device.load(tmp_path / "c.profile")
    np.testing.assert_array_equal(loaded.predict(archs).ms, device.predict(archs).ms)


def test_what_c_writes_is_laid_out_as_what_python_writes(example: Path, tmp_path: Path) -> None:
    noisy_device("nasbench201", tmp_path / "timings.tsv")
    run(
        *(example, "recorded", bundle_path("nasbench201"), tmp_path / "c.profile"),
        tmp_path / "timings.tsv",
    )
    sdk.Device.load(tmp_path / "c.profile").save(tmp_path / "python.profile")
    by_c, by_python = (Bundle.open(tmp_path / f"{name}.profile") for name in ("c", "python"))
    by_c.verify()
    assert by_c.names() == by_python.names()
    assert by_c.manifest.keys() == by_python.manifest.keys()
    assert by_c.manifest["sha256"] == by_python.manifest["sha256"]
    assert by_c.manifest["bundle"] == by_python.manifest["bundle"]
    assert by_c.manifest["info"] == by_python.manifest["info"]
    assert by_c.name == by_python.name


class Shown:
    """A classifier of the Python package and the embeddings that its classes were shown."""

    def __init__(self, folder: Path) -> None:
        self.classifier = FewShotClassifier(precision="float32")
        self.embedder = self.classifier._embedder
        random = np.random.default_rng(5)
        self.rows: list[tuple[str, NDArray[np.float32]]] = []
        for name in ("stripes", "dots", "a name with spaces, ä and 猫"):
            base = random.integers(0, 256, (84, 84, 3))
            for _ in range(4):
                picture = np.clip(base + random.integers(-60, 60, base.shape), 0, 255)
                self.rows.append((name, self.embed(picture)))
        stranger = random.integers(0, 256, (84, 84, 3))
        self.shown = [row for i, row in enumerate(self.rows) if i % 4]
        self.asked = [row for i, row in enumerate(self.rows) if not i % 4]
        self.asked.append(("stranger", self.embed(255 - stranger // 4)))
        for name, embedding in self.shown:
            self.classifier._classes.add(name, embedding)
        self._write(folder / "examples.tsv", self.shown)
        self._write(folder / "queries.tsv", self.asked)

    def embed(self, picture: NDArray[np.int64]) -> NDArray[np.float32]:
        return self.embedder.embed([picture.astype(np.uint8)[None]])

    def _write(self, path: Path, rows: list[tuple[str, NDArray[np.float32]]]) -> None:
        lines = [f"{name}\t{' '.join(map(str, embedding[0]))}\n" for name, embedding in rows]
        path.write_text("".join(lines), encoding="utf-8")

    def expect_same(self, output: str, classifier: FewShotClassifier) -> None:
        answers = classifier._head.classify(np.concatenate([row for _, row in self.asked]))
        assert answers is not None
        found = [line.words for line in lines_of(output, "classified")]
        assert [words[1] for words in found] == [name for name, _ in self.asked]
        assert [words[2] for words in found] == answers[0]
        assert [float(words[3]) for words in found] == pytest.approx(answers[1], rel=1e-6)
        assert [words[4] == "1" for words in found] == answers[2]


def test_classifying_is_that_of_python_and_files_go_both_ways(
    example: Path, tmp_path: Path
) -> None:
    shown, embedder = Shown(tmp_path), BUNDLES / "embedder.safetensors"
    output = run(
        *(example, "classify", embedder, tmp_path / "c.classifier"),
        *(tmp_path / "examples.tsv", tmp_path / "queries.tsv"),
    )
    shown.expect_same(output, shown.classifier)
    loaded = FewShotClassifier.load(tmp_path / "c.classifier")
    assert loaded.labels == shown.classifier.labels
    assert loaded.info["examples"] == shown.classifier.info["examples"]
    shown.expect_same(output, loaded)

    shown.classifier.save(tmp_path / "python.classifier")
    output = run(example, "ask", embedder, tmp_path / "python.classifier", tmp_path / "queries.tsv")
    shown.expect_same(output, shown.classifier)


def test_what_fails_says_why(example: Path, tmp_path: Path) -> None:
    bundle, profile = bundle_path("nasbench201"), tmp_path / "no.profile"
    cases: list[tuple[list[str | Path], int, str]] = [
        (["predict", bundle, profile, "x"], 1, f"EDGEWISE_ERROR_BUNDLE: {profile}: cannot be read"),
        (["latency", ROOT / "README.md", profile, "1"], 1, "EDGEWISE_ERROR_BUNDLE"),
        (["recorded", bundle, profile, profile], 1, f"{profile}: cannot be read"),
        (["nothing"], 2, "usage:"),
    ]
    for words, status, message in cases:
        done = subprocess.run(
            [str(example), *map(str, words)], capture_output=True, text=True, check=False
        )
        assert (done.returncode, message in done.stderr) == (status, True), done.stderr
