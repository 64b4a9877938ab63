"""Retrieval: the pretrained network of a zoo that suits pictures and a device's milliseconds.

Here live the zoo's file as a device reads it, the question that is asked of it and its networks at
work. How fast a network is here, latency says; the zoo is trained and compiled on the host.
"""

from __future__ import annotations

from .entry import Entry
from .hits import Hit, Hits
from .network import Answer, ZooNetwork
from .zoo import ModelZoo

__all__ = ["Answer", "Entry", "Hit", "Hits", "ModelZoo", "ZooNetwork"]
