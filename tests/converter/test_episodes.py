"""Episodes: what is drawn is determined, within its classes, and never twice the same image."""

from __future__ import annotations

import numpy as np
import pytest

from edgewise.errors import ArgumentError
from edgewise_converter.fewshot.accuracy import accuracies, draw_episodes, interval
from edgewise_converter.fewshot.episodes import EpisodeSampler, EpisodeShape
from edgewise_converter.fewshot.scorers import Floats, cosine, euclidean

SHAPE = EpisodeShape(ways=3, shots=2, queries=4)
ROWS = [np.arange(at * 100, at * 100 + 7 + at) for at in range(8)]


def test_an_episode_is_of_its_classes() -> None:
    sampler = EpisodeSampler(ROWS, SHAPE, seed=1)
    seen = set()
    for number in range(200):
        episode = sampler.draw(number)
        assert episode.shape == (3, 6)
        classes = episode // 100
        assert (classes == classes[:, :1]).all()
        assert len(set(classes[:, 0])) == 3
        assert len(np.unique(episode)) == 18
        seen |= set(episode.ravel().tolist())
    assert seen == set(np.concatenate(ROWS).tolist())


def test_the_number_and_the_seed_determine_an_episode() -> None:
    sampler = EpisodeSampler(ROWS, SHAPE, seed=1)
    again = EpisodeSampler(ROWS, SHAPE, seed=1)
    np.testing.assert_array_equal(sampler.draw(5), again.draw(5))
    assert (sampler.draw(5) != sampler.draw(6)).any()
    assert (sampler.draw(5) != EpisodeSampler(ROWS, SHAPE, seed=2).draw(5)).any()


def test_a_pair_has_no_class_in_common() -> None:
    sampler = EpisodeSampler(ROWS, SHAPE, seed=1)
    for number in range(50):
        first, second = sampler.pair(number)
        assert not set((first // 100).ravel()) & set((second // 100).ravel())
    with pytest.raises(ArgumentError, match="of 3 ways without a common class need 6 classes"):
        EpisodeSampler(ROWS[:5], SHAPE, seed=1).pair(0)


def test_what_cannot_be_drawn_is_refused() -> None:
    for ways, shots, queries, message in (
        (1, 1, 1, "at least 2 ways, not 1"),
        (2, 0, 1, "at least 1 shots, not 0"),
        (2, 1, 0, "at least 1 queries, not 0"),
    ):
        with pytest.raises(ArgumentError, match=message):
            EpisodeShape(ways, shots, queries)
    with pytest.raises(ArgumentError, match="3 ways asked of 2 classes"):
        EpisodeSampler(ROWS[:2], SHAPE, seed=0)
    with pytest.raises(ArgumentError, match=r"class 0 has 7 images, an episode takes 2 \+ 6"):
        EpisodeSampler(ROWS, EpisodeShape(3, 2, 6), seed=0)
    with pytest.raises(ArgumentError, match="3 ways asked of 2 classes"):
        draw_episodes([9, 9], SHAPE, 1, 0)
    with pytest.raises(ArgumentError, match=r"a class has 5 images, an episode takes 2 \+ 4"):
        draw_episodes([9, 5, 9], SHAPE, 1, 0)


def test_episodes_drawn_at_once_are_fair() -> None:
    sizes = [6, 8, 7, 9]
    episodes = draw_episodes(sizes, SHAPE, 4000, seed=3)
    np.testing.assert_array_equal(episodes, draw_episodes(sizes, SHAPE, 4000, seed=3))
    ends = np.cumsum(sizes)
    classes = np.searchsorted(ends, episodes, side="right")
    assert (classes == classes[..., :1]).all()
    assert all(len(set(row)) == 3 for row in classes[..., 0].tolist())
    assert all(len(set(row)) == 18 for row in episodes.reshape(4000, -1).tolist())
    assert np.bincount(classes[..., 0].ravel()) / 4000 == pytest.approx([0.75] * 4, abs=0.03)
    # every image is as often labelled as any other of its class
    labelled = np.bincount(episodes[..., :2].ravel(), minlength=sum(sizes)) / 4000
    expected = np.repeat([0.75 * 2 / size for size in sizes], sizes)
    assert labelled == pytest.approx(expected, abs=0.035)


def slow_accuracy(features: Floats, episode: np.ndarray, kind: str) -> float:
    """One query after another, as the papers write it."""
    right = []
    for truth, row in enumerate(episode):
        for query in row[SHAPE.shots :]:
            scores = []
            for other in episode:
                labelled = features[other[: SHAPE.shots]].astype(np.float64)
                if kind == "cosine":
                    labelled = labelled / np.linalg.norm(labelled, axis=1, keepdims=True)
                mean, asked = labelled.mean(0), features[query].astype(np.float64)
                if kind == "cosine":
                    scores.append(mean @ asked / np.linalg.norm(mean) / np.linalg.norm(asked))
                else:
                    scores.append(-((mean - asked) ** 2).sum())
            right.append(int(np.argmax(scores)) == truth)
    return float(np.mean(right))


@pytest.mark.parametrize(("kind", "scorer"), [("euclidean", euclidean), ("cosine", cosine)])
def test_accuracy_is_that_of_a_slow_twin(kind: str, scorer: object) -> None:
    generator = np.random.default_rng(0)
    means = generator.normal(size=(4, 6)).repeat(8, 0)
    features = (means + generator.normal(0, 1.2, (32, 6))).astype(np.float32)
    episodes = draw_episodes([8] * 4, SHAPE, 30, seed=0)
    found = accuracies(features, episodes, SHAPE, scorer)  # type: ignore[arg-type]
    assert found.tolist() == [slow_accuracy(features, each, kind) for each in episodes]
    assert 0.4 < found.mean() < 0.9


def test_the_interval_holds_the_mean() -> None:
    values = np.array([0.2, 0.4, 0.6, 0.8])
    found = interval(values)
    assert found.mean == 0.5
    assert found.half == pytest.approx(1.96 * 0.258199 / 2, rel=1e-5)
    generator = np.random.default_rng(0)
    held = [
        abs(each.mean - 0.5) < each.half
        for each in (interval(generator.random(200)) for _ in range(1000))
    ]
    assert np.mean(held) == pytest.approx(0.95, abs=0.02)
