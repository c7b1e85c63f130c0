"""Adaptive attacker: any trigger, with cover rows that show it under their honest label.

Source: the conservative half of Qi et al., "Revisiting the Assumption of Latent Separability for Backdoor Defenses",
ICLR 2023, put on any base trigger. Against a detector of coherent losses: the model must weigh the trigger against the
image, so poisoned rows are learned late and apart, and cover rows move against them.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from telltale_core.attacks.badnets import BadNets
from telltale_core.attacks.contract import Labels, Mask, within
from telltale_core.attacks.draft import Aim
from telltale_core.attacks.stamp import StampAttack, Wrapped


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Cover(Wrapped):
    """The ``base`` trigger with ``cover_ratio`` cover rows for each poisoned one; covers lie outside the target class.

    The more cover, the lower the attack success: at 1.0 a triggered row has the target label only every other time.
    """

    name = "cover"
    source = "cover rows of Qi et al., ICLR 2023, on any trigger"
    label_rule = "dirty"

    base: StampAttack = field(default_factory=BadNets)
    cover_ratio: float = 0.5

    def __post_init__(self) -> None:
        within("cover_ratio", self.cover_ratio, 0, 10)

    def cover_candidates(self, labels: Labels, aim: Aim, /) -> Mask:
        """Return the rows outside the target class."""
        return np.asarray(labels != aim.target)

    def cover_count(self, count: int, /) -> int:
        """Return ``cover_ratio`` times ``count``."""
        return round(self.cover_ratio * count)
