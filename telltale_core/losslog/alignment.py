"""Does every row of a log belong to the sample that it names? A check that needs no truth.

A sample that is hard at one snapshot is, on the whole, hard at the next: the rank correlation of neighbouring snapshots
over the samples is well above zero in every sound log, and zero within noise when rows were logged in shuffled loader
order. (A log whose rows are wrong in the *same* way at every snapshot cannot be told from a sound one: ids are written
by the loop that computes the losses, and that is what excludes it.)
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from telltale_core.errors import Misaligned, NothingLearnt

# Shuffled rows give 0. Sound logs: 0.44 at the lowest stretch of four CIFAR-10 logs of this recipe (single pairs down
# to 0.15); 0.26 to 0.45 where losses were logged at changing weights (a public rerun); by size 0.22 at the lowest
# stretch of 52 logs of recordings, texts, frames and rows, of which one had a signed mean of 0.08. 0.1 stands three
# standard errors or more from 0 wherever the check decides at all.
THRESHOLD = 0.1
# Neighbouring pairs that are judged together: one abrupt step of the weights alone must not condemn a log.
STRETCH_PAIRS = 5
AT_CHANCE = 0.98  # of the loss of guessing, or more: what is learnt at all is well below
FEWEST_BY_SIZE = 400  # the size of a correlation by chance, 0.8 / sqrt(N), is well below the threshold from here on


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Alignment:
    """How neighbouring snapshots agree: ``correlation`` (T - 1,) of each pair, ``lowest`` mean of a stretch.

    ``decided`` is False when there are too few samples and snapshots to tell zero from ``THRESHOLD``, and then nothing
    is claimed. ``lowest`` is NaN where no pair could be judged (one snapshot, or constant losses).
    """

    correlation: NDArray[np.float64]
    lowest: float
    decided: bool


def check_alignment(log_loss_NT: NDArray[np.float32], *, errors: bool = False, guess: float = math.inf) -> Alignment:
    """Return the alignment of a log; raise :class:`Misaligned` if any stretch of it has no rank correlation.

    A stretch is at least five neighbouring pairs, and as many more as it takes for
    three standard errors of zero, ``3 / sqrt((N - 1) * pairs)``, to fall below the threshold. Samples with a non-finite
    loss are left out. From 400 samples on the correlations' sizes are judged, near zero in a shuffled log, too: as long
    as a proxy takes all for one label, then for another, what was hard becomes easy, and they are negative.

    ``errors``: the losses are errors of a regression. When all predictions drift together, errors of either sign grow
    and shrink against each other, so that a sound log may have stretches without any: the mean size of all pairs'
    correlations is judged.

    ``guess``: the mean loss of guessing. The losses of a net that has learnt nothing are noise, in a sound log, too: a
    stretch without correlation is judged by the pairs of snapshots that were better than guessing. Where none was,
    :class:`NothingLearnt` is raised.
    """
    finite_N = np.isfinite(log_loss_NT).all(axis=1)
    kept_NT = log_loss_NT if finite_N.all() else log_loss_NT[finite_N]  # mostly all, and a copy is as large as the log
    correlation_E = _neighbour_correlation(kept_NT)
    means, at = _means(correlation_E, len(kept_NT), errors=errors)
    if len(means) and means.min() < THRESHOLD:
        learnt_T = np.exp(kept_NT, dtype=np.float64).mean(axis=0) < AT_CHANCE * guess
        if not learnt_T.any():
            raise NothingLearnt(_nothing(kept_NT, guess))
        learnt_E = np.where(learnt_T[:-1] & learnt_T[1:], correlation_E, np.nan)
        means, at = _means(learnt_E, len(kept_NT), errors=errors)
    if len(means) and means.min() < THRESHOLD:
        raise Misaligned(
            f"neighbouring snapshots are not rank-correlated: {means.min():.3f} over the pairs from snapshot "
            f"{at[means.argmin()]} on, expected at least {THRESHOLD}: the rows do not follow their sample ids (losses "
            "logged in shuffled order look so); train again and do not use this log"
        )
    lowest = float(means.min()) if len(means) else math.nan
    return Alignment(correlation=correlation_E, lowest=lowest, decided=len(means) > 0)


def _means(
    correlation_E: NDArray[np.float64], samples: int, *, errors: bool
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the mean over each stretch of known pairs, and where it begins; nothing where that decides nothing."""
    at = np.flatnonzero(np.isfinite(correlation_E))
    stretch = _stretch(samples, len(at))
    if stretch == 0 or (errors and samples < FEWEST_BY_SIZE):
        return np.empty(0), at
    judged = np.abs(correlation_E[at]) if samples >= FEWEST_BY_SIZE else correlation_E[at]
    stretch = len(judged) if errors else stretch
    return np.convolve(judged, np.full(stretch, 1.0 / stretch), mode="valid"), at


def _nothing(loss_NT: NDArray[np.float32], guess: float) -> str:
    least = float(np.exp(loss_NT, dtype=np.float64).mean(axis=0).min())
    return (
        f"the proxy learnt nothing: its mean loss was {least:.4g} at best, guessing has {guess:.4g}. "
        "Its losses say nothing of the samples, and no verdict can be made. Look whether the answers follow from the "
        "inputs at all (the right columns, labels not exchanged), then try another proxy.lr, more proxy.epochs, or "
        "another proxy.model"
    )


def _stretch(samples: int, pairs: int) -> int:
    """Return how many neighbouring pairs to judge together, 0 where there are too few to decide."""
    if samples < 2 or pairs == 0:
        return 0
    needed = math.ceil((3.0 / THRESHOLD) ** 2 / (samples - 1))
    return 0 if needed > pairs else min(pairs, max(STRETCH_PAIRS, needed))


def _neighbour_correlation(log_loss_NT: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return Spearman's correlation of each snapshot with the next, NaN where either is constant over the samples."""
    snapshots = log_loss_NT.shape[1]
    result = np.full(max(snapshots - 1, 0), np.nan)
    if len(log_loss_NT) < 2:
        return result
    before = _unit_ranks(log_loss_NT[:, 0])
    for t in range(1, snapshots):
        after = _unit_ranks(log_loss_NT[:, t])
        result[t - 1] = before @ after
        before = after
    return result


def _unit_ranks(value_N: NDArray[np.float32]) -> NDArray[np.float64]:
    from scipy.stats import rankdata  # here: reading a log should not take scipy.stats' import time

    rank_N = rankdata(value_N)
    rank_N -= rank_N.mean()
    norm = float(np.linalg.norm(rank_N))
    return np.asarray(rank_N / norm if norm > 0 else np.full_like(rank_N, np.nan), dtype=np.float64)
