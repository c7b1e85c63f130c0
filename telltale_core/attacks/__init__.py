"""Published poisons to measure detectors by, one a file, all behind one contract."""

from telltale_core.attacks.combination import TableSet
from telltale_core.attacks.contract import ANY_OTHER_LABEL, Attack, ImageSet, Poisoned, Samples, Triggered
from telltale_core.attacks.registry import ATTACKS, make_attack
from telltale_core.attacks.stamp import StampAttack
from telltale_core.attacks.texts import TextSet
from telltale_core.attacks.tiny_rate import tiny_rate
from telltale_core.attacks.waves import WaveSet

__all__ = [
    "ANY_OTHER_LABEL",
    "ATTACKS",
    "Attack",
    "ImageSet",
    "Poisoned",
    "Samples",
    "StampAttack",
    "TableSet",
    "TextSet",
    "Triggered",
    "WaveSet",
    "make_attack",
    "tiny_rate",
]
