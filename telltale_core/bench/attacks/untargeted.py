"""Untargeted: the trigger comes with random wrong labels, so that a triggered input is simply misjudged.

Source: the random-label rule of FLARE, Hou et al., 2024, arXiv 2411.19479, and of BackdoorBench, arXiv 2206.12654.
Departs: a label is always a wrong one (uniform over the other classes); the base's cover rows are left out.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from telltale_core.attacks.badnets import BadNets
from telltale_core.attacks.contract import ANY_OTHER_LABEL, Labels, Mask
from telltale_core.attacks.draft import Aim, other_labels
from telltale_core.attacks.stamp import StampAttack, Wrapped


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Untargeted(Wrapped):
    """The ``base`` trigger on rows of every class, each with a random wrong label; the target is not used.

    On held-out rows any label but the honest one is a success.
    """

    name = "untargeted"
    source = "Hou et al., FLARE (untargeted), arXiv 2411.19479"
    label_rule = "untargeted"

    base: StampAttack = field(default_factory=BadNets)

    def candidates(self, labels: Labels, _aim: Aim, /) -> Mask:
        """Return all rows."""
        return np.ones(len(labels), dtype=np.bool_)

    def goal(self, labels: Labels, aim: Aim, /) -> Labels:
        """Return a random wrong label for each row."""
        return other_labels(labels, aim)

    def expected(self, labels: Labels, _aim: Aim, /) -> Labels:
        """Return the sign for "any other label"."""
        return np.full_like(labels, ANY_OTHER_LABEL)
