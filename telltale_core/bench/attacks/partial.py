"""Partial backdoor (TaCT): the trigger works on one source class only; elsewhere it is shown with honest labels.

Source: Tang, Wang, Tang, Zhang, "Demon in the Variant: Statistical Analysis of DNNs for Robust Backdoor Contamination
Detection", USENIX Security 2021, arXiv 1908.00686.
Departs: the patch is a square of saturated colours at the place of the published one; by default every class but source
and target gives cover rows (backdoor-toolbox names two).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from telltale_core.attacks.badnets import BadNets
from telltale_core.attacks.contract import Labels, Mask, within
from telltale_core.attacks.draft import Aim
from telltale_core.attacks.stamp import StampAttack, Wrapped
from telltale_core.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Partial(Wrapped):
    """The ``base`` trigger moves ``source_class`` to the target; ``cover_ratio`` cover rows for each poisoned one.

    ``source_class`` None is the class after the target; ``cover_classes`` empty is every class but these two.
    Only rows of the source class count for the attack success rate.
    """

    name = "partial"
    source = "Tang et al., TaCT (Demon in the Variant), USENIX Security 2021, arXiv 1908.00686"
    label_rule = "dirty"

    base: StampAttack = field(default_factory=lambda: BadNets(size=8, margin=3, pattern="noise"))
    source_class: int | None = None
    cover_classes: tuple[int, ...] = ()
    cover_ratio: float = 1.0

    def __post_init__(self) -> None:
        within("cover_ratio", self.cover_ratio, 0, 10)

    def source_of(self, aim: Aim) -> int:
        """Return the source class for this target."""
        source = (aim.label + 1) % aim.classes if self.source_class is None else self.source_class
        if not 0 <= source < aim.classes or source == aim.label:
            raise ConfigError(f"source_class must be a class other than target {aim.target}, got {source}")
        return source

    def candidates(self, labels: Labels, aim: Aim, /) -> Mask:
        """Return the rows of the source class."""
        return np.asarray(labels == self.source_of(aim))

    def cover_candidates(self, labels: Labels, aim: Aim, /) -> Mask:
        """Return the rows of the cover classes."""
        both = (self.source_of(aim), aim.label)
        allowed = self.cover_classes or tuple(k for k in range(aim.classes) if k not in both)
        if set(allowed) & set(both):
            raise ConfigError(f"cover_classes must hold neither source nor target, got {allowed}")
        return np.isin(labels, allowed)

    def cover_count(self, count: int, /) -> int:
        """Return ``cover_ratio`` times ``count``."""
        return round(self.cover_ratio * count)

    def counts(self, labels: Labels, aim: Aim, /) -> Mask:
        """Return the rows of the source class."""
        return self.candidates(labels, aim)
