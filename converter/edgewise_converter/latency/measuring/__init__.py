"""Measuring more: time architectures of a space on one device and write a table of timings.

Here live the choice of architectures, the timers (a runtime on this machine, or any command), and
the table that grows. How an honest latency is taken is `edgewise.measure`; learning is elsewhere.
"""
