"""docs/file-format.md: it names all that is in the files, and its rules are those of the files."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import numpy as np
import pytest

from edgewise.bundle import KINDS, Bundle
from edgewise.fewshot.classifier_file import Saved, save_classifier
from edgewise.latency import Device
from edgewise.retrieval.zoo_file import _PARTS
from edgewise.shipped import BUNDLES, fingerprint

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "file-format.md").read_text()
SHIPPED = sorted(BUNDLES.glob("*.safetensors"))


def section(title: str) -> str:
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE)
    assert found is not None, title
    return found[1]


def named(title: str) -> set[str]:
    """What a section writes as code."""
    return set(re.findall(r"`([^`]+)`", section(title)))


COMMON = set(re.findall(r"^\| `(\w+)` \|", section("The manifest"), re.MULTILINE))


def test_every_kind_has_a_section() -> None:
    assert re.findall(r"^## Kind `(\w+)`$", PAGE, re.MULTILINE) == list(KINDS)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_tensors_that_ship_are_named(path: Path) -> None:
    bundle = Bundle.open(path)
    known = named(f"Kind `{bundle.kind}`")
    for name in bundle.names():
        general = re.sub(r"^reference\.\d\d", "reference.00", name)
        general = re.sub(r"^help\.(adapt|predict)\.\w+", r"help.\1", general)
        general = re.sub(r"^network\.", "edgewise.", general)
        general = re.sub(r"^(query|performance)\..*", r"\1.*", general)
        general = re.sub(r"^model\.\d{4}\.", "model.KKKK.", general)
        general = re.sub(r"\.\d{4}$", ".NNNN", general)
        if name.startswith("training."):  # for the host, which goes on from it
            continue
        found = general in known or any(one.startswith(general) for one in known)
        assert found or name == "network.unexplained", name


def test_a_profile_is_what_the_page_says(device: Device, tmp_path: Path) -> None:
    device.save(tmp_path / "p")
    _same("profile", Bundle.open(tmp_path / "p"))


def test_a_classifier_is_what_the_page_says(tmp_path: Path) -> None:
    made_with = {"name": "n", "path": "", "fingerprint": "0"}
    saved = Saved(
        "prototype", "int8", "cosine", ["a"], np.ones(1, np.int64), np.ones((1, 2)), made_with
    )
    save_classifier(saved, tmp_path / "c")
    _same("classifier", Bundle.open(tmp_path / "c"))


def test_a_zoo_is_what_the_page_says() -> None:
    known = named("Kind `zoo`")
    assert {f"{part}.NNNN" for part in _PARTS} <= known
    assert {"index", "index.scale", "kernels", "query.*", "performance.*"} <= known


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_the_rules_hold(path: Path) -> None:
    """The container as the page has it, read with nothing of edgewise."""
    data = path.read_bytes()
    start = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:start])
    about = header.pop("__metadata__")
    lines = [about["edgewise"]]
    for name, entry in sorted(header.items(), key=lambda item: (*item[1]["data_offsets"], item[0])):
        begin, end = entry["data_offsets"]
        shape = ",".join(map(str, entry["shape"]))
        lines.append(f"{name}\t{entry['dtype']}\t{shape}\t{begin}\t{end}")
        if name.startswith("_pad."):
            assert name == f"_pad.{begin}"
            assert not any(data[start + begin : start + end])
            assert end - begin < 64
        else:
            assert (start + begin) % 64 == 0
    digest = hashlib.sha256("".join(f"{line}\n" for line in lines).encode()).hexdigest()
    assert digest == about["edgewise.sha256"]
    manifest = json.loads(about["edgewise"])
    hashes = json.dumps(manifest["sha256"], sort_keys=True)
    assert fingerprint(Bundle.open(path)) == hashlib.sha256(hashes.encode()).hexdigest()[:16]
    for name, wanted in manifest["sha256"].items():
        if name not in manifest.get("borrowed", {}):
            begin, end = header[name]["data_offsets"]
            assert hashlib.sha256(data[start + begin : start + end]).hexdigest() == wanted


def _same(kind: str, bundle: Bundle) -> None:
    """The page names the manifest's keys and the tensors, no more and no fewer."""
    tables = re.findall(r"^\| (`.+?) \|", section(f"Kind `{kind}`"), re.MULTILINE)
    in_tables = {name for cell in tables for name in re.findall(r"`([^`]+)`", cell)}
    keys = set(bundle.manifest) - COMMON
    assert keys | set(bundle.names()) == in_tables
