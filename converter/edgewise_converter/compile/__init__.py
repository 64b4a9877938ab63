"""From torch to files: ONNX and TFLite models, checked in every runtime, and latency bundles.

What is compiled comes from the capabilities (``latency``) and ``spaces``; nothing here trains or
measures.
"""
