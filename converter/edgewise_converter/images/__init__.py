"""Sets of labelled images: where they are read, decoded once, and split by class.

Parquet files, folders of folders, and the layouts in which mini- and tiered-ImageNet are handed
around. Nothing here knows what is learnt from the images; episodes are drawn in ``fewshot``.
"""
