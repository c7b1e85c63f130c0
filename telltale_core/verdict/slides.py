"""The published recipe to the letter: DBSCAN over the magnitude spectra, every cluster but the largest called.

Source: the public talk slides of the method (NDSS 2025). It states no significance, no radius and no rule for noise.
Here the radius is the knee of the samples' distances to their tenth neighbour, and noise is kept.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import DBSCAN
from sklearn.neighbors import NearestNeighbors

from telltale_core.errors import OverBudget
from telltale_core.spectrum import Spectra
from telltale_core.verdict.clusters import NEIGHBOURS
from telltale_core.verdict.cohort import MIN_COHORT
from telltale_core.verdict.config import VerdictConfig
from telltale_core.verdict.decision import Decisions
from telltale_core.verdict.statement import Group
from telltale_core.verdict.untested import NOT_FINITE, decide_untested

MAX_NEIGHBOUR_BYTES = 4 << 30


def decide_by_slides(sample_ids: NDArray[np.str_], spectra: Spectra, config: VerdictConfig) -> Decisions:
    """Return the published recipe's decision on every sample; :class:`OverBudget` where DBSCAN would not fit.

    The recipe has no rule for few samples: like the other method it judges no fewer than ``MIN_COHORT``.
    """
    order = np.argsort(sample_ids, kind="stable")
    rows = order[spectra.finite_N[order]]
    tested = len(rows) >= MIN_COHORT
    judged = _cluster(spectra.features_NF[rows]) if tested else (np.zeros(len(rows), np.int64), np.zeros(len(rows)))
    cluster_n, distance_n = judged
    sizes = np.bincount(cluster_n[cluster_n >= 0], minlength=1)
    odd_n = (cluster_n >= 0) & (cluster_n != sizes.argmax())
    decision = np.full(len(sample_ids), "keep", dtype="U10")
    decision[rows[odd_n]] = "quarantine"
    reason = np.full(len(sample_ids), "in the largest cluster of magnitude spectra, or in none", dtype=object)
    reason[rows[odd_n]] = "in a cluster of magnitude spectra that is not the largest"
    cluster = np.full(len(sample_ids), -1, dtype=np.int32)
    cluster[rows] = cluster_n
    suspicion = np.zeros(len(sample_ids))
    rank_n = distance_n.argsort().argsort() / max(len(rows), 1)
    suspicion[rows] = np.where(odd_n, 1.0, 0.49 * rank_n)
    made: dict[str, NDArray[Any]] = {"suspicion": suspicion, "cluster": cluster, "decision": decision, "reason": reason}
    untested_N = ~spectra.finite_N
    decide_untested(made, np.flatnonzero(untested_N), NOT_FINITE, config)
    if not tested:
        decide_untested(made, rows, f"the drop has {len(rows)} samples with losses, {MIN_COHORT} are needed", config)
        untested_N[rows] = True
    odd = int(odd_n.sum())
    group = Group(
        label=None,
        label_name=None,
        samples=len(rows),
        size=odd,
        statistic=float(np.count_nonzero(sizes)),
        threshold=1.0,
        p_value=1.0,
        tested=tested,
        called=odd > 0,
        quarantined=odd,
        review=0 if tested else int((decision[rows] == "review").sum()),
    )
    doubtful = np.zeros(len(sample_ids), dtype=bool)  # the recipe has no word for wrong labels
    return Decisions(
        suspicion=suspicion,
        cluster=cluster,
        decision=decision,
        reason=reason,
        groups=(group,),
        doubtful=doubtful,
        untested=untested_N,
        non_finite=int((~spectra.finite_N).sum()),
    )


def _cluster(feature_nF: NDArray[np.floating]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    neighbours = min(NEIGHBOURS, len(feature_nF) - 1)
    index = NearestNeighbors(n_neighbors=neighbours).fit(feature_nF)
    distance_n = index.kneighbors()[0][:, -1]
    radius = _knee(np.sort(distance_n))
    if radius <= 0:
        return np.zeros(len(feature_nF), dtype=np.int64), distance_n
    probe = feature_nF[:: max(1, len(feature_nF) // 256)]
    near = np.mean([len(found) for found in index.radius_neighbors(probe, radius, return_distance=False)])
    needed = int(near * len(feature_nF) * 16)
    if needed > MAX_NEIGHBOUR_BYTES:
        raise OverBudget(
            f"DBSCAN over {len(feature_nF):,} samples needs about {needed >> 20:,} MiB for neighbours, the budget is "
            f"{MAX_NEIGHBOUR_BYTES >> 20:,} MiB; use verdict.method = 'telltale', which clusters within labels"
        )
    return DBSCAN(eps=radius, min_samples=neighbours).fit_predict(feature_nF), distance_n


def _knee(sorted_n: NDArray[np.float64]) -> float:
    """Return the value of a rising curve furthest below the line between its ends (Satopaa et al., 2011)."""
    span = sorted_n[-1] - sorted_n[0]
    if span <= 0:
        return float(sorted_n[-1])
    below_n = np.linspace(0, 1, len(sorted_n)) - (sorted_n - sorted_n[0]) / span
    return float(sorted_n[below_n.argmax()])
