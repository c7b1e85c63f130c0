"""The published recipe to the letter: DBSCAN over magnitude spectra, every cluster but the largest called.

Source: the public talk slides of the method (NDSS 2025): raw losses, the early half of the run dropped, the magnitude
of the spectrum. They state no significance, no radius and no rule for noise. Here the radius is the knee of the
samples' distances to their tenth neighbour, and noise is kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import DBSCAN
from sklearn.neighbors import NearestNeighbors

from telltale_core.bench.detectors.contract import Detector, Evidence, Need, Opinion, Sizes
from telltale_core.bench.detectors.evidence import the
from telltale_core.errors import OverBudget
from telltale_core.losslog import LossLog
from telltale_core.spectrum import SpectrumConfig
from telltale_core.spectrum.transform import choose_window
from telltale_core.verdict.constants import SPLIT

LATER_HALF = SpectrumConfig(start=0.5)
NEIGHBOURS = 10
MAX_NEIGHBOUR_BYTES = 4 << 30


@dataclass(kw_only=True)
class Slides(Detector):
    """Flags every cluster of magnitude spectra but the largest: the recipe of the talk's slides to the letter.

    Needs the loss log alone. ``suspicion_`` in [0, 1]. Complexity O(N^2) in the worst case of its neighbour search.
    """

    memory_limit_bytes: int | None = None

    name: ClassVar[str] = "slides"
    title: ClassVar[str] = "The slides' recipe"
    source: ClassVar[str] = "talk of the method, NDSS 2025"
    cost: ClassVar[str] = "O(N^2) at worst"
    same_rows_same_suspicion: ClassVar[bool] = False  # it ranks, and ties are broken by id
    least: ClassVar[int] = SPLIT.min_cohort
    """The recipe has no rule for few samples: like Telltale it judges no fewer than this."""

    @property
    def needs(self) -> frozenset[Need]:
        """The loss log."""
        return frozenset({Need.LOSS_LOG})

    def estimate_bytes(self, sizes: Sizes) -> int:
        """Return the spectra a few times over and DBSCAN's neighbour lists, of nearly the whole drop for each sample.

        At the radius of the recipe that was seen: 786 MB for 10,000 samples.
        """
        return 8 * (10 * sizes.n * sizes.t + sizes.n**2) + (64 << 20)

    def judge(self, evidence: Evidence) -> Opinion:
        """Return the recipe's opinion; :class:`OverBudget` where DBSCAN would not fit."""
        cluster_N, distance_N = _clusters(magnitudes(the(evidence.losslog)))
        sizes = np.bincount(cluster_N[cluster_N >= 0], minlength=1)
        flagged_N = (cluster_N >= 0) & (cluster_N != sizes.argmax())
        rank_N = distance_N.argsort().argsort() / len(distance_N)
        odd, clusters = int(flagged_N.sum()), int(np.count_nonzero(sizes))
        return Opinion(
            suspicion=np.where(flagged_N, 1.0, 0.49 * rank_N),
            flagged=flagged_N,
            reason="in a cluster of magnitude spectra that is not the largest",
            statement=f"The published recipe flags {odd:,} of {len(evidence):,} samples; it states no significance.",
            details={"clusters": clusters},
        )


def magnitudes(log: LossLog) -> NDArray[np.float32]:
    """Return the magnitude spectra (N, F) of the later half of the losses, each frequency standardised."""
    start, stop = choose_window(np.median(log.log_loss, axis=0), LATER_HALF)
    window_NT = log.log_loss[:, start:stop].astype(np.float64)
    magnitude_NF = np.abs(np.fft.rfft(np.exp(window_NT), axis=1, norm="ortho"))
    spread_F = magnitude_NF.std(axis=0)
    standard_NF = (magnitude_NF - magnitude_NF.mean(axis=0)) / np.where(spread_F > 0, spread_F, 1.0)
    return np.asarray(standard_NF, dtype=np.float32)


def _clusters(feature_nF: NDArray[np.floating]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    neighbours = min(NEIGHBOURS, len(feature_nF) - 1)
    index = NearestNeighbors(n_neighbors=neighbours).fit(feature_nF)
    distance_n = index.kneighbors()[0][:, -1]
    radius = _knee(np.sort(distance_n))
    if radius <= 0:
        return np.zeros(len(feature_nF), dtype=np.int64), distance_n
    probe = feature_nF[:: max(1, len(feature_nF) // 256)]
    near = np.mean([len(rows) for rows in index.radius_neighbors(probe, radius, return_distance=False)])
    needed = int(near * len(feature_nF) * 16)
    if needed > MAX_NEIGHBOUR_BYTES:
        raise OverBudget(
            f"DBSCAN over {len(feature_nF):,} samples needs about {needed >> 20:,} MiB for neighbours, the budget is "
            f"{MAX_NEIGHBOUR_BYTES >> 20:,} MiB"
        )
    return DBSCAN(eps=radius, min_samples=neighbours).fit_predict(feature_nF), distance_n


def _knee(sorted_n: NDArray[np.float64]) -> float:
    """Return the value of a rising curve furthest below the line between its ends (Satopaa et al., 2011)."""
    span = sorted_n[-1] - sorted_n[0]
    if span <= 0:
        return float(sorted_n[-1])
    below_n = np.linspace(0, 1, len(sorted_n)) - (sorted_n - sorted_n[0]) / span
    return float(sorted_n[below_n.argmax()])
