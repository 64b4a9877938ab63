"""How fast the latency predictor is, beside the same HELP computation in PyTorch in the same run.

    python benchmarks/speed.py

One thread. Adapts to ten timings and predicts all 15,625 NAS-Bench-201 networks from strings,
parsing and intervals included, nothing cached; and a million once-for-all networks from an array of
codes. HELP adapts ten draws of z at once, no gradients for the predictions, from graphs that are
already encoded; its own training episode is timed beside the plain loop over devices. Runs of the
two are interleaved, and medians are printed.

Needs `edgewise[converter]`; builds the wheel to weigh it. Writes `docs/results/speed.json`.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from interleaved import medians_ms

import edgewise as sdk
from edgewise.latency.predictor import load_predictor, open_bundle
from edgewise.spaces import get_space
from edgewise_converter.latency.encodings.registry import help_inputs
from edgewise_converter.latency.help_predictor import DRAWS, predict_scaled, standard_noise
from edgewise_converter.latency.meta_training import (
    Batch,
    Learner,
    TrainingConfig,
    meta_loss,
    meta_loss_loop,
)
from edgewise_converter.latency.protocols import Scaling, Target

ROOT = Path(__file__).resolve().parent.parent
SAMPLES = 10


def main() -> None:
    """Time everything, print a table, write the JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=15, help="interleaved rounds (15)")
    parser.add_argument("--output", type=Path, default=ROOT / "docs/results/speed.json")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    predicting = _predicting(arguments.rounds)
    result = {
        "command": "python benchmarks/speed.py",
        "machine": platform.processor() or platform.machine(),
        "threads": 1,
        "rounds": arguments.rounds,
        **predicting,
        "help_over_edgewise": predicting["help_torch_adapt_and_predict_all_ms"]
        / (predicting["adapt_ms"] + predicting["predict_all_ms"]),
        **_millions(max(3, arguments.rounds // 3)),
        **_training(max(3, arguments.rounds // 3)),
        **_footprint(arguments.rounds),
        "wheel_bytes": _wheel_bytes(),
    }
    for name, value in result.items():
        print(f"{name:42} {value:.4g}" if isinstance(value, float) else f"{name:42} {value}")
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(json.dumps(result, indent=1) + "\n")


def _predicting(rounds: int) -> dict[str, float]:
    space = get_space("nasbench201")
    archs = space.architectures()
    cost = {arch: 1.0 + 1e-7 * space.flops(arch) for arch in archs}
    with tempfile.TemporaryDirectory() as home:
        os.environ["EDGEWISE_HOME"] = home
        device = sdk.calibrate(
            "nasbench201", samples=SAMPLES, measure=cost.__getitem__, progress=False
        )
    timed = [measurement.name for measurement in device.measurements]
    ms = np.array([cost[arch] for arch in timed])
    predictor = load_predictor("edgewise", open_bundle("nasbench201"), "auto")

    learner = Learner.create(TrainingConfig(seed=0))
    cells, noise = (
        help_inputs(space, space.encode(archs)),
        standard_noise(DRAWS, TrainingConfig().network.latent_size, 0),
    )
    at = np.array([archs.index(arch) for arch in timed])
    scaling = Scaling(float(ms.min()), float(ms.max()))
    target = Target("this", at, ms, at, ms, scaling, np.arange(len(archs)))

    def one_by_one() -> None:
        predict = device.predict
        for arch in archs:
            predict(arch)

    medians = medians_ms(
        rounds,
        {
            "adapt_ms": lambda: predictor.adapt(timed, ms),
            "predict_all_ms": lambda: device.predict(archs),
            "one_by_one": one_by_one,
            "help_torch_adapt_and_predict_all_ms": lambda: predict_scaled(
                learner, cells, target, noise
            ),
        },
    )
    medians["predict_one_us"] = 1e3 * medians.pop("one_by_one") / len(archs)
    return medians


def _millions(rounds: int) -> dict[str, float]:
    """Seconds for arrays of once-for-all codes, with intervals; linear when the two agree."""
    space = get_space("ofa")
    with tempfile.TemporaryDirectory() as home:
        os.environ["EDGEWISE_HOME"] = home
        device = sdk.calibrate(
            "ofa", measure=lambda arch: 1.0 + 1e-8 * space.flops(arch), progress=False
        )
    codes = space.draw(1_000_000, 0)
    medians = medians_ms(
        rounds,
        {
            "ofa_million_seconds": lambda: device.predict(codes),
            "ofa_tenth_of_a_million_times_ten_seconds": lambda: device.predict(codes[:100_000]),
        },
    )
    million, tenth = medians.values()
    return dict(zip(medians, (million / 1e3, 10 * tenth / 1e3), strict=True))


def _training(rounds: int) -> dict[str, float]:
    """Seconds of forward and backward of a meta-batch: 8 devices, 10 samples, 200 queries."""
    config = TrainingConfig(seed=0)
    learner = Learner.create(config)
    leaves = [tensor.requires_grad_() for tensor in learner.tensors().values()]
    space = get_space("nasbench201")
    generator = torch.Generator().manual_seed(0)
    cells = help_inputs(space, space.encode(space.architectures()[:: 15625 // 210][:210]))

    def devices(cell: torch.Tensor) -> torch.Tensor:
        return cell.expand(config.devices, *cell.shape)

    def uniform(*shape: int) -> torch.Tensor:
        return torch.rand(config.devices, *shape, generator=generator)

    batch = Batch(
        uniform(10), devices(cells[:, :10]), uniform(10), devices(cells[:, 10:]), uniform(200),
        torch.randn(config.devices, config.network.latent_size, generator=generator),
    )  # fmt: skip

    def episode(loss: Callable[[Learner, Batch, float], torch.Tensor]) -> Callable[[], object]:
        weight = config.kl_weight
        return lambda: torch.autograd.grad(loss(learner, batch, weight), leaves, allow_unused=True)

    medians = medians_ms(rounds, {"all": episode(meta_loss), "loop": episode(meta_loss_loop)})
    return {
        "train_episode_seconds": medians["all"] / 1e3,
        "train_episode_plain_loop_seconds": medians["loop"] / 1e3,
    }


def _footprint(rounds: int) -> dict[str, float]:
    """What a process that imports edgewise and adapts costs, beside one that imports numpy."""
    script = (
        "import time, numpy\n"
        "resident = lambda: int(open('/proc/self/statm').read().split()[1]) * 4096\n"
        "before, start = resident(), time.perf_counter()\n"
        "import edgewise\n"
        "imported = time.perf_counter() - start\n"
        "from edgewise.latency.predictor import load_predictor, open_bundle\n"
        "predictor = load_predictor('edgewise', open_bundle('nasbench201'), 'auto')\n"
        "predictor.adapt(predictor.references[:10], numpy.arange(1.0, 11.0))\n"
        "ready = time.perf_counter() - start\n"
        "print(imported, ready, resident() - before)\n"
    )
    runs = list(zip(*(_numbers(script) for _ in range(rounds)), strict=True))
    imported, ready, resident = (statistics.median(values) for values in runs)
    return {
        "import_ms_above_numpy": 1e3 * imported,
        "import_load_and_adapt_ms_above_numpy": 1e3 * ready,
        "resident_bytes_above_numpy": resident,
    }


def _numbers(script: str) -> list[float]:
    output = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    ).stdout
    return [float(word) for word in output.split()]


def _wheel_bytes() -> int:
    with tempfile.TemporaryDirectory() as folder:
        command: list[Any] = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps"]
        subprocess.run([*command, "--wheel-dir", folder, ROOT], check=True)
        return next(Path(folder).glob("*.whl")).stat().st_size


if __name__ == "__main__":
    main()
