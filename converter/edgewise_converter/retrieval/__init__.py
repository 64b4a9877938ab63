"""Retrieval: data sets as tasks, the supernet from which a zoo's networks are cut, and the zoo.

Here live what is learnt and built on the host. Loading images is in ``images``; embedding them is
fewshot's; what milliseconds a network takes is for latency to say, on the device that asks.
"""
