"""Few-shot learning on the host: episodes, learners, L2G, training and scoring.

ProtoNet and RelationNet over Conv4, plain or bilevel (L2G), and what scores any embedder. Image
sets are read in ``images``; compilation for devices is in ``compile``.
"""
