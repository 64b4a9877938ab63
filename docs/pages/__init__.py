"""Makes the site: docs/ and what is generated beside it, into static pages that need no network.

Here live the pages that are written from something else, so that they cannot drift from it: the
references, the benchmarks, the model cards. Prose is in docs/*.md; `python -m pages OUTPUT` builds.
"""
