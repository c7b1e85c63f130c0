"""Near-duplicates in a verdict: what is usual is told by one sample of each group, what is called by all of them.

Copies of a few samples form a tight cluster, whatever they show. Counted each for itself they would make such clusters
usual, and so raise what is required of a poison in another label. But a poison may be copied, too: it is looked for
among all rows, and only where a cluster has too few different samples it is set aside instead of quarantined.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from telltale_core.records import Ids, as_column


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Copies:
    """``group`` (N,) numbers the groups of near-duplicates; ``first`` (N,) marks one of each group in each cohort."""

    group: NDArray[np.int64]
    first: NDArray[np.bool_]

    @classmethod
    def none(cls, samples: int) -> Self:
        """Return what is known where nothing is a copy."""
        return cls(group=np.arange(samples), first=np.ones(samples, dtype=bool))

    def one_of_each(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the rows without further copies within a cohort, in the same order."""
        return rows[self.first[rows]]

    def one_of_each_here(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the first of the rows of each group among them, in the same order."""
        return rows[np.sort(np.unique(self.group[rows], return_index=True)[1])]

    def different(self, rows: NDArray[np.int64]) -> int:
        """Return of how many groups the rows are: how many different samples they are."""
        return len(self.one_of_each_here(rows))

    def share(self, rows: NDArray[np.int64], inside_n: NDArray[np.bool_]) -> float:
        """Return the share in [0, 1] of the different samples among the rows that are inside."""
        inside, outside = self.different(rows[inside_n]), self.different(rows[~inside_n])
        return inside / max(1, inside + outside)

    def with_copies(self, chosen_N: NDArray[np.bool_], number_N: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return the chosen samples (N,) and their near-duplicates of the same cohort; ``number_N`` numbers these."""
        place_N = self.group * (int(number_N.max()) + 1) + number_N
        return np.asarray(np.isin(place_N, place_N[chosen_N]))

    def counted(self, rows: NDArray[np.int64]) -> tuple[int, int]:
        """Return how many of the rows are copies of each other, and how many different samples these are."""
        _, size = np.unique(self.group[rows], return_counts=True)
        return int(size[size > 1].sum()), int((size > 1).sum())


def find_copies(sample_ids: Ids, leaders: Ids | None, cohorts: Sequence[NDArray[np.int64]]) -> Copies:
    """Return the copies by the id that leads each sample's group (N,); without ``leaders`` nothing is a copy.

    ``cohorts`` hold rows in a canonical order. Of a group the leader stands for it in its cohort, in others the first.
    """
    if leaders is None or leaders is sample_ids:
        return Copies.none(len(sample_ids))
    first_N, led_N = np.ones(len(sample_ids), dtype=bool), np.asarray(leaders != sample_ids)
    group_N = as_column(leaders).dictionary_encode().indices.to_numpy().astype(np.int64)
    for rows in cohorts:
        led = rows[np.argsort(led_N[rows], kind="stable")]
        first_N[rows] = False
        first_N[led[np.unique(group_N[led], return_index=True)[1]]] = True
    return Copies(group=group_N, first=first_N)
