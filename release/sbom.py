"""Writes the software bill of materials of the package: `python -m release.sbom OUTPUT`.

CycloneDX 1.6, as JSON: what is compiled in (headers, out of the build), what ships beside the code
(bundles), what is needed at run time, and what the extras would add. The same build gives the same
bytes: nothing in it is drawn or dated.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

from edgewise.bundle import Bundle
from edgewise.storage import write_atomic

from .compiled_in import CompiledIn, compiled_in

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[1]
NOT_SHIPPED = ("dev", "docs")
"""Extras for those who work on edgewise itself."""

Component = dict[str, Any]


def bill(build: Path) -> dict[str, Any]:
    """The bill of materials, in JSON values, of what was built in the folder `build`."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    itself = {
        "type": "library",
        "bom-ref": "edgewise",
        "name": project["name"],
        "version": project["version"],
        "description": project["description"],
        "licenses": [{"license": {"id": project["license"]}}],
        "purl": f"pkg:pypi/{project['name']}@{project['version']}",
    }
    inside = [_header_library(found) for found in compiled_in(build)]
    bundles = [_bundle(path) for path in sorted((ROOT / "sdk/edgewise/bundles").glob("*"))]
    needed = [_dependency(text, "required") for text in project["dependencies"]]
    extras = _extras(project["optional-dependencies"], {one["name"] for one in needed})
    components = [*inside, *bundles, *needed, *extras]
    depends = [one["bom-ref"] for one in (*inside, *bundles, *needed)]
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": itself},
        "components": components,
        "dependencies": [
            {"ref": "edgewise", "dependsOn": depends},
            *({"ref": one["bom-ref"]} for one in components),
        ],
    }


def _header_library(found: CompiledIn) -> Component:
    library = found.origin
    return {
        "type": "library",
        "bom-ref": f"compiled-in:{library.name}",
        "name": library.name,
        "version": found.version,
        "scope": "required",
        "licenses": [{"expression": " AND ".join(found.licences)}],
        "purl": f"pkg:generic/{library.name}@{found.version}",
        "externalReferences": [{"type": "vcs", "url": library.source}],
        "properties": _properties(
            use="headers, compiled in",
            headers=str(found.headers),
            taken_from=f"{library.wheel} {metadata.version(library.wheel)}",
        ),
    }


def _bundle(path: Path) -> Component:
    manifest = Bundle.open(path).manifest
    return {
        "type": "machine-learning-model",
        "bom-ref": f"bundle:{path.name}",
        "name": f"edgewise/bundles/{path.name}",
        "scope": "required",
        "hashes": [{"alg": "SHA-256", "content": hashlib.sha256(path.read_bytes()).hexdigest()}],
        "licenses": [{"license": {"id": "Apache-2.0"}}],
        "copyright": manifest["licence"],
        "properties": _properties(kind=manifest["kind"], name=manifest["name"]),
    }


def _extras(extras: dict[str, list[str]], needed: set[str]) -> list[Component]:
    """What they would add, once each, with the extras that ask for it."""
    asked: dict[str, tuple[str, list[str]]] = {}
    for extra, requirements in extras.items():
        for text in requirements if extra not in NOT_SHIPPED else ():
            name = _name(text)
            if name not in needed:
                asked.setdefault(name, (text, []))[1].append(extra)
    return [_dependency(text, "optional", by) for text, by in asked.values()]


def _dependency(requirement: str, scope: str, extras: list[str] | None = None) -> Component:
    """A package of the registry, with version and licence where it is installed here."""
    name = _name(requirement)
    about: Component = {
        "type": "library",
        "bom-ref": f"pypi:{name}",
        "name": name,
        "scope": scope,
        "purl": f"pkg:pypi/{name}",
    }
    properties = {"requirement": requirement}
    if extras:
        properties["extras"] = ", ".join(extras)
    try:
        found = metadata.metadata(name)
    except metadata.PackageNotFoundError:
        return {**about, "properties": _properties(**properties)}
    about |= {"version": found["Version"], "purl": f"pkg:pypi/{name}@{found['Version']}"}
    if "License-Expression" in found:
        about["licenses"] = [{"expression": found["License-Expression"]}]
    elif "License" in found:
        about["licenses"] = [{"license": {"name": found["License"].splitlines()[0]}}]
    return {**about, "properties": _properties(**properties, version="the one that was tested")}


def _name(requirement: str) -> str:
    found = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert found is not None
    return found[0].lower()


def _properties(**values: str) -> list[dict[str, str]]:
    return [{"name": f"edgewise:{name}", "value": value} for name, value in values.items()]


def main() -> int:
    """Write it."""
    parser = argparse.ArgumentParser(prog="release.sbom", description=__doc__)
    parser.add_argument("output", type=Path)
    parser.add_argument(
        "--build", type=Path, default=ROOT / "build" / "python", help="where Ninja has built"
    )
    options = parser.parse_args()
    found = bill(options.build)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(options.output, [json.dumps(found, indent=2).encode() + b"\n"])
    for one in found["components"]:
        print(f"{one['scope']:8} {one['name']} {one.get('version', '')}".rstrip())
    return 0


if __name__ == "__main__":
    sys.exit(main())
