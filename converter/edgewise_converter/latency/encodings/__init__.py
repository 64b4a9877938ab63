"""What the host's predictors read of an architecture, one file a space, behind ``encoding``.

HELP's own inputs and the columns of the linear baselines; the features of the edgewise predictor
are the core's.
"""
