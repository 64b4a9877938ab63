"""How well the embeddings of unseen classes cluster, in numbers and in a picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewise.storage import write_atomic
from edgewise_converter.fewshot.embedding import Embedded
from edgewise_converter.fewshot.scorers import Floats

_PER_CLASS = 100
_SHOWN = 5


@dataclass(frozen=True)
class ClusterQuality:
    """Quality of clusters that are the classes.

    Attributes:
        silhouette: mean over the images (Rousseeuw 1987), -1 to 1, by Euclidean distance.
        intra: mean distance of an image to the centre of its class.
        inter: mean distance between the centres of two classes.
    """

    silhouette: float
    intra: float
    inter: float

    @property
    def ratio(self) -> float:
        """Distance within classes per distance between them: the less the better."""
        return self.intra / self.inter


def cluster_quality(embedded: Embedded, seed: int = 0) -> ClusterQuality:
    """Measure the clusters of some classes, on up to 100 images of each.

    Args:
        embedded: of two classes or more.
        seed: of the choice of images.
    """
    from sklearn.metrics import silhouette_score

    features, labels = _some(embedded, len(embedded.sizes), seed)
    classes = range(len(embedded.sizes))
    centres = np.stack([features[labels == each].mean(0) for each in classes])
    within = np.linalg.norm(features - centres[labels], axis=1).mean()
    apart = np.linalg.norm(centres[:, None] - centres, axis=2)
    between = apart[np.triu_indices(len(centres), 1)].mean()
    return ClusterQuality(float(silhouette_score(features, labels)), float(within), float(between))


def draw_tsne(
    path: Path, embedded: Mapping[str, Embedded], classes: tuple[str, ...], seed: int = 0
) -> None:
    """Draw t-SNE maps (van der Maaten & Hinton 2008) of five classes, one a model, side by side.

    Args:
        path: of the picture, a PNG.
        embedded: of each model, the same images.
        classes: names of the classes.
        seed: of the choice of images and of the maps.

    Raises:
        StorageError: the picture could not be written.
    """
    import io

    from matplotlib.figure import Figure
    from sklearn.manifold import TSNE

    figure = Figure(figsize=(5 * len(embedded), 5), layout="constrained")
    axes: Any = figure.subplots(1, len(embedded), squeeze=False)[0]
    for axis, (name, each) in zip(axes, embedded.items(), strict=True):
        features, labels = _some(each, min(_SHOWN, len(classes)), seed)
        places = TSNE(random_state=seed, init="pca").fit_transform(features)
        for label in np.unique(labels):
            axis.scatter(*places[labels == label].T, s=8, label=classes[label])
        axis.set(title=name, xticks=[], yticks=[])
    axes[-1].legend(loc="best", fontsize="small")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=100)
    write_atomic(path, buffer.getvalue())


def _some(embedded: Embedded, classes: int, seed: int) -> tuple[Floats, NDArray[np.int64]]:
    """Embeddings and labels of up to 100 images of each of the first classes."""
    generator = np.random.default_rng(seed)
    labels = embedded.labels
    chosen = [
        generator.permutation(np.flatnonzero(labels == each))[:_PER_CLASS]
        for each in range(classes)
    ]
    rows = np.concatenate(chosen)
    return embedded.features[rows], labels[rows]
