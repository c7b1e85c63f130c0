"""Density ratios in feature space, without labels: poison of a rare trigger is sparser than its neighbours are.

Source: Huang et al., "Detecting Backdoor Samples in Contrastive Language Image Pretraining", ICLR 2025: the simplified
local outlier factor (SLOF) and the dimensionality-aware outlier score (DAO), k = 32, within batches of 1,024, on
features of unit length. Both look for samples whose k-th neighbour is far; a trigger with more than k samples in a
batch is dense, and is then not what they find.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from telltale_core.bench.detectors.contract import Detector, Evidence, Need, Opinion, Sizes, counted, top
from telltale_core.bench.detectors.evidence import the
from telltale_core.errors import ConfigError

FLOOR = 1e-4


@dataclass(kw_only=True)
class DensityRatio(Detector):
    """Flags the ``share`` of samples whose ``neighbours``-th neighbour is farthest compared with their neighbours'.

    ``method`` "slof": the mean ratio of the distances; "dao": the mean log ratio times the neighbour's intrinsic
    dimension. A set share is flagged on any drop. Needs no labels. ``batch``: samples compared with each other, 0 for
    the whole drop. Complexity O(N batch D); memory O(batch^2).
    """

    method: Literal["dao", "slof"] = "dao"
    neighbours: int = 32
    batch: int = 1024
    share: float = 0.1
    seed: int = 0
    memory_limit_bytes: int | None = None

    name: ClassVar[str] = "dao"
    title: ClassVar[str] = "Density ratio (DAO)"
    source: ClassVar[str] = "Huang et al., ICLR 2025"
    cost: ClassVar[str] = "O(N batch D)"
    budgeted: ClassVar[bool] = True
    same_rows_same_suspicion: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if self.method not in ("dao", "slof") or self.neighbours < 2 or self.batch < 0 or not 0 < self.share < 1:
            raise ConfigError("method must be 'dao' or 'slof', neighbours >= 2, batch >= 0, share in (0, 1)")

    @property
    def needs(self) -> frozenset[Need]:
        """Penultimate features alone."""
        return frozenset({Need.FEATURES})

    def estimate_bytes(self, sizes: Sizes) -> int:
        """Return the distances within a batch a few times, and the drop's features of unit length."""
        batch = min(self.batch or sizes.n, sizes.n) * 1.5
        return int(8 * (5 * batch**2 + sizes.n * sizes.d + 2 * batch * sizes.d + 8 * sizes.n)) + (2 << 20)

    def judge(self, evidence: Evidence) -> Opinion:
        """Return the opinion, a batch drawn by the seed at a time."""
        feature_ND = np.asarray(the(evidence.features), dtype=np.float64)
        feature_ND = feature_ND / (np.linalg.norm(feature_ND, axis=1, keepdims=True) + 1e-12)
        order = np.random.default_rng(self.seed).permutation(len(feature_ND))
        parts = max(1, round(len(order) / self.batch)) if self.batch else 1
        suspicion_N = np.zeros(len(feature_ND))
        for rows in np.array_split(order, parts):
            suspicion_N[rows] = density_ratio(feature_ND[rows], self.neighbours, self.method)
        flagged_N = top(suspicion_N, round(self.share * len(evidence)))
        return Opinion(
            suspicion=suspicion_N,
            flagged=flagged_N,
            reason=f"sparser in feature space than its neighbours ({self.method.upper()})",
            statement=counted(flagged_N, f": a set share ({self.share:g})"),
        )


def density_ratio(feature_nD: NDArray[np.float64], neighbours: int, method: str) -> NDArray[np.float64]:
    """Return the score (n,) of each sample against its k nearest ones; exact copies stand a small distance apart."""
    k = min(neighbours, len(feature_nD) - 1)
    square = np.square(feature_nD).sum(axis=1)
    away = np.sqrt(np.maximum(square[:, None] + square - 2 * feature_nD @ feature_nD.T, 0))
    np.fill_diagonal(away, np.inf)
    nearest_nk = np.argsort(away, axis=1, kind="stable")[:, :k]
    distance_nk = np.take_along_axis(away, nearest_nk, axis=1)
    floor = 1e-9 + 1e-6 * float(np.median(distance_nk[:, -1]))
    last_n = np.maximum(distance_nk[:, -1], floor)
    ratio_nk = last_n[:, None] / last_n[nearest_nk]
    if method == "slof":
        return np.asarray(ratio_nk.mean(axis=1))
    dimension_n = -k / np.log(distance_nk / last_n[:, None] + FLOOR).sum(axis=1)  # maximum likelihood
    dimension_n = np.where(dimension_n > 0, dimension_n, float(np.median(np.abs(dimension_n))))
    return np.asarray((dimension_n[nearest_nk] * np.log(ratio_nk)).mean(axis=1))
