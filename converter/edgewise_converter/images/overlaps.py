"""Classes that are the same thing under two names, so that none is tested on after training on it.

A class is written `set/class`, after the file that holds it. A few-shot test asks for classes that
were never seen: a lion of CIFAR-100 among the training classes makes mini-ImageNet's lion a known
one. Listed is what a person would call by the same name or by a kind of it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

_SAME: tuple[tuple[str, ...], ...] = (
    ("cifar100/aquarium_fish", "miniimagenet/n02606052"),  # rock beauty
    ("cifar100/beetle", "miniimagenet/n02165456", "miniimagenet/n02174001"),
    ("cifar100/bottle", "miniimagenet/n02823428"),  # beer bottle
    ("cifar100/bowl", "miniimagenet/n03775546"),  # mixing bowl
    ("cifar100/bus", "miniimagenet/n04146614"),  # school bus
    ("cifar100/crab", "miniimagenet/n01981276"),  # king crab
    ("cifar100/dinosaur", "miniimagenet/n01704323"),  # triceratops
    ("cifar100/fox", "miniimagenet/n02120079"),  # Arctic fox
    ("cifar100/lion", "miniimagenet/n02129165"),
    ("cifar100/rocket", "miniimagenet/n03773504"),  # missile
    ("cifar100/snake", "miniimagenet/n01749939"),  # green mamba
    ("cifar100/spider", "miniimagenet/n01770081"),  # harvestman
    ("cifar100/tank", "miniimagenet/n04389033"),
    ("cifar100/wolf", "miniimagenet/n02114548"),  # white wolf
    ("cifar100/worm", "miniimagenet/n01930112"),  # nematode
    (
        "cifar100/apple",
        "groceries/Apple",
        "fruit_outlines/Apple Braeburn",
        "fruit_outlines/Apple Golden 1",
        "fruit_outlines/Apple Golden 2",
        "fruit_outlines/Apple Golden 3",
        "fruit_outlines/Apple Granny Smith",
        "fruit_outlines/Apple Red 1",
        "fruit_outlines/Apple Red 2",
        "fruit_outlines/Apple Red 3",
        "fruit_outlines/Apple Red Delicious",
        "fruit_outlines/Apple Red Yellow",
    ),
    ("cifar100/mushroom", "miniimagenet/n13054560"),  # bolete
    ("cifar100/mushroom", "groceries/Mushroom", "groceries/Brown-Cap-Mushroom"),
    (
        "cifar100/orange",
        "miniimagenet/n07747607",
        "groceries/Orange",
        "groceries/Satsumas",
        "fruit_outlines/Orange",
        "fruit_outlines/Clementine",
        "fruit_outlines/Mandarine",
    ),
    (
        "cifar100/pear",
        "groceries/Pear",
        "fruit_outlines/Pear",
        "fruit_outlines/Pear Abate",
        "fruit_outlines/Pear Monster",
        "fruit_outlines/Pear Williams",
    ),
    ("cifar100/sweet_pepper", "groceries/Pepper"),
    ("cifar100/rose", "flowers5/rose"),
    ("cifar100/sunflower", "flowers5/sunflower"),
    ("cifar100/tulip", "flowers5/tulip"),
    ("cifar100/pickup_truck", "miniimagenet/n03417042", "cifar10/truck"),
    (
        "cifar10/bird",
        "miniimagenet/n01532829",  # house finch
        "miniimagenet/n01558993",  # robin
        "miniimagenet/n01843383",  # toucan
        "miniimagenet/n01855672",  # goose
    ),
    (
        "cifar10/dog",
        "miniimagenet/n02089867",
        "miniimagenet/n02091244",
        "miniimagenet/n02091831",
        "miniimagenet/n02099601",
        "miniimagenet/n02101006",
        "miniimagenet/n02105505",
        "miniimagenet/n02108089",
        "miniimagenet/n02108551",
        "miniimagenet/n02108915",
        "miniimagenet/n02110063",
        "miniimagenet/n02110341",
        "miniimagenet/n02111277",
        "miniimagenet/n02113712",
    ),
    *(
        (
            f"handwritten_digits_mnist/{digit}",
            f"math_symbols/{digit}",
            f"street_characters_chars74k/{digit}",
        )
        for digit in range(10)
    ),
    # A list is a star, and each of the three is a digit to the others.
    *((f"math_symbols/{digit}", f"street_characters_chars74k/{digit}") for digit in range(10)),
    ("cifar10/ship", "miniimagenet/n02687172", "miniimagenet/n02981792", "miniimagenet/n04612504"),
)


def seen(trained: Iterable[str]) -> frozenset[str]:
    """Every class that is known to whoever was trained on some.

    Breeds of a kind do not make each other known: a list is a star around its first entry, so a
    dog of CIFAR-10 makes all breeds known and any breed the dog, but no breed another.

    Args:
        trained: classes, each `set/class`.

    Returns:
        Those, and those listed as the same.
    """
    known: Collection[str] = frozenset(trained)
    found = set(known)
    for first, *others in _SAME:
        if first in known:
            found.update(others)
        if any(other in known for other in others):
            found.add(first)
    return frozenset(found)
