"""What an embedder is finished and judged with: set on validation classes, never on test classes.

* The finish (root, centre) is the one with which validation episodes go best.
* The temperature makes softmax(temperature × cosine) a probability: least negative log likelihood
  (Guo et al. 2017, arXiv 1706.04599, section 4.2), of episodes with five pictures a class.
* A picture is of no known class when its best cosine, less what ``background`` takes off, is below
  a threshold: the one at which known pictures kept and unknown ones rejected are most in the mean,
  with five known and five unknown classes of five pictures each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgewise_converter.fewshot.accuracy import accuracies, draw_episodes
from edgewise_converter.fewshot.episodes import EpisodeShape
from edgewise_converter.fewshot.scorers import Floats, Scorer, cosine

Doubles = NDArray[np.float64]

_WAYS, _QUERIES, _SHOTS = 5, 15, (1, 5)
_EPISODES, _SEED = 1000, 11
_SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)  # of the centre that are tried
_BINS = 15
_CHUNK = 50  # episodes at a time
_TEMPERATURES = np.geomspace(1.0, 200.0, 160)


@dataclass(frozen=True)
class Part:
    """Embeddings of the pictures of some classes of a benchmark, class after class.

    Attributes:
        features: (N, D).
        sizes: how many are of each class.
    """

    features: Floats
    sizes: Sequence[int]


@dataclass(frozen=True)
class Finish:
    """See ``FinishedEmbedder``.

    Attributes:
        root: take square roots.
        centre: (D) to subtract.
    """

    root: bool
    centre: Floats

    def apply(self, features: Floats) -> Floats:
        """(N, D) to the same."""
        return (np.sqrt(features) if self.root else features) - self.centre


def full_cosine(labelled: Floats, queries: Floats) -> Floats:
    """Cosines to the mean of a class's directions, lengths of queries and all; see ``scorers``."""
    lengths = np.linalg.norm(queries, axis=-1, keepdims=True)
    return cosine(labelled, queries / np.maximum(lengths, 1e-12))


def finishes(base: Floats) -> dict[str, Finish]:
    """The finishes there are, by name.

    Args:
        base: (N, D) unfinished embeddings of training pictures.
    """
    found = {}
    for root in (False, True):
        mean = (np.sqrt(base) if root else base).mean(0)
        for share in _SHARES:
            name = f"{'root, ' if root else ''}centre × {share:g}"
            found[name] = Finish(root, (share * mean).astype(np.float32))
    return found


def choose_finish(
    candidates: Mapping[str, Finish], parts: Sequence[Part]
) -> tuple[str, dict[str, float]]:
    """The name of the best one, and the mean accuracy of each over parts and shots; percent."""
    found = {}
    for name, finish in candidates.items():
        finished = [Part(finish.apply(part.features), part.sizes) for part in parts]
        found[name] = float(np.mean([accuracy(p, shots) for p in finished for shots in _SHOTS]))
    return max(found, key=lambda name: found[name]), found


def accuracy(part: Part, shots: int) -> float:
    """Of 5-way episodes, percent."""
    shape = EpisodeShape(_WAYS, shots, _QUERIES)
    episodes = draw_episodes(part.sizes, shape, _EPISODES, _SEED)
    return float(100 * accuracies(part.features, episodes, shape, cosine).mean())


def known_scores(
    part: Part, shots: int, episodes: int = _EPISODES, rate: Scorer = full_cosine
) -> tuple[Doubles, Doubles]:
    """Scores of queries of known and of unknown classes against five known ones.

    Args:
        part: embeddings of ten classes or more.
        shots: labelled pictures of each known class.
        episodes: how many.
        rate: gives the scores, as the head on the device does.

    Returns:
        (E, 5 × 15, 5) of queries of the known classes, class after class; and as many of five
        others.
    """
    shape = EpisodeShape(2 * _WAYS, shots, _QUERIES)
    drawn = draw_episodes(part.sizes, shape, episodes, _SEED)
    known: list[Doubles] = []
    unknown: list[Doubles] = []
    for at in range(0, episodes, _CHUNK):
        chunk = part.features[drawn[at : at + _CHUNK]]
        labelled, queries = chunk[:, :_WAYS, :shots], chunk[:, :, shots:]
        for found, asked in ((known, queries[:, :_WAYS]), (unknown, queries[:, _WAYS:])):
            flat = asked.reshape(len(asked), -1, asked.shape[-1])
            found.append(rate(labelled, flat).astype(np.float64))
    return np.concatenate(known), np.concatenate(unknown)


def fit_temperature(scores: Sequence[Doubles]) -> float:
    """The temperature with the least negative log likelihood, the same weight for each array.

    Args:
        scores: each (E, ways × queries, ways) cosines, class after class.
    """
    losses = [
        np.mean([_log_loss(each, temperature) for each in scores]) for temperature in _TEMPERATURES
    ]
    return float(_TEMPERATURES[int(np.argmin(losses))])


def calibration_error(scores: Doubles, temperature: float) -> float:
    """Expected calibration error (Naeini et al. 2015): 15 bins of the best class's probability."""
    shares = _softmax(temperature * scores)
    best = shares.max(-1).ravel()
    right = (shares.argmax(-1) == _truth(scores)).ravel()
    bins = np.minimum((best * _BINS).astype(np.int64), _BINS - 1)
    gaps = [
        (bins == at).mean() * abs(best[bins == at].mean() - right[bins == at].mean())
        for at in range(_BINS)
        if (bins == at).any()
    ]
    return float(np.sum(gaps))


def auroc(known: Doubles, unknown: Doubles) -> float:
    """Chance that a known picture's best score is above an unknown one's; ties count half."""
    inside, outside = known.max(-1).ravel(), unknown.max(-1).ravel()
    order = np.sort(outside)
    below = np.searchsorted(order, inside, "left") + np.searchsorted(order, inside, "right")
    return float(below.mean() / 2 / len(order))


def fit_threshold(pairs: Sequence[tuple[Doubles, Doubles]]) -> float:
    """The threshold with the highest mean of known pictures kept and unknown ones rejected.

    Args:
        pairs: scores of known and of unknown queries, the same weight for each pair.
    """
    candidates = np.linspace(-1, 1, 2001)
    total = np.zeros(len(candidates))
    for known, unknown in pairs:
        kept = 1 - _share_below(known, candidates)
        total += kept + _share_below(unknown, candidates)
    return float(candidates[int(np.argmax(total))])


def kept_and_rejected(known: Doubles, unknown: Doubles, threshold: float) -> tuple[float, float]:
    """Share of known pictures kept, and of unknown ones rejected."""
    at = np.array([threshold])
    return float(1 - _share_below(known, at)[0]), float(_share_below(unknown, at)[0])


def _share_below(scores: Doubles, candidates: Doubles) -> Doubles:
    best = np.sort(scores.max(-1).ravel())
    shares: Doubles = np.searchsorted(best, candidates, "left") / len(best)
    return shares


def _truth(scores: Doubles) -> NDArray[np.int64]:
    return np.repeat(np.arange(scores.shape[2]), scores.shape[1] // scores.shape[2])


def _softmax(logits: Doubles) -> Doubles:
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    shares: Doubles = powers / powers.sum(-1, keepdims=True)
    return shares


def _log_loss(scores: Doubles, temperature: float) -> float:
    shares = _softmax(temperature * scores)
    right = shares[:, np.arange(shares.shape[1]), _truth(scores)]
    return float(-np.log(np.maximum(right, 1e-12)).mean())
