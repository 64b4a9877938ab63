"""What the sources of the image sets state, and which sets weights that ship may have learnt from.

Permissive, or a standard research set: the rule of this project. The notes go into model cards.
"""

from __future__ import annotations

from collections.abc import Iterable

_RESEARCH = "no licence stated, standard research set"
_NOTES = {
    "cifar10": f"CIFAR-10 (Krizhevsky 2009): {_RESEARCH}",
    "cifar100": f"CIFAR-100 (Krizhevsky 2009): {_RESEARCH}",
    "miniimagenet": "mini-ImageNet (ImageNet): research use",
    "omniglot": "Omniglot (Lake et al. 2015): MIT",
    "groceries": "groceries: MIT",
    "handwritten_digits_mnist": "handwritten digits (MNIST): MIT",
    "math_symbols": "mathematical symbols: MIT",
    "sign_language_digits": "sign language digits: Apache-2.0",
}


def licence_note(trained_on: Iterable[str]) -> str:
    """One line for a model card: what the source of each set states."""
    return "; ".join(
        _NOTES.get(name, f"{name}: no permissive licence stated") for name in _sets(trained_on)
    )


def may_ship(trained_on: Iterable[str]) -> bool:
    """Whether weights that learnt from these sets may ship with the package.

    Args:
        trained_on: sets, as manifests name them: `cifar100`, or `cifar100 (some classes)`.
    """
    return all(name in _NOTES for name in _sets(trained_on))


def _sets(trained_on: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(name.split(" (")[0] for name in trained_on))
