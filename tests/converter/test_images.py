"""Image sets: every loader gives the pictures that were stored, and says what is wrong."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray
from PIL import Image

from edgewise.errors import ArgumentError, StorageError
from edgewise_converter.images.benchmarks import open_benchmark
from edgewise_converter.images.folders import (
    load_folder,
    load_mini_imagenet,
    load_tiered_imagenet,
)
from edgewise_converter.images.image_set import ImageSet
from edgewise_converter.images.parquet import load_parquet
from edgewise_converter.images.splits import ClassSplit, load_class_splits

Pixels = NDArray[np.uint8]
CLASSES = ("ant", "bee", "cat")


def drawn(count: int, size: tuple[int, int] = (6, 5), seed: int = 0) -> Pixels:
    generator = np.random.default_rng(seed)
    return generator.integers(0, 256, (count, *size, 3), dtype=np.uint8)


def png(pixels: Pixels) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def write_parquet(
    path: Path,
    encoded: Sequence[bytes | None],
    labels: Sequence[int | None],
    classes: Sequence[str] | None = CLASSES,
    label: str = "label",
) -> Path:
    images = [{"bytes": each, "path": None} for each in encoded]
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    table = pa.table({"image": pa.array(images, kind), label: pa.array(labels, pa.int64())})
    if classes is not None:
        about = {"info": {"features": {label: {"_type": "ClassLabel", "names": list(classes)}}}}
        table = table.replace_schema_metadata({"huggingface": json.dumps(about)})
    pq.write_table(table, path)
    return path


def write_folders(folder: Path, classes: Mapping[str, Pixels]) -> Path:
    for name, pictures in classes.items():
        (folder / name).mkdir(parents=True)
        for at, picture in enumerate(pictures):
            (folder / name / f"{at:03}.png").write_bytes(png(picture))
    return folder


def test_parquet_gives_what_was_stored(tmp_path: Path) -> None:
    pictures = drawn(1200)
    labels = np.arange(1200) % 3
    path = write_parquet(tmp_path / "made.parquet", [png(p) for p in pictures], labels.tolist())
    loaded = load_parquet(path, cache=tmp_path / "cache")
    assert isinstance(loaded.images, np.memmap)
    assert (loaded.name, loaded.classes, len(loaded)) == ("made", CLASSES, 1200)
    np.testing.assert_array_equal(loaded.images, pictures)
    np.testing.assert_array_equal(loaded.labels, labels)
    first, second = loaded.rows(("cat", "ant"))
    np.testing.assert_array_equal(first, np.arange(2, 1200, 3))
    np.testing.assert_array_equal(second, np.arange(0, 1200, 3))


def test_other_kinds_of_pictures_become_rgb(tmp_path: Path) -> None:
    grey, turned = io.BytesIO(), io.BytesIO()
    Image.fromarray(drawn(1)[0, :, :, 0]).save(grey, "PNG")
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise before it is shown
    Image.fromarray(drawn(1, (5, 6))[0]).save(turned, "PNG", exif=exif)
    path = write_parquet(tmp_path / "a.parquet", [grey.getvalue(), turned.getvalue()], [0, 1])
    images = load_parquet(path, cache=tmp_path).images
    np.testing.assert_array_equal(images[0], np.repeat(drawn(1)[0, :, :, :1], 3, axis=2))
    np.testing.assert_array_equal(images[1], np.rot90(drawn(1, (5, 6))[0], -1))


def test_decoding_happens_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_parquet(tmp_path / "a.parquet", [png(p) for p in drawn(3)], [0, 1, 2])
    cache = tmp_path / "cache"
    load_parquet(path, cache=cache)
    (file,) = cache.iterdir()
    opened: list[object] = []
    original = Image.open

    def watched(file: object) -> Image.Image:
        opened.append(file)
        return original(file)  # type: ignore[arg-type]

    monkeypatch.setattr(Image, "open", watched)
    load_parquet(path, cache=cache)
    assert not opened
    file.write_bytes(file.read_bytes()[:-1])  # damaged: made anew
    np.testing.assert_array_equal(load_parquet(path, cache=cache).images, drawn(3))
    assert len(opened) == 3
    load_parquet(path, size=(4, 4), cache=cache)
    write_parquet(path, [png(p) for p in drawn(3, seed=1)], [0, 1, 2])  # other content
    np.testing.assert_array_equal(load_parquet(path, cache=cache).images, drawn(3, seed=1))
    assert len(list(cache.iterdir())) == 3


def test_the_users_cache_is_taken_by_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda *_, **__: str(tmp_path / "mine"))
    load_parquet(write_parquet(tmp_path / "a.parquet", [png(drawn(1)[0])], [0]))
    assert len(list((tmp_path / "mine" / "images").iterdir())) == 1


def test_pictures_are_resized(tmp_path: Path) -> None:
    flat = np.full((9, 7, 3), 130, np.uint8)
    path = write_parquet(tmp_path / "a.parquet", [png(flat), png(drawn(1)[0])], [0, 1])
    with pytest.raises(ArgumentError, match="picture 1 is 6x5, the first is 9x7; give a size"):
        load_parquet(path, cache=tmp_path)
    images = load_parquet(path, size=(4, 3), cache=tmp_path).images
    assert images.shape == (2, 4, 3, 3)
    assert (images[0] == 130).all()


def test_faults_of_a_parquet_file_are_named(tmp_path: Path) -> None:
    good, path = png(drawn(1)[0]), tmp_path / "a.parquet"

    def refuse(message: str, label: str = "label") -> None:
        with pytest.raises(ArgumentError, match=message):
            load_parquet(path, label=label, cache=tmp_path)

    refuse("a.parquet: no such file")
    path.write_bytes(b"PAR1")
    refuse("a.parquet: not a Parquet file of images")
    write_parquet(path, [good, b"no picture"], [0, 1])
    refuse("a.parquet: row 1: not a picture that can be read")
    write_parquet(path, [good, None], [0, 1])
    refuse("a.parquet: row 1: the picture's bytes are not in the file")
    write_parquet(path, [good, good], [0, None])
    refuse("1 pictures have no label")
    write_parquet(path, [good, good], [0, 3])
    refuse("image 1 has label 3, but there are 3 classes")
    write_parquet(path, [good], [0], classes=None)
    refuse("names of the classes of 'label' are not in the schema's metadata")
    write_parquet(path, [good], [0])
    refuse("no column 'coarse'; it has image, label", label="coarse")
    refuse("column 'image' is not of integers", label="image")
    write_parquet(path, [], [])
    refuse("there is no picture in it")


def test_no_half_cache_is_left(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "a.parquet", [png(drawn(1)[0]), b""], [0, 1])
    with pytest.raises(ArgumentError):
        load_parquet(path, cache=tmp_path / "cache")
    assert not list((tmp_path / "cache").iterdir())
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="a part of the path is a file"):
        load_parquet(path, cache=tmp_path / "file" / "cache")


def test_a_folder_of_folders(tmp_path: Path) -> None:
    folder = write_folders(tmp_path / "set", {"b": drawn(2), "a": drawn(3, seed=1)})
    (folder / "a" / "notes.txt").write_text("not a picture")
    (folder / "empty").mkdir()
    loaded = load_folder(folder, cache=tmp_path / "cache")
    assert loaded.classes == ("a", "b")
    np.testing.assert_array_equal(loaded.labels, [0, 0, 0, 1, 1])
    np.testing.assert_array_equal(loaded.images, np.concatenate([drawn(3, seed=1), drawn(2)]))
    (folder / "b" / "000.png").write_bytes(b"GIF89a")
    with pytest.raises(ArgumentError, match=r"b/000\.png: not a picture"):
        load_folder(folder, cache=tmp_path / "cache")
    with pytest.raises(ArgumentError, match="nowhere: no such folder"):
        load_folder(tmp_path / "nowhere")
    with pytest.raises(ArgumentError, match="no folder in it has pictures"):
        load_folder(folder / "a")


@pytest.fixture
def mini(tmp_path: Path) -> Path:
    folder = tmp_path / "mini"
    (folder / "images").mkdir(parents=True)
    for at, part in enumerate(("train", "val", "test")):
        rows = ["filename,label"]
        for number, picture in enumerate(drawn(4, (8, 9), at)):
            name = f"n{at}{number % 2}_{number}.jpg"
            (folder / "images" / name).write_bytes(png(picture))
            rows.append(f"{name},n{at}{number % 2}")
        (folder / f"{part}.csv").write_text("\n".join(rows) + "\n")
    return folder


def test_the_layout_of_mini_imagenet(mini: Path, tmp_path: Path) -> None:
    images, split = load_mini_imagenet(mini, size=None, cache=tmp_path)
    assert (split.train, split.val, split.test) == (("n00", "n01"), ("n10", "n11"), ("n20", "n21"))
    (rows,) = images.rows(["n21"])
    np.testing.assert_array_equal(images.images[rows], drawn(4, (8, 9), 2)[1::2])
    opened = open_benchmark("mini_imagenet", mini, cache=tmp_path)
    assert opened.images.images.shape == (12, 84, 84, 3)
    assert [len(rows) for rows in opened.rows("val")] == [2, 2]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("val", None, r"val\.csv: no such file"),
        ("val", "filename,label\n", "rows are missing"),
        ("val", "filename,label\na.jpg\n", "rows are missing or incomplete"),
        ("val", "file,label\na.jpg,x\n", "no column 'filename'"),
        ("test", "filename,label\nn00_0.jpg,n00\n", "class 'n00' is in train and in test"),
        ("test", "filename,label\nn.jpg,n30\n", r"n\.jpg: cannot be read"),
    ],
)
def test_faults_of_mini_imagenet(
    name: str, content: str | None, message: str, mini: Path, tmp_path: Path
) -> None:
    path = mini / f"{name}.csv"
    path.unlink() if content is None else path.write_text(content)
    with pytest.raises(ArgumentError, match=message):
        load_mini_imagenet(mini, cache=tmp_path)


def test_the_layout_of_tiered_imagenet(tmp_path: Path) -> None:
    folder = tmp_path / "tiered"
    for at, part in enumerate(("train", "val")):
        write_folders(folder / part, {f"n{at}": drawn(2, seed=at)})
    with pytest.raises(ArgumentError, match=r"tiered/test: no such folder"):
        load_tiered_imagenet(folder, cache=tmp_path)
    write_folders(folder / "test", {"n2": drawn(2, seed=2)})
    opened = open_benchmark("tiered_imagenet", folder, size=(6, 5), cache=tmp_path)
    np.testing.assert_array_equal(opened.images.images[opened.rows("test")[0]], drawn(2, seed=2))


def test_an_image_set_checks_its_parts() -> None:
    labels = np.zeros(2, np.int64)
    wrong: list[tuple[Callable[[], ImageSet], str]] = [
        (lambda: ImageSet("a", drawn(2)[..., 0], labels, CLASSES), "images are uint8"),
        (lambda: ImageSet("a", drawn(2)[:1], labels, CLASSES), r"expected int64 \(1,\)"),
        (lambda: ImageSet("a", drawn(2), labels - 1, CLASSES), "image 0 has label -1"),
        (lambda: ImageSet("a", drawn(2), labels, ("x", "x")), "two classes have the same name"),
        (lambda: ImageSet("a", drawn(2), labels.astype(np.int32), CLASSES), "labels are int32"),
    ]
    for make, message in wrong:
        with pytest.raises(ArgumentError, match=message):
            make()
    with pytest.raises(ArgumentError, match="a: no class 'dog'; it has 3 others"):
        ImageSet("a", drawn(2), labels, CLASSES).rows(["ant", "dog"])


def test_splits_are_checked(tmp_path: Path) -> None:
    path = tmp_path / "splits.json"
    part = {"train": ["a"], "val": ["b"], "test": ["c"]}
    path.write_text(json.dumps({"one": part, "_note": "text", "other": {"meta_train": []}}))
    splits = load_class_splits(path)
    assert set(splits) == {"one"}
    assert splits["one"].part("val") == ("b",)
    with pytest.raises(ArgumentError, match="unknown part 'valid'; known are train, val, test"):
        splits["one"].part("valid")
    with pytest.raises(ArgumentError, match="here: class 'a' is in train and in test"):
        ClassSplit("here", ("a",), ("b",), ("a",))
    for content, message in (
        ("[]", "expected a JSON object"),
        ("{", "not JSON"),
        (json.dumps({"one": part | {"val": "b"}}), "one: val is not a list of class names"),
    ):
        path.write_text(content)
        with pytest.raises(ArgumentError, match=message):
            load_class_splits(path)
    path.unlink()
    with pytest.raises(ArgumentError, match="no such file"):
        load_class_splits(path)


def test_benchmarks_by_name(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="unknown benchmark 'imagenet'; known are cifar_fs"):
        open_benchmark("imagenet", tmp_path)
    (tmp_path / "splits.json").write_text("{}")
    with pytest.raises(ArgumentError, match="no split 'cifar_fs'"):
        open_benchmark("cifar_fs", tmp_path)
    split = {"train": ["ant"], "val": ["bee"], "test": ["dog"]}
    (tmp_path / "splits.json").write_text(json.dumps({"cifar_fs": split}))
    write_parquet(tmp_path / "cifar100.parquet", [png(p) for p in drawn(3)], [0, 1, 2])
    with pytest.raises(ArgumentError, match="cifar100: no class 'dog'"):
        open_benchmark("cifar_fs", tmp_path, cache=tmp_path)


def test_every_stored_set_is_read(shared_data: Path, tmp_path: Path) -> None:
    folder = shared_data / "images"
    opened = open_benchmark("omniglot_by_alphabet", folder, cache=tmp_path)
    assert opened.images.images.shape == (4840, 28, 28, 3)
    assert [len(opened.rows(part)) for part in ("train", "val", "test")] == [179, 24, 39]
    assert {len(rows) for rows in opened.rows("test")} == {20}
    assert set(load_class_splits(folder / "splits.json")) == {
        "cifar_fs",
        "fc100",
        "mini_imagenet",
        "omniglot_by_alphabet",
    }
    small = load_parquet(folder / "textures_dtd.parquet", cache=tmp_path)
    assert (small.images.shape, len(small.classes)) == ((1200, 32, 32, 3), 10)
