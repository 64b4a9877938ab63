"""Torch builders of the networks of each search space.

What an architecture *is* (parsing, encoding, lowering) is the core's, in ``edgewise.spaces``;
here it becomes a network that can be run and exported.
"""
