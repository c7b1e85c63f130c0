"""A proposal: some samples that may be poison, and what speaks for it. Ways to propose are in ``proposals/``."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from telltale_core.verdict.correction import corrected
from telltale_core.verdict.kind import Kind

ROUNDING = 1e-9
"""A statistic that misses what is required by no more than this share of it misses it by rounding."""


class Proof(Enum):
    """What a proof says of a proposal; open: nothing, or it was not asked.

    Unshown: it confirms, but what the samples share, put on others, does no more than a control.
    """

    OPEN = "open"
    CONFIRMED = "confirmed"
    UNSHOWN = "confirmed, no trigger"
    REFUTED = "refuted"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Proposal:
    """A suspected side among ``rows`` (n,), which come in the order of the samples' ids.

    ``number`` is its own, ``cohort`` that of the cohort that it is found in, None for all labels together. ``chance``
    (n,) in [0, 1] is each row's of the suspected side. ``statistic`` is to reach ``required``. ``simulate`` returns the
    p-value before correction, which takes a while; ``p_value`` is corrected for the ``family`` of tests, None: nothing
    hangs on it so far. ``stands_alone``: it may be called by its own figures, else only where a proof confirms it.
    ``larger``: the larger side of a label is suspected, which is easier to learn, as an honest one may be, too.
    ``tested`` False: there was too little to test. ``turned``: a proof made the other one its suspected side.
    """

    kind: Kind
    number: int
    cohort: int | None
    label: int | None
    name: str | None
    rows: NDArray[np.int64]
    chance: NDArray[np.float64]
    statistic: float
    required: float
    simulate: Callable[[], float]
    p_value: float | None = None
    family: int = 1
    tested: bool = True
    stands_alone: bool = True
    larger: bool = False
    turned: bool = False

    @property
    def inside(self) -> NDArray[np.bool_]:
        """Which of its rows (n,) are on the suspected side."""
        return self.chance > 0.5

    @property
    def suspects(self) -> NDArray[np.int64]:
        """The rows on the suspected side."""
        return self.rows[self.inside]

    @property
    def others(self) -> NDArray[np.int64]:
        """The rows that are not."""
        return self.rows[~self.inside]

    @property
    def share(self) -> float:
        """How far it stands out, as a share of what is required: from 1 on exactly where its statistic reaches that.

        A required statistic of zero or less has no shares: it is reached, or it is not.
        """
        if self.required <= 0:
            return math.inf if self.statistic >= self.required else 0.0
        if math.isclose(self.statistic, self.required, rel_tol=ROUNDING):
            return 1.0
        return self.statistic / self.required

    @property
    def over_all_labels(self) -> bool:
        """Whether it is about samples of any label, not about those of one cohort."""
        return self.cohort is None

    @property
    def first_split(self) -> bool:
        """Whether it is the best split of its cohort, which each cohort has one of."""
        return self.cohort == self.number

    def significant(self, level: float) -> bool:
        """Return whether its p-value is known and at most ``level``."""
        return self.p_value is not None and self.p_value <= level

    def with_p_value(self) -> Proposal:
        """Return it with its p-value, which takes a while to find."""
        if self.p_value is not None:
            return self
        with threadpool_limits(1):  # many small problems: threads only get in each other's way
            return replace(self, p_value=corrected(self.simulate(), self.family))

    def turned_round(self) -> Proposal:
        """Return it with the other side suspected, for which nothing but a proof speaks."""
        return replace(self, chance=1 - self.chance, turned=True, stands_alone=False)

    def among(self, open_N: NDArray[np.bool_]) -> Proposal:
        """Return it with no chance for rows that are not among the open samples (N,)."""
        return replace(self, chance=np.where(open_N[self.rows], self.chance, 0.0))
