"""The contract of an attack, and BadNets, which the demo uses; every other attack is in :mod:`telltale_core.bench`."""

from telltale_core.attacks.badnets import BadNets
from telltale_core.attacks.contract import ANY_OTHER_LABEL, Attack, ImageSet, Poisoned, Samples, Triggered
from telltale_core.attacks.stamp import StampAttack

__all__ = [
    "ANY_OTHER_LABEL",
    "Attack",
    "BadNets",
    "ImageSet",
    "Poisoned",
    "Samples",
    "StampAttack",
    "Triggered",
]
