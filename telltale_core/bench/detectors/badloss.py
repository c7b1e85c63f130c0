"""BaDLoss: samples whose loss trajectories are far from those of a few samples known to be clean.

Source: "Protecting against simultaneous data poisoning attacks" (BaDLoss), ICLR
2025, section 4: unstable epochs are dropped, k nearest clean trajectories, a set share is rejected.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from telltale_core.bench.detectors.contract import Detector, Evidence, Need, Opinion, Sizes, counted, top
from telltale_core.bench.detectors.evidence import the
from telltale_core.errors import ConfigError

CHUNK = 1024


@dataclass(kw_only=True)
class BadLoss(Detector):
    """Flags the ``share`` of samples with the largest mean distance to their ``neighbours`` nearest clean trajectories.

    Needs some samples *inside the drop* that somebody knows to be clean (the paper: 250); these are never flagged. A
    set share is flagged on any drop. ``suspicion_``: log(0.01 + mean distance). Complexity O(N M T); memory O(N T).
    """

    share: float = 0.4
    neighbours: int = 50
    memory_limit_bytes: int | None = None

    name: ClassVar[str] = "badloss"
    title: ClassVar[str] = "BaDLoss"
    source: ClassVar[str] = "BaDLoss, ICLR 2025"
    cost: ClassVar[str] = "O(N M T)"
    budgeted: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not 0 < self.share < 1 or self.neighbours < 1:
            raise ConfigError("share must be in (0, 1) and neighbours >= 1")

    @property
    def needs(self) -> frozenset[Need]:
        """The loss log, and known clean samples of the drop."""
        return frozenset({Need.LOSS_LOG, Need.KNOWN_CLEAN})

    def estimate_bytes(self, sizes: Sizes) -> int:
        """Return the losses in float64, twice, and a chunk's distances to at most all samples."""
        return 8 * (3 * sizes.n * sizes.t + 3 * CHUNK * min(sizes.n, 4096) + 6 * sizes.n) + (1 << 20)

    def judge(self, evidence: Evidence) -> Opinion:
        """Return the opinion: distances to clean trajectories, the largest flagged."""
        known_N = the(evidence.known_clean)
        if int(known_N.sum()) < 2:
            raise ConfigError(f"badloss needs at least 2 samples known to be clean, got {int(known_N.sum())}")
        loss_NT = np.exp(the(evidence.losslog).log_loss.astype(np.float64))
        kept_T = stable_snapshots(loss_NT.mean(axis=0))
        loss_NT = loss_NT[:, kept_T]
        suspicion_N = np.log(0.01 + _distances(loss_NT, np.flatnonzero(known_N), self.neighbours))
        ranked = np.where(known_N, -np.inf, suspicion_N)
        flagged_N = top(ranked, min(int(self.share * len(evidence)), int((~known_N).sum())))
        return Opinion(
            suspicion=suspicion_N,
            flagged=flagged_N,
            reason="its loss trajectory is among the farthest from those of the samples known to be clean",
            statement=counted(flagged_N, f": a set share; {int(known_N.sum())} samples were known to be clean"),
            details={"snapshots_kept": int(kept_T.sum()), "snapshots": len(kept_T)},
        )


def stable_snapshots(mean_T: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which snapshots (T,) stay: not those whose mean loss is above twice that of the last three that do."""
    snapshots: list[int] = []
    for t, mean in enumerate(mean_T):
        if len(snapshots) < 3 or mean <= 2 * np.mean(mean_T[snapshots[-3:]]):
            snapshots.append(t)
    return np.asarray(np.isin(np.arange(len(mean_T)), snapshots))


def _distances(loss_NT: NDArray[np.float64], clean: NDArray[np.int64], neighbours: int) -> NDArray[np.float64]:
    """Return the mean distance (N,) to the nearest of the clean trajectories, none to itself."""
    clean_RT = loss_NT[clean]
    count = min(neighbours, len(clean) - 1)
    square_R = np.square(clean_RT).sum(axis=1)
    place = np.full(len(loss_NT), -1)
    place[clean] = np.arange(len(clean))
    distances = []
    for start in range(0, len(loss_NT), CHUNK):
        part = loss_NT[start : start + CHUNK]
        away = np.sqrt(np.maximum(np.square(part).sum(axis=1)[:, None] + square_R - 2 * part @ clean_RT.T, 0))
        own = place[start : start + CHUNK]
        away[np.flatnonzero(own >= 0), own[own >= 0]] = np.inf
        distances.append(np.partition(away, count - 1, axis=1)[:, :count].mean(axis=1))
    return np.concatenate(distances)
