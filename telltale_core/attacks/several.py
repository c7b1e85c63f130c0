"""Several attacks at once, each with a trigger and a target class of its own.

Source: simultaneous poisoning as in "BaDLoss: Backdoor Detection via Loss Dynamics", submitted to ICLR 2025.
Departs: three attacks of this package by default, sharing one rate.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from telltale_core.attacks.badnets import BadNets
from telltale_core.attacks.blend import Blend
from telltale_core.attacks.contract import Attack, Poisoned, Samples, Triggered
from telltale_core.attacks.draft import Aim, Draft, row_count
from telltale_core.attacks.stamp import StampAttack
from telltale_core.attacks.wanet import WaNet
from telltale_core.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Several(Attack):
    """Attack i of ``parts`` aims at class ``(target + i) mod K``; the rate is that of all of them together.

    The poisoned rows are shared out evenly (the first attacks take what is left over); no row is taken twice.
    ``details["parts"]`` names each attack's target and poisoned rows. Held-out rows are shared out evenly and at
    random; :meth:`trigger_of` puts a single attack on all of them.
    """

    name = "several"
    source = "simultaneous poisoning as in BaDLoss (ICLR 2025 submission)"
    label_rule = "dirty"

    parts: tuple[StampAttack, ...] = field(default_factory=lambda: (BadNets(), Blend(), WaNet()))

    def __post_init__(self) -> None:
        if len(self.parts) < 2:
            raise ConfigError(f"parts must hold at least 2 attacks, got {len(self.parts)}")

    def target_of(self, part: int, aim: Aim) -> int:
        """Return the target class of one of the attacks; each needs a class of its own."""
        if len(self.parts) > aim.classes:
            raise ConfigError(f"{len(self.parts)} attacks need as many classes, the data has {aim.classes}")
        return (aim.label + part) % aim.classes

    def poison(self, data: Samples, rate: float, target: float, seed: int) -> Poisoned:
        """See :meth:`Attack.poison`."""
        draft, first = Draft.of(data), Aim.at(data, target, seed)
        whole, left = divmod(row_count(rate, len(data)), len(self.parts))
        notes = []
        for number, attack in enumerate(self.parts):
            before = draft.truth.copy()
            aim = Aim(target=self.target_of(number, first), num_classes=data.num_classes, rng=first.rng)
            attack.poison_rows(draft, whole + (number < left), aim)
            rows = np.flatnonzero(draft.truth & ~before)
            notes.append({"name": attack.name, "target": aim.target, "rows": rows.tolist()})
        draft.notes["parts"] = notes
        return draft.finish(self, rate=rate, target=target, seed=seed)

    def trigger(self, data: Samples, target: float, seed: int) -> Triggered:
        """Return held-out rows, each with the trigger of one of the attacks."""
        part_N = np.random.default_rng(seed).permutation(np.arange(len(data)) % len(self.parts))
        inputs, expected = data.inputs.copy(), data.labels.copy()
        counts = np.zeros(len(data), dtype=np.bool_)
        for number in range(len(self.parts)):
            mine = part_N == number
            shown = self.trigger_of(number, data.rows(mine), target, seed)
            inputs[mine], expected[mine], counts[mine] = shown.inputs, shown.expected, shown.counts
        return Triggered(inputs, expected, counts)

    def trigger_of(self, part: int, data: Samples, target: float, seed: int) -> Triggered:
        """Return held-out rows that all carry the trigger of one attack, to measure its own success rate."""
        return self.parts[part].trigger(data, self.target_of(part, Aim.at(data, target, seed)), seed)
