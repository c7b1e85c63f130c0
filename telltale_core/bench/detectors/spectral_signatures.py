"""Spectral signatures: poison of a class lies far out along the top singular direction of its features.

Source: Tran, Li, Madry, "Spectral Signatures in Backdoor Attacks", NeurIPS 2018, algorithm 1. The features are centred
by class, as the algorithm says; two widely used implementations leave that out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from telltale_core.bench.detectors.contract import (
    Detector,
    Evidence,
    Floats,
    Need,
    Opinion,
    Sizes,
    by_class,
    counted,
    top,
)
from telltale_core.bench.detectors.evidence import the
from telltale_core.errors import ConfigError


@dataclass(kw_only=True)
class SpectralSignatures(Detector):
    """Flags the 1.5 x ``rate`` of every class with the largest squared projection, at most half of it.

    ``rate`` is an upper bound of the poisoned share of a class that the user has to know; the paper's experiments use
    0.05 and 0.1. A clean drop loses as much as a poisoned one. ``suspicion_``: the squared projection over its median
    in the class. Complexity O(N D^2); memory of one class in float64, twice.
    """

    rate: float = 0.1
    memory_limit_bytes: int | None = None

    name: ClassVar[str] = "spectral_signatures"
    title: ClassVar[str] = "Spectral Signatures"
    source: ClassVar[str] = "Tran et al., NeurIPS 2018"
    cost: ClassVar[str] = "O(N D^2)"
    budgeted: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not 0 < self.rate <= 0.5:
            raise ConfigError(f"rate must be in (0, 0.5], got {self.rate}")

    @property
    def needs(self) -> frozenset[Need]:
        """Penultimate features and labels."""
        return frozenset({Need.FEATURES, Need.LABELS})

    def estimate_bytes(self, sizes: Sizes) -> int:
        """Return two float64 copies of the largest class, its covariance and its eigenvectors."""
        return 8 * (3 * sizes.largest_class * sizes.d + 4 * sizes.d**2 + 8 * sizes.n) + (1 << 20)

    def judge(self, evidence: Evidence) -> Opinion:
        """Return the opinion: algorithm 1, steps 3 to 9, class by class."""
        suspicion_N, flagged_N = np.zeros(len(evidence)), np.zeros(len(evidence), dtype=bool)
        for _, rows in by_class(the(evidence.labels)):
            score_n = squared_projection(the(evidence.features)[rows])
            count = min(int(1.5 * self.rate * len(rows)), len(rows) // 2)
            flagged_N[rows] = top(score_n, count)
            suspicion_N[rows] = score_n / (np.median(score_n) + 1e-12)
        return Opinion(
            suspicion=suspicion_N,
            flagged=flagged_N,
            reason="among the largest squared projections on the top singular direction of its class",
            statement=counted(flagged_N, f": a set share of every class (1.5 x {self.rate:g})"),
        )


def squared_projection(feature_nD: Floats) -> NDArray[np.float64]:
    """Return the squared projections (n,) of centred features on their top right singular vector."""
    centred_nD = np.asarray(feature_nD, dtype=np.float64)
    centred_nD = centred_nD - centred_nD.mean(axis=0)
    _, vectors_DD = np.linalg.eigh(centred_nD.T @ centred_nD)
    return np.asarray(np.square(centred_nD @ vectors_DD[:, -1]))
