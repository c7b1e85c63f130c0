"""Published poisons to measure detectors by, one a file, all behind the contract of :mod:`telltale_core.attacks`."""

from telltale_core.bench.attacks.combination import TableSet
from telltale_core.bench.attacks.registry import ATTACKS, make_attack
from telltale_core.bench.attacks.texts import TextSet
from telltale_core.bench.attacks.waves import WaveSet

__all__ = ["ATTACKS", "TableSet", "TextSet", "WaveSet", "make_attack"]
