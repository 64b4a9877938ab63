"""What HELP and edgewise are printed beside, all on the same reference timings where they can be.

Without meta-training: FLOPs, the training device that is most alike, ridge regression. With it:
MAML and Meta-SGD. Listed apart, since they time more of the target: BRP-NAS and the ceiling.
"""
