"""Several opinions on one drop, side by side: where they agree, whom they disagree on, and a stated way to combine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from telltale_core.bench.detectors.record import Recorded
from telltale_core.errors import ConfigError, Corrupt

NOT_ABOUT_POISON = frozenset({"label_issues"})
DEFAULT_QUORUM = 2


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Comparison:
    """Opinions on the same samples in the same order.

    ``overlap`` (O, O): samples that both flag over samples that either flags (Jaccard), NaN where neither flags any.
    ``rank_correlation`` (O, O): Spearman's, of the suspicions. ``votes`` (N,): how many *voters* flag a sample; a
    detector that flags a set share of any drop, or that looks for wrong labels, has no vote.
    """

    opinions: tuple[Recorded, ...]
    overlap: NDArray[np.float64]
    rank_correlation: NDArray[np.float64]
    votes: NDArray[np.int64]
    voters: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Return the detectors' names in the order of the matrices."""
        return tuple(opinion.name for opinion in self.opinions)

    def combined(self, quorum: int = DEFAULT_QUORUM) -> NDArray[np.bool_]:
        """Return the samples (N,) that at least ``quorum`` voters flag. A rule of thumb without a significance."""
        if quorum < 1:
            raise ConfigError(f"quorum must be >= 1, got {quorum}")
        return np.asarray(self.votes >= quorum)

    def disputed(self, most: int = 24) -> NDArray[np.int64]:
        """Return rows on which voters differ, those that most of them but not all flag first; ties by suspicion."""
        if len(self.voters) < 2:
            return np.zeros(0, dtype=np.int64)
        split = (self.votes > 0) & (self.votes < len(self.voters))
        mean_rank = np.mean([rankdata(opinion.suspicion) for opinion in self.opinions if self._votes(opinion)], axis=0)
        rows = np.flatnonzero(split)
        balance = np.abs(self.votes[rows] - len(self.voters) / 2)
        return rows[np.lexsort((-mean_rank[rows], balance))][:most]

    def flagged_by(self, row: int) -> list[str]:
        """Return the names of the detectors that flag a sample."""
        return [opinion.name for opinion in self.opinions if opinion.flagged[row]]

    def _votes(self, opinion: Recorded) -> bool:
        return opinion.name in self.voters

    def record(self, quorum: int | None) -> dict[str, Any]:
        """Return the comparison as JSON values; ``quorum`` None: nothing is combined."""
        combined = None
        if quorum is not None:
            combined = {"rule": f"flagged by at least {quorum} voters", "flagged": int(self.combined(quorum).sum())}
        return {
            "format": "telltale.comparison/1",
            "opinions": [opinion.record for opinion in self.opinions],
            "voters": list(self.voters),
            "overlap": _plain(self.overlap),
            "rank_correlation": _plain(self.rank_correlation),
            "votes": np.bincount(self.votes, minlength=len(self.voters) + 1).tolist(),
            "combined": combined,
        }


def compare(opinions: Sequence[Recorded]) -> Comparison:
    """Return the opinions side by side; raises :class:`Corrupt` where they are of different samples."""
    if not opinions:
        raise ConfigError("there is no opinion to compare: none of the chosen detectors could be run")
    first = opinions[0]
    for other in opinions[1:]:
        if not np.array_equal(other.sample_ids, first.sample_ids):
            raise Corrupt(f"the opinions of {first.name} and {other.name} are of different samples")
    flagged = np.stack([opinion.flagged for opinion in opinions]).astype(np.float64)
    both = flagged @ flagged.T
    sizes = np.diag(both)
    either = sizes[:, None] + sizes[None] - both
    ranks = np.stack([rankdata(opinion.suspicion) for opinion in opinions])
    ranks -= ranks.mean(axis=1, keepdims=True)
    scale = np.linalg.norm(ranks, axis=1)
    scale = np.where(scale > 0, scale, np.nan)
    voters = tuple(o.name for o in opinions if not o.record["budgeted"] and o.name not in NOT_ABOUT_POISON)
    chosen = [place for place, opinion in enumerate(opinions) if opinion.name in voters]
    return Comparison(
        opinions=tuple(opinions),
        overlap=np.divide(both, either, out=np.full_like(both, np.nan), where=either > 0),
        rank_correlation=ranks @ ranks.T / scale[:, None] / scale[None],
        votes=flagged[chosen].sum(axis=0).astype(np.int64),
        voters=voters,
    )


def _plain(matrix: NDArray[np.float64]) -> list[list[float | None]]:
    return [[None if np.isnan(value) else round(float(value), 4) for value in row] for row in matrix]
