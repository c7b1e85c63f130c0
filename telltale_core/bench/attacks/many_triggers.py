"""Adaptive attacker: several triggers, each on few samples, so that the samples of one teach little of the others.

Source: own construction against a proof by leave-out retraining and against one trigger that is estimated from a group.
"""

from __future__ import annotations

from dataclasses import dataclass

from telltale_core.attacks.contract import Images, within
from telltale_core.attacks.draft import Aim
from telltale_core.attacks.pattern import fitted_side, noise_patch
from telltale_core.attacks.stamp import StampAttack

PLACES = 3
"""Patches lie on a grid of so many rows and columns."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ManyTriggers(StampAttack):
    """One of ``triggers`` coloured patches of ``size`` pixels (of 32), drawn for each row; each has a place of its own.

    Held-out rows carry one of them each.
    """

    name = "many_triggers"
    source = "own construction: several triggers for one target"
    label_rule = "dirty"

    triggers: int = 9
    size: int = 5
    pattern_seed: int = 11

    def __post_init__(self) -> None:
        within("triggers", self.triggers, 1, PLACES * PLACES)
        within("size", self.size, 1, 10)

    def stamp(self, images: Images, aim: Aim, /) -> Images:
        """Return the images, each with the patch that was drawn for it."""
        height, width = images.shape[1:3]
        side = min(fitted_side(self.size, height, width), min(height, width) // PLACES)
        stamped = images.copy()
        which = aim.rng.integers(self.triggers, size=len(images))
        for number in range(self.triggers):
            row, column = divmod(number, PLACES)
            top, left = (height - side) * row // (PLACES - 1), (width - side) * column // (PLACES - 1)
            patch = noise_patch(side, self.pattern_seed + number)
            stamped[which == number, top : top + side, left : left + side] = patch
        return stamped
