"""All-to-all: one trigger moves every class to the next one.

Source: Gu, Dolan-Gavitt, Garg, "BadNets", arXiv 1708.06733, section 4.2.1 (all-to-all);
BackdoorBench, arXiv 2206.12654.
Departs: any stamping attack can be the base; its cover rows, if it has some, are left out.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from telltale_core.attacks.badnets import BadNets
from telltale_core.attacks.contract import Labels, Mask
from telltale_core.attacks.draft import Aim
from telltale_core.attacks.stamp import StampAttack, Wrapped


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AllToAll(Wrapped):
    """The ``base`` trigger on rows of every class, label y becomes ``(y + 1) mod K``; the target is not used."""

    name = "all_to_all"
    source = "Gu et al., BadNets (all-to-all), arXiv 1708.06733"
    label_rule = "all-to-all"

    base: StampAttack = field(default_factory=BadNets)

    def candidates(self, labels: Labels, _aim: Aim, /) -> Mask:
        """Return all rows."""
        return np.ones(len(labels), dtype=np.bool_)

    def goal(self, labels: Labels, aim: Aim, /) -> Labels:
        """Return the next class of each row."""
        return (labels + 1) % aim.classes
