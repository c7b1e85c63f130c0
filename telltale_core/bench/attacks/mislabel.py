"""Control without an attack: wrong labels, no trigger. A detector must not call these rows poison.

Source: symmetric label noise as in Patrini et al., CVPR 2017, arXiv 1609.03683, over the K - 1 wrong classes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from telltale_core.attacks.contract import Attack, Mask, Poisoned, Samples, Triggered
from telltale_core.attacks.draft import Aim, Draft, other_labels, row_count


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Mislabel(Attack):
    """``round(rate * N)`` rows get a uniformly drawn wrong label; no image changes.

    ``truth`` is False everywhere, the rows stand in ``mislabelled``; no held-out row counts for attack success.
    """

    name = "mislabel"
    source = "control: symmetric label noise, no trigger"
    label_rule = "none"

    def poison(self, data: Samples, rate: float, target: float, seed: int) -> Poisoned:
        """See :meth:`Attack.poison`; the target is only checked."""
        draft = Draft.of(data)
        aim = Aim.at(data, target, seed)
        mislabel_rows(draft, np.ones(len(data), dtype=np.bool_), row_count(rate, len(data)), aim)
        return draft.finish(self, rate=rate, target=None, seed=seed)

    def trigger(self, data: Samples, target: float, seed: int) -> Triggered:
        """Return the rows as they are, none of which counts; the target is only checked."""
        Aim.at(data, target, seed)
        return Triggered(data.inputs.copy(), data.labels.copy(), np.zeros(len(data), dtype=np.bool_))


def mislabel_rows(draft: Draft, allowed: Mask, count: int, aim: Aim, *, to_target: bool = False) -> None:
    """Give ``count`` allowed rows a wrong label: the target, or a random other one."""
    rows = draft.take(allowed, count, aim, "mislabelling")
    draft.data.labels[rows] = aim.target if to_target else other_labels(draft.original.labels[rows], aim)
    draft.mislabelled[rows] = True
