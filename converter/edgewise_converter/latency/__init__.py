"""Latency on the host: tables of timings, meta-training of both predictors, and their scoring.

HELP and its kin are here in torch, beside the baselines; the ``edgewise`` predictor itself is the
core's, and only its prior is learnt here. Compiled graphs are made in ``compile``.
"""
