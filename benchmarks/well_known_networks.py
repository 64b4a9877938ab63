"""The 25 well-known networks that `well_known.py` predicts, as model files.

    python benchmarks/well_known_networks.py

They were chosen once, before any of them was timed, and built with `pytorchcv`, so nobody here
designed them. Weights are random (time does not depend on them), images 224x224. They are exported
as their users would: `torch.onnx.export` for ONNX, `litert_torch` for TFLite. Each file is compared
with torch on a random image in the runtime that will run it, and kept under `build/well_known/`
(about 4 GB); what is there is not made again.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import warnings
from pathlib import Path
from unittest import mock

import numpy as np
import torch

from edgewise_converter.compile.parity import Parity, check_classifier
from edgewise_converter.compile.reference_models import FORMATS

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "build" / "well_known"
NETWORKS = (
    "resnet18",
    "resnet50",
    "resnext50_32x4d",
    "seresnet50",
    "vgg11",
    "vgg16",
    "densenet121",
    "squeezenet_v1_0",
    "squeezenet_v1_1",
    "mobilenet_w1",
    "mobilenetv2_w1",
    "mobilenetv3_large_w1",
    "mobilenetv3_small_w1",
    "shufflenet_g3_w1",
    "shufflenetv2_w1",
    "mnasnet_b1",
    "efficientnet_b0",
    "ghostnet",
    "regnetx004",
    "proxylessnas_cpu",
    "bninception",
    "darknet19",
    "peleenet",
    "preresnet18",
    "hardnet39ds",
)
#: Timed again on the device, in the second round: the 5th, 13th and 21st.
UPDATES = (NETWORKS[4], NETWORKS[12], NETWORKS[20])
IMAGE = (3, 224, 224)
_TOLERANCE = 1e-4


def main() -> None:
    """Export whatever is missing, each in a process of its own.

    In a process that has converted a dozen networks the converter's bindings crashed; some crash
    as they end, when the file is there.
    """
    if sys.argv[1:]:
        name, file_format = sys.argv[1:]
        model_path(name, file_format)
        return
    for name in NETWORKS:
        for file_format in FORMATS:
            path = _path(name, file_format)
            if not path.exists():
                subprocess.run([sys.executable, __file__, name, file_format], check=False)
            if not path.exists():
                sys.exit(f"{name} could not be exported to {file_format}; the reason is above")
            size = path.stat().st_size
            print(f"{name:24} {file_format:7} {size / 1e6:7.1f} MB", flush=True)


def model_path(name: str, file_format: str) -> Path:
    """The file of a network, exported and checked if it is not there.

    Raises:
        ParityError: the file does not compute what torch computes; it is not kept.
    """
    path = _path(name, file_format)
    if not path.exists():
        FOLDER.mkdir(parents=True, exist_ok=True)
        module = build(name)
        with tempfile.TemporaryDirectory(dir=FOLDER) as folder:
            exported = Path(folder) / path.name
            _EXPORTERS[file_format](module, exported)
            for parity in _check(module, exported, file_format):
                print(f"{name} in {parity.runtime}: within {parity.error:.1e} of torch")
            exported.replace(path)
    return path


def _path(name: str, file_format: str) -> Path:
    return FOLDER / f"{name}.{file_format}"


def build(name: str) -> torch.nn.Module:
    """A network of pytorchcv in evaluation mode, its weights random but the same every time."""
    from pytorchcv.model_provider import get_model

    torch.manual_seed(0)
    # RegNet still uses a name that numpy dropped.
    with mock.patch.object(np, "int", int, create=True):
        network: torch.nn.Module = get_model(name, pretrained=False)
    return network.eval()


def _export_onnx(module: torch.nn.Module, path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(module, (_image(),), path, external_data=False, verbose=False)


def _export_tflite(module: torch.nn.Module, path: Path) -> None:
    import litert_torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        litert_torch.convert(module, (_image(),)).export(str(path))


def _image() -> torch.Tensor:
    return torch.randn(1, *IMAGE, generator=torch.Generator().manual_seed(1))


def _check(module: torch.nn.Module, path: Path, file_format: str) -> list[Parity]:
    # litert_torch keeps torch's order of axes, so both files take channels first.
    return check_classifier(
        module,
        {file_format: path.read_bytes()},
        image=IMAGE,
        channels_last=False,
        cases=1,
        tolerance=_TOLERANCE,
    )


_EXPORTERS = {"onnx": _export_onnx, "tflite": _export_tflite}


if __name__ == "__main__":
    main()
