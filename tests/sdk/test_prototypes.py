"""The prototype head against a twin that keeps every example and computes everything anew."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from numpy.typing import ArrayLike, NDArray

from edgewise import _core
from edgewise.errors import ArgumentError

from .test_nearest import index
from .test_nearest import twin as nearest_twin

METRICS = ["cosine", "euclidean"]
DIM = 37


class Twin:
    """Snell et al. 2017, section 2.2, in float64: the mean of the examples, then the distance."""

    def __init__(self, metric: str) -> None:
        self.metric = metric
        self.examples: dict[str, list[NDArray[np.float64]]] = {}

    def add(self, label: str, embeddings: NDArray[np.float32]) -> None:
        self.examples.setdefault(label, []).extend(embeddings.astype(np.float64))

    def scores(self, queries: NDArray[np.float32]) -> NDArray[np.float64]:
        q = queries.astype(np.float64)
        if self.metric == "euclidean":
            means = np.array([np.mean(each, axis=0) for each in self.examples.values()])
            return np.asarray(-((q[:, None] - means) ** 2).sum(axis=2))
        means = np.array([np.mean(unit(np.array(each)), axis=0) for each in self.examples.values()])
        return np.asarray(unit(q) @ unit(means).T)

    def probabilities(self, scores: NDArray[np.float64], temperature: float) -> NDArray[np.float64]:
        powers = np.exp(temperature * (scores - scores.max(axis=1, keepdims=True)))
        return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def unit(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))


def embeddings(count: int, seed: int, dim: int = DIM) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal((count, dim)).astype(np.float32)


@pytest.fixture(params=METRICS)
def metric(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def filled(metric: str) -> tuple[_core.Prototypes, Twin]:
    """Six classes of one to six examples, added in turns, one removed, one removed and back."""
    classes, twin = _core.Prototypes(DIM, metric), Twin(metric)
    for turn in range(6):
        for at in range(turn, 6):
            few = embeddings(1 + turn % 2, 10 * turn + at) + at
            classes.add(f"class {at}", few)
            twin.add(f"class {at}", few)
    for label in ("class 1", "class 3"):
        assert classes.remove(label)
        del twin.examples[label]
    again = embeddings(2, 99)
    classes.add("class 1", again)
    twin.add("class 1", again)
    return classes, twin


def test_scores_are_the_twin_s(metric: str) -> None:
    classes, twin = filled(metric)
    queries = embeddings(50, 7)
    labels, scores = classes.score(queries)
    assert labels == classes.labels == list(twin.examples)
    assert labels == ["class 0", "class 2", "class 4", "class 5", "class 1"]
    np.testing.assert_allclose(scores, twin.scores(queries), rtol=1e-6, atol=1e-6)
    one_by_one = np.concatenate([classes.score(query[None])[1] for query in queries])
    assert np.array_equal(scores, one_by_one)


def test_judgements_are_the_twin_s(metric: str) -> None:
    classes, twin = filled(metric)
    _, scores = classes.score(embeddings(50, 8))
    temperature, threshold = 3.5, float(np.median(scores.max(axis=1)))
    best, probability, unknown, probabilities = _core.judge(scores, temperature, threshold)
    expected = twin.probabilities(scores, temperature)
    np.testing.assert_allclose(probabilities, expected, rtol=1e-12)
    assert np.array_equal(best, scores.argmax(axis=1))
    assert np.array_equal(probability, probabilities[np.arange(50), best])
    assert np.array_equal(unknown, scores.max(axis=1) < threshold)
    assert unknown.sum() == 25


def test_classifying_is_scoring_and_judging(metric: str) -> None:
    classes, _ = filled(metric)
    queries = embeddings(50, 8)
    labels, scores = classes.score(queries)
    threshold = float(np.median(scores.max(axis=1)))
    best, probability, unknown, _ = _core.judge(scores, 3.5, threshold)
    expected = ([labels[at] for at in best], probability.tolist(), unknown.tolist())
    assert classes.classify(queries, 3.5, threshold) == expected
    assert classes.classify(queries[:0], 3.5, threshold) == ([], [], [])
    assert _core.Prototypes(DIM, metric).classify(queries, 3.5, threshold) is None


@pytest.mark.parametrize(("share", "nearest"), [(0.7, 10), (0.3, 1), (0.99, 25), (0.0, 5)])
def test_the_background_is_taken_off_the_best_score(share: float, nearest: int) -> None:
    classes, twin = filled("cosine")
    rows, scales = index(25, DIM, 4)
    background = _core.Background(rows, scales, share, nearest)
    queries = 3 * embeddings(50, 8)
    expected = np.array([share * nearest_twin(rows, scales, q, nearest)[1].mean() for q in queries])
    levels = background.level(queries)
    np.testing.assert_allclose(levels, expected, rtol=1e-6, atol=1e-7)
    # And what the directions themselves say, but for 8 bits.
    cosines = np.sort(unit(queries.astype(float)) @ (rows * scales[:, None].astype(float)).T)
    np.testing.assert_allclose(levels, share * cosines[:, -nearest:].mean(axis=1), atol=0.01)

    judged = twin.scores(queries).max(axis=1) - expected
    threshold = float(np.sort(judged)[19:21].mean())
    plain, found = (classes.classify(queries, 3.5, threshold, each) for each in (None, background))
    assert plain is not None
    assert found is not None
    assert found[:2] == plain[:2]  # labels and probabilities are of the classes alone
    assert found[2] == (judged < threshold).tolist()
    assert sum(found[2]) == 20
    assert (found[2] == plain[2]) == (share == 0)


def test_a_background_that_cannot_be() -> None:
    rows, scales = index(4, DIM, 1)
    bad: list[tuple[tuple[object, ...], str]] = [
        ((rows.astype(np.int16), scales, 0.5, 1), "int8 of shape"),
        ((rows[0], scales, 0.5, 1), "int8 of shape"),
        ((rows, scales.astype(np.float64), 0.5, 1), "float32 scales"),
        ((rows, scales[:3], 0.5, 1), "float32 scales"),
        ((rows, scales * 2, 0.5, 1), "direction 0 .* not of unit length"),
        ((rows, np.where(scales == scales[2], np.nan, scales), 0.5, 1), "direction 2"),
        ((rows, scales, 1.0, 1), "share"),
        ((rows, scales, np.nan, 1), "share"),
        ((rows, scales, 0.5, 0), "has no 0 nearest"),
        ((rows, scales, 0.5, 5), "has no 5 nearest"),
    ]
    for arguments, message in bad:
        with pytest.raises(ArgumentError, match=message):
            _core.Background(*arguments)  # type: ignore[arg-type]
    background = _core.Background(rows, scales, 0.5, 2)
    with pytest.raises(ArgumentError, match=r"shape \(N, 37\) here"):
        background.level(embeddings(1, 0, 36))
    with pytest.raises(ArgumentError, match="not finite"):
        background.level(np.full((1, DIM), np.nan))
    distances = _core.Prototypes(DIM, "euclidean")
    distances.add("a", embeddings(1, 0))
    wider = _core.Prototypes(DIM + 1, "cosine")
    wider.add("a", embeddings(1, 0, DIM + 1))
    for classes in (distances, wider):
        with pytest.raises(ArgumentError, match="background is of 37 numbers and for cosines"):
            classes.classify(embeddings(1, 0, classes.dim), 1.0, 0.0, background)


def test_examples_one_by_one_are_examples_at_once(metric: str) -> None:
    at_once, one_by_one = _core.Prototypes(DIM, metric), _core.Prototypes(DIM, metric)
    examples = 1e3 * embeddings(200, 1) + 1e4
    at_once.add("a", examples)
    for example in examples:
        one_by_one.add("a", example[None])
    assert np.array_equal(at_once.snapshot()[2], one_by_one.snapshot()[2])


def test_a_snapshot_restores(metric: str) -> None:
    classes, _ = filled(metric)
    labels, examples, sums = classes.snapshot()
    assert labels == classes.labels
    assert examples.tolist() == [1, 4, 7, 9, 2]
    same = _core.Prototypes.restore(metric, labels, examples, sums)
    queries = embeddings(9, 3)
    assert np.array_equal(same.score(queries)[1], classes.score(queries)[1])
    assert (same.dim, same.metric) == (DIM, metric)


def test_far_from_the_origin_distances_keep_their_digits() -> None:
    """|q|^2 - 2 q.p + |p|^2 in float32 would leave none."""
    classes = _core.Prototypes(DIM, "euclidean")
    classes.add("a", np.full((1, DIM), 1e4, np.float32))
    _, scores = classes.score(np.full((1, DIM), 1e4 + 0.25, np.float32))
    assert scores[0, 0] == -DIM * 0.0625


def test_no_classes_and_no_embeddings(metric: str) -> None:
    classes = _core.Prototypes(DIM, metric)
    labels, scores = classes.score(embeddings(3, 0))
    assert (labels, scores.shape) == ([], (3, 0))
    with pytest.raises(ArgumentError, match="there is no class to choose from"):
        _core.judge(scores, 1.0, 0.0)
    classes.add("a", embeddings(1, 0))
    _, scores = classes.score(embeddings(0, 0))
    assert scores.shape == (0, 1)
    assert [part.shape for part in _core.judge(scores, 1.0, 0.0)] == [(0,), (0,), (0,), (0, 1)]


def test_adding_while_asking(metric: str) -> None:
    """Answers are of whole classes: labels and scores agree, whatever other threads do."""
    classes = _core.Prototypes(DIM, metric)
    example = embeddings(1, 0)
    classes.add("stays", example)
    stop, faults = threading.Event(), list[str]()

    def change() -> None:
        while not stop.is_set():
            classes.add("comes and goes", -example)
            classes.remove("comes and goes")

    threads = [threading.Thread(target=change) for _ in range(2)]
    for thread in threads:
        thread.start()
    for _ in range(2000):
        labels, scores = classes.score(example)
        near = dict(zip(labels, scores[0], strict=True))
        if near["stays"] < near.get("comes and goes", -1e9) or len(near) > 2:
            faults.append(f"{near}")
    stop.set()
    for thread in threads:
        thread.join()
    assert faults == []


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda c: c.add("a", embeddings(0, 0)), "class 'a' is given no examples"),
        (lambda c: c.add("a", embeddings(2, 0, 36)), r"shape \(N, 37\) here"),
        (lambda c: c.add("a", embeddings(2, 0)[0]), r"shape \(N, 37\) here"),
        (lambda c: c.add("a", np.full((1, DIM), np.nan)), "embedding 0 is not finite"),
        (lambda c: c.add("a", np.zeros((1, DIM))), "embedding 0 is zero"),
        (lambda c: c.score(np.full((1, DIM), np.inf)), "embedding 0 is not finite"),
        (lambda c: c.score(embeddings(2, 0, 36)), r"shape \(N, 37\) here"),
        (lambda _: _core.Prototypes(DIM, "manhattan"), "the metrics are cosine and euclidean"),
        (lambda _: _core.Prototypes(0, "cosine"), "at least one value"),
        (lambda _: _core.judge(np.zeros(3), 1.0, 0.0), r"shape \(N, C\)"),
        (lambda _: _core.judge([[np.nan]], 1.0, 0.0), "score 0 is not finite"),
        (lambda _: _core.judge([[1.0]], -1.0, 0.0), "temperature must be"),
        (lambda _: _core.judge([[1.0]], np.inf, 0.0), "temperature must be"),
        (lambda _: _core.judge([[1.0]], 1.0, np.nan), "threshold of the unknown"),
    ],
)
def test_bad_input(call: object, message: str) -> None:
    classes = _core.Prototypes(DIM, "cosine")
    assert callable(call)
    with pytest.raises(ArgumentError, match=message):
        call(classes)
    assert classes.labels == []


@pytest.mark.parametrize(
    ("labels", "examples", "sums", "message"),
    [
        (["a", "a"], [1, 1], np.ones((2, 3)), "class 'a' occurs twice"),
        (["a"], [0], np.ones((1, 3)), "class 'a' has no examples"),
        (["a"], [-5], np.ones((1, 3)), "class 'a' has no examples"),
        (["a"], [1], np.full((1, 3), np.inf), "sum that is not finite"),
        (["a"], [1, 1], np.ones((1, 3)), "differ in number"),
        (["a", "b"], [1, 1], np.ones((1, 3)), "differ in number"),
        (["a"], [1], np.ones((1, 0)), "at least one value"),
    ],
)
def test_what_cannot_be_restored(
    labels: list[str], examples: ArrayLike, sums: ArrayLike, message: str
) -> None:
    with pytest.raises(ArgumentError, match=message):
        _core.Prototypes.restore("cosine", labels, examples, sums)
