"""The host: trains, evaluates and compiles what a device needs (torch, onnx, litert-torch).

Here live loaders of measurements, meta-training, scoring, and compilation into a bundle. What runs
on a device does not: that is ``edgewise``, which this package builds on and never the reverse.
"""
