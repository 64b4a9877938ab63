"""Which scorer goes with a learner."""

from __future__ import annotations

from edgewise_converter.fewshot.learner import Learner
from edgewise_converter.fewshot.relation import RelationHead
from edgewise_converter.fewshot.scorers import Scorer, euclidean, relation


def scorer_of(learner: Learner) -> Scorer:
    """Rates queries as the learner does, on its flattened embeddings."""
    if isinstance(learner.head, RelationHead):
        return relation(learner.head)
    return euclidean
