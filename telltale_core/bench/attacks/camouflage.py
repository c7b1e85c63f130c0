"""Adaptive attacker: poison hidden among rows that are only mislabelled.

Source: own construction against this detector; label noise as camouflage. Mislabelled rows of the target class also
have losses that stay high and swing, which inflates that label's spread and the rows that would be flagged wrongly.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from telltale_core.attacks.badnets import BadNets
from telltale_core.attacks.contract import Attack, Poisoned, Samples, Triggered, one_of, within
from telltale_core.attacks.draft import Aim, Draft, row_count
from telltale_core.attacks.stamp import StampAttack
from telltale_core.bench.attacks.mislabel import mislabel_rows


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Camouflage(Attack):
    """The ``base`` attack, and ``noise_ratio`` mislabelled rows without trigger for each poisoned one.

    ``noise_to``: "target" gives them the target label, "any" a uniformly drawn wrong one.
    """

    name = "camouflage"
    source = "own construction: label noise beside the poison"
    label_rule = "dirty"

    base: StampAttack = field(default_factory=BadNets)
    noise_ratio: float = 1.0
    noise_to: Literal["target", "any"] = "target"

    def __post_init__(self) -> None:
        within("noise_ratio", self.noise_ratio, 0.01, 10)
        one_of("noise_to", self.noise_to, ("target", "any"))

    def poison(self, data: Samples, rate: float, target: float, seed: int) -> Poisoned:
        """See :meth:`Attack.poison`."""
        draft = Draft.of(data)
        aim = Aim.at(data, target, seed)
        count = row_count(rate, len(data))
        self.base.poison_rows(draft, count, aim)
        to_target = self.noise_to == "target"
        allowed = data.labels != target if to_target else np.ones(len(data), dtype=np.bool_)
        mislabel_rows(draft, allowed, round(self.noise_ratio * count), aim, to_target=to_target)
        single = self.base.label_rule in ("dirty", "clean")
        return draft.finish(self, rate=rate, target=target if single else None, seed=seed)

    def trigger(self, data: Samples, target: float, seed: int) -> Triggered:
        """See :meth:`Attack.trigger`: the base's own."""
        return self.base.trigger(data, target, seed)
