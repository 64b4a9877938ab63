"""Few-shot classification: classes learnt a moment ago from a few pictures, in an app.

Here live the classifier, the embedder that it runs, its file, and how pictures are taken. The head
is the core's (`native/include/edgewise/prototypes.hpp`); training and compiling are the host's.
"""

from __future__ import annotations

from .classifier import Classification, FewShotClassifier

__all__ = ["Classification", "FewShotClassifier"]
