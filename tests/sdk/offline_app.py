"""All three capabilities in a process without network: `python -m tests.sdk.offline_app FIXTURES`.

Calibrates on real timings, shows a classifier pictures and saves it, and asks a zoo within limits
and runs what it finds. All that it keeps lies in EDGEWISE_HOME.
"""

from __future__ import annotations

import sys
from pathlib import Path

from .no_sockets import forbid_sockets

if __name__ == "__main__":
    forbid_sockets()  # before anything else is imported

    import edgewise
    from edgewise.runtimes import available_runtimes
    from edgewise.storage import data_dir

    from ..fixtures.write import CLASSES, pictures

    fixtures = Path(sys.argv[1])
    device = edgewise.calibrate(runtime=available_runtimes()[0], samples=3, progress=False)
    assert device.predict(device.measurements[0].name).ms > 0
    assert edgewise.predict(device.measurements[0].name).ms > 0  # of what was stored
    device.save(data_dir() / "own.profile")

    shown, labels = pictures(0), [CLASSES[at % 3] for at in range(6)]
    classifier = edgewise.FewShotClassifier()
    for picture, label in zip(shown, labels, strict=True):
        classifier.add(label, picture[None])
    assert list(classifier.predict(pictures(1)).label) == labels
    classifier.save(data_dir() / "own.classifier")

    zoo = edgewise.ModelZoo(
        fixtures / "zoo.safetensors", embedder=fixtures / "embedder.safetensors"
    )
    (hit,) = zoo.retrieve(shown, labels, k=1, max_ms=1e9)
    assert len(hit.load("onnxruntime").predict(shown).label) == 6
    own = hit.classifier(shown, labels, runtime="onnxruntime")
    assert len(own.predict(shown).label) == 6
    print("all done")
