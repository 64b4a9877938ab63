"""The bill of materials: valid CycloneDX, and what pyproject.toml and the build say."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

import edgewise

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def build() -> Path:
    """Where the extension was built, as `make test` does it, or a developer."""
    folders = [ROOT / "build" / name for name in ("python", "dev")]
    for folder in folders:
        if (folder / ".ninja_deps").is_file():
            return folder
    pytest.skip(f"needs a build of the extension in {folders[0]}")


@pytest.fixture(scope="module")
def bill(build: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Written as `make sbom` writes it."""
    output = tmp_path_factory.mktemp("sbom") / "edgewise.cdx.json"
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    command = [sys.executable, "-m", "release.sbom", str(output), "--build", str(build)]
    subprocess.run(command, check=True, cwd=ROOT, env={**os.environ, "PATH": path})
    found: dict[str, Any] = json.loads(output.read_text())
    return found


def requirements(of: str) -> set[str]:
    """The strings of a list in pyproject.toml."""
    text = (ROOT / "pyproject.toml").read_text()
    found = re.search(rf"^{of} = \[(.*?)\]$", text, re.DOTALL | re.MULTILINE)
    assert found is not None
    return set(re.findall(r'"([^"]+)"', found[1]))


def asked(component: dict[str, Any]) -> str:
    values = {one["name"]: one["value"] for one in component["properties"]}
    return str(values["edgewise:requirement"])


def test_it_is_valid(bill: dict[str, Any]) -> None:
    fault = JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(bill))
    assert fault is None


def test_it_says_what_the_project_says(bill: dict[str, Any]) -> None:
    itself = bill["metadata"]["component"]
    text = (ROOT / "pyproject.toml").read_text()
    assert f'version = "{itself["version"]}"' in text
    assert itself["version"] == edgewise.__version__
    assert f'license = "{itself["licenses"][0]["license"]["id"]}"' in text
    packages = [one for one in bill["components"] if one["bom-ref"].startswith("pypi:")]
    needed = {asked(one) for one in packages if one["scope"] == "required"}
    assert needed == requirements("dependencies")
    optional = {asked(one) for one in packages if one["scope"] == "optional"}
    assert optional >= requirements("litert") | requirements("onnx") | requirements("image")
    assert not optional & requirements("docs")


def test_headers_are_those_of_the_build(bill: dict[str, Any]) -> None:
    inside = {one["name"]: one for one in bill["components"] if "compiled-in:" in one["bom-ref"]}
    assert set(inside) == {"eigen", "nlohmann-json", "pybind11"}
    licences = {name: one["licenses"][0]["expression"] for name, one in inside.items()}
    assert "MPL-2.0" in licences["eigen"]
    assert "MIT" in licences["nlohmann-json"]
    assert "BSD-3-Clause" in licences["pybind11"]
    assert "GPL" not in "".join(licences.values())
    assert licences["pybind11"] == "Apache-2.0 WITH LLVM-exception AND BSD-3-Clause"
    notice = (ROOT / "NOTICE").read_text()
    for one in inside.values():
        assert one["externalReferences"][0]["url"] in notice
    asked_for = (ROOT / "pyproject.toml").read_text()
    assert '"cmeel-eigen>=3.4,<4"' in asked_for
    assert re.fullmatch(r"3\.\d+\.\d+", inside["eigen"]["version"])
    assert all(int(one["properties"][1]["value"]) > 20 for one in inside.values())


def test_bundles_are_those_that_ship(bill: dict[str, Any]) -> None:
    folder = ROOT / "sdk" / "edgewise"
    listed = {
        one["name"]: one["hashes"][0]["content"]
        for one in bill["components"]
        if one["type"] == "machine-learning-model"
    }
    shipped = {
        f"edgewise/bundles/{path.name}": hashlib.sha256(path.read_bytes()).hexdigest()
        for path in (folder / "bundles").iterdir()
    }
    assert listed == shipped


def test_it_is_whole(bill: dict[str, Any]) -> None:
    names = [one["bom-ref"] for one in bill["components"]]
    assert len(set(names)) == len(names)
    assert {one["ref"] for one in bill["dependencies"]} == {"edgewise", *names}
