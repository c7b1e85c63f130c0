"""BadNets: a small patch in the bottom-right corner, label set to the target.

Source: Gu, Dolan-Gavitt, Garg, "BadNets: Identifying Vulnerabilities in the Machine Learning Model Supply Chain",
arXiv 1708.06733.
Departs: rows that already have the target label are left out, so that every poisoned label is a wrong one.
``size=8, pattern="white"`` is the trigger of the Telltale paper, ``size=8, margin=3, pattern="noise"`` a coloured
square like that of Trojan attacks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from telltale_core.attacks.contract import Images, one_of, within
from telltale_core.attacks.draft import Aim
from telltale_core.attacks.pattern import MARK, corner_window, enlarged, fitted_side, noise_patch
from telltale_core.attacks.stamp import StampAttack


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BadNets(StampAttack):
    """A patch of ``size`` pixels (of 32), ``margin`` pixels (of 32) from the bottom-right corner.

    ``pattern``: "mark" is the black-and-white 3 x 3 mark, "white" a white square, "noise" saturated colours drawn from
    ``pattern_seed``.
    """

    name = "badnets"
    source = "Gu et al., BadNets, arXiv 1708.06733"
    label_rule = "dirty"

    size: int = 3
    margin: int = 0
    pattern: Literal["mark", "white", "noise"] = "mark"
    pattern_seed: int = 11

    def __post_init__(self) -> None:
        within("size", self.size, 1, 32)
        within("margin", self.margin, 0, 31)
        one_of("pattern", self.pattern, ("mark", "white", "noise"))

    def patch(self, height: int, width: int) -> Images:
        """Return the patch as it is pasted on images of this size, (side, side, 3) uint8."""
        side = fitted_side(self.size, height, width)
        if self.pattern == "white":
            return np.full((side, side, 3), 255, dtype=np.uint8)
        return enlarged(MARK if self.pattern == "mark" else noise_patch(self.size, self.pattern_seed), side)

    def stamp(self, images: Images, _aim: Aim, /) -> Images:
        """Return the images with the patch pasted."""
        height, width = images.shape[1:3]
        patch = self.patch(height, width)
        rows, columns = corner_window("bottom-right", len(patch), self.margin, height, width)
        stamped = images.copy()
        stamped[:, rows, columns] = patch
        return stamped
