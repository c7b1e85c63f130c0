"""The leave-out retraining: whether the rest of the drop gives a doubtful cluster its label, too.

A split that is significant but not as separate as required is an honest sub-mode of its label, or a poison that the
proxy learnt less evenly. The rest of the drop tells them apart: a proxy that learns without the cluster still finds the
label of honest samples, or takes all of them for one or two others that look like them. Poison that took its samples
from anywhere is taken for what it was before, in all directions. So one more proxy is trained, without the doubtful
clusters and without some other samples of the same labels, drawn at random, and asked about all that it did not see.

Source: the exclusionary reclassification of Activation Clustering (Chen et al., SafeAI 2019), which compares own and
most frequent other answer; here it is asked of clusters of losses, held against samples left out at random, and the
spread of the answers counts. It cannot confirm poison whose label is right (clean label) or was taken from one label.
Among two or three labels the answers have nowhere to spread: there it confirms nothing, and refutes a cluster that is
given its own label.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import entropy, fisher_exact

from telltale_core.verdict.constants import PROOF
from telltale_core.verdict.near_duplicates import Copies

Retrain = Callable[[NDArray[np.bool_]], NDArray[np.int64] | None]
"""Takes which samples (N,) are left out of a training; returns the cohort (N,) that the proxy gives to each sample.

None where the training came to nothing: the verdict then stands without a leave-out retraining.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """A suspected cluster: its rows, and those that it is compared with (one of each copy): the rest of its cohort.

    ``harder``: its losses lie higher than the rest's by more than is usual, as those of wrong labels do. ``strict``: it
    is nothing but a covariance shift, which a label's hard samples are, too: more is asked of it, but it may be harder.
    ``mixed``: honest samples are expected among its rows, and those given their own label are not called.
    """

    rows: NDArray[np.int64]
    rest: NDArray[np.int64]
    harder: bool = False
    strict: bool = False
    mixed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Retraining:
    """What a proxy that learnt without a cluster says of it; shares in [0, 1].

    ``own``: given their own label; ``usual``: the same of samples left out at random; ``spread``: of the other answers,
    1 where they are as diverse as so many drawn from the drop. ``confirmed``: it is poison; ``refuted``: it is not
    confirmed, by a proxy that knew its label well enough to tell. ``honest`` (n,), a bool for each of its rows: not
    called all the same, as it is given its own label, where that is many.
    ``p_value``: the chance of so few own answers, were they given to it and to the random ones alike (Fisher's test).
    """

    own: float
    usual: float
    spread: float
    confirmed: bool
    refuted: bool
    honest: NDArray[np.bool_]
    p_value: float


def leave_out(
    sides: Sequence[Side],
    number_N: NDArray[np.int64],
    retrain: Retrain,
    *,
    level: float,
    seed: int,
    copies: Copies | None = None,
) -> list[Retraining] | None:
    """Return what one training without all ``sides`` says of each; None where it came to nothing.

    ``number_N`` is every sample's cohort, ``level`` the chance at which two shares differ; rows come in a canonical
    order, of which ``seed`` draws the samples to compare with. Near-duplicates, as ``copies`` has them, are left out
    together, for a proxy knows a sample of which it learnt a copy, and weigh as one in what is compared.
    """
    rng, copies = np.random.default_rng(seed), copies or Copies.none(len(number_N))
    left_out_N = np.zeros(len(number_N), dtype=bool)
    left_out_N[np.concatenate([side.rows for side in sides])] = True
    suspected_N = copies.with_copies(left_out_N, number_N)
    different = [copies.one_of_each_here(side.rows) for side in sides]
    controls = [
        _control(len(rows), side.rest[~suspected_N[side.rest]], rng)
        for rows, side in zip(different, sides, strict=True)
    ]
    for control in controls:
        left_out_N[control] = True
    answer_N = retrain(copies.with_copies(left_out_N, number_N))
    if answer_N is None:
        return None
    sizes_K = np.bincount(number_N[copies.first], minlength=int(number_N.max()) + 1)
    return [
        _compared(side, answer_N, number_N, rows=rows, beside=control, sizes_K=sizes_K, level=level, seed=seed)
        for side, rows, control in zip(sides, different, controls, strict=True)
    ]


def _control(size: int, free: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Return ``size`` of the free rows, but at most a fifth of them."""
    return rng.choice(free, min(size, int(np.ceil(PROOF.control * len(free)))), replace=False)


def _compared(
    side: Side,
    answer_N: NDArray[np.int64],
    number_N: NDArray[np.int64],
    *,
    rows: NDArray[np.int64],
    beside: NDArray[np.int64],
    sizes_K: NDArray[np.int64],
    level: float,
    seed: int,
) -> Retraining:
    """Return what the answers say of a side, of which ``rows`` are the different ones, against those ``beside`` it."""
    own_N = answer_N == number_N
    own, usual = int(own_N[rows].sum()), int(own_N[beside].sum())
    within_K = np.bincount(number_N[rows], minlength=len(sizes_K)) / len(rows)
    spread = _spread(answer_N[rows[~own_N[rows]]], within_K, sizes_K, seed)
    table = [[own, len(rows) - own], [usual, len(beside) - usual]]
    chance = float(fisher_exact(table, alternative="less").pvalue)
    fewer = chance <= level
    share, usual_share = own / len(rows), usual / max(1, len(beside))
    most = max(PROOF.most_own, PROOF.mixed * usual_share)
    enough_labels = np.count_nonzero(sizes_K) > PROOF.least_others
    differs = fewer and share <= most and not side.harder
    confirmed = differs and enough_labels and spread >= PROOF.least_spread
    if side.strict:
        confirmed = fewer and share <= PROOF.few_own and spread >= PROOF.wide_spread
    telling = usual_share >= PROOF.telling * float(within_K @ sizes_K) / sizes_K.sum()
    return Retraining(
        own=round(share, 4),
        usual=round(usual_share, 4),
        spread=round(spread, 4),
        confirmed=bool(confirmed),
        refuted=bool(telling and not confirmed and (enough_labels or not differs)),
        honest=own_N[side.rows] & (side.mixed or share > PROOF.most_own),
        p_value=chance,
    )


def _spread(others: NDArray[np.int64], within_K: NDArray[np.float64], sizes_K: NDArray[np.int64], seed: int) -> float:
    """Return the entropy of the other answers as a share of that of as many random ones.

    ``within_K`` is the share of each cohort in the side: a sample's random answer is any cohort but its own, by size.
    """
    sizes = sizes_K.astype(np.float64)
    away_K = np.where(sizes < sizes.sum(), within_K / np.maximum(sizes.sum() - sizes, 1e-300), 0.0)
    room_K = sizes * (away_K.sum() - away_K)
    drawn_GK = np.random.default_rng(seed).multinomial(len(others), room_K / room_K.sum(), PROOF.draws)
    most = float(entropy(drawn_GK, axis=1).mean()) if len(others) > 1 else 0.0
    return float(entropy(np.bincount(others))) / most if most > 0 else 0.0
