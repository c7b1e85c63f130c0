"""Adaptive attacker: each poisoned row shows the trigger at a strength of its own.

Source: own construction against this detector. Rows with a strong trigger are learned early and those with a faint one
late, so their losses no longer rise and fall together.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from telltale_core.attacks.badnets import BadNets
from telltale_core.attacks.contract import Images, within
from telltale_core.attacks.draft import Aim
from telltale_core.attacks.pattern import mix
from telltale_core.attacks.stamp import StampAttack, Wrapped


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class VariedStrength(Wrapped):
    """``image + s * (triggered - image)`` with s uniform in [``low``, ``high``] for each training row.

    Held-out rows carry the ``base`` trigger at full strength.
    """

    name = "varied_strength"
    source = "own construction: per-sample trigger strength"
    label_rule = "dirty"

    base: StampAttack = field(default_factory=BadNets)
    low: float = 0.2
    high: float = 1.0

    def __post_init__(self) -> None:
        within("high", self.high, 0.01, 1)
        within("low", self.low, 0.01, self.high)

    def stamp(self, images: Images, aim: Aim, /) -> Images:
        """Return the images, each with the trigger at a strength drawn for it."""
        strength = aim.rng.uniform(self.low, self.high, (len(images), 1, 1, 1)).astype(np.float32)
        return mix(images, self.base.stamp(images, aim), strength)
