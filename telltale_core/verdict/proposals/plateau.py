"""Samples on the loss plateau: a trigger that comes with labels at random (untargeted poison).

What the proxy learns of such a trigger is that the label cannot be told: the samples' loss goes to the entropy of the
labels and hardly moves any more, while clean samples, hard ones too, swing as they are learnt. So their motion gets a
second mode on its still side. Along which direction it shows best is learnt: a linear discriminant of level, log spread
and log activity, quarter by quarter, tells the most still samples from the rest, each sample asked of one that was
fitted without it, so that a single mode stays single. Whether there are two is asked with Silverman's test: the
critical bandwidth, at which the density's second mode appears, against that of smoothed bootstrap samples with one
mode (Silverman, Using kernel density estimates to investigate multimodality, J. R. Statist. Soc. B 43, 1981); here
only modes on the still side of the highest one count.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft, rfft
from scipy.stats import entropy, gumbel_r
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis, QuadraticDiscriminantAnalysis

from telltale_core.verdict.config import VerdictConfig
from telltale_core.verdict.constants import PLATEAU, SPLIT
from telltale_core.verdict.correction import level_of_each, number_of_tests
from telltale_core.verdict.evidence import Evidence
from telltale_core.verdict.kind import Kind
from telltale_core.verdict.proposal import Proposal
from telltale_core.verdict.significance import gumbel


@dataclass(frozen=True, slots=True, kw_only=True)
class LossPlateau:
    """``chance`` (N,) in [0, 1] of being on the loss plateau, how separate the modes are, and ``p_value`` of one mode.

    ``separation`` is the critical bandwidth over the mean of those with one mode, in standard deviations of the latter.
    ``near_guess``: the still side has the loss of a guess, and its labels are as diverse as the drop's. ``tested``
    False: no labels, or too few samples.
    """

    chance: NDArray[np.float64]
    separation: float
    p_value: float
    near_guess: bool
    tested: bool


def propose(evidence: Evidence) -> list[Proposal]:
    """Return the samples on the loss plateau as one proposal over all labels; nothing where it cannot be tested.

    No chance is above zero where the still side has not the loss of a guess: then nobody is suspected.
    """
    order, labels, config = evidence.order, evidence.labels, evidence.config
    if labels is None or not evidence.grouping.one_class_each:
        return []
    spectra = evidence.spectra
    plateau = find_loss_plateau(spectra.motion[order], spectra.finite[order], labels[order], config)
    if not plateau.tested:
        return []
    chance_N = np.zeros(len(order))
    if plateau.near_guess:
        chance_N[order] = plateau.chance
    tests = number_of_tests([True, *(first.tested for first in evidence.earlier)])
    return [
        Proposal(
            kind=Kind.GUESS,
            number=len(evidence.cohorts),
            cohort=None,
            label=None,
            name="any label, at random",
            rows=np.arange(len(order)),
            chance=chance_N,
            statistic=plateau.separation,
            required=deviations_needed(level_of_each(config.false_alarm_rate, tests)),
            simulate=lambda: plateau.p_value,
            stands_alone=plateau.near_guess,
        )
    ]


def find_loss_plateau(
    motion_NQ3: NDArray[np.float64],
    finite_N: NDArray[np.bool_],
    labels: NDArray[np.int64] | None,
    config: VerdictConfig,
) -> LossPlateau:
    """Return which samples are on the loss plateau, and the significance of their being a group.

    ``motion_NQ3``: level, log spread and log activity of each sample's log loss, quarter by quarter. Rows come in a
    canonical order.
    """
    chance_N = np.zeros(len(motion_NQ3))
    nothing = LossPlateau(chance=chance_N, separation=0.0, p_value=1.0, near_guess=False, tested=False)
    if labels is None or int(finite_N.sum()) < PLATEAU.fewest:
        return nothing
    motion_nQ3 = motion_NQ3[finite_N]
    rng = np.random.default_rng(config.seed)
    still_n = _standardised(_stillness(motion_nQ3, rng))
    if not np.ptp(still_n):
        return nothing
    bandwidth, null = _test(still_n, rng)
    separation = (bandwidth - float(np.mean(null))) / max(float(np.std(null)), PLATEAU.least_spread)
    p = float(max(gumbel_r.sf(separation, **gumbel()), 1e-300))
    side_n = _still_side(still_n, float(np.mean(null)))
    near = False
    if config.min_cluster <= side_n.sum() <= len(side_n) / 2:
        chance_N[finite_N] = _grown(still_n, side_n)
        level = float(np.median(motion_nQ3[side_n, :, 0].mean(axis=1)))
        near = _at_random(level, labels[finite_N], side_n)
    return LossPlateau(chance=chance_N, separation=separation, p_value=p, near_guess=near, tested=True)


def deviations_needed(p_value: float) -> float:
    """Return the ``separation`` that has this p-value."""
    return float(gumbel_r.isf(p_value, **gumbel()))


def _stillness(motion_nQ3: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Return how little each sample moves (n,), the lower the stiller, along the direction that shows it best."""
    plain_n = np.asarray(motion_nQ3[:, :, 1:].sum(axis=(1, 2)))
    began_n = plain_n <= np.quantile(plain_n, PLATEAU.most_still)
    if began_n.all():
        return plain_n
    value_nD = motion_nQ3.reshape(len(motion_nQ3), -1) - np.median(motion_nQ3, axis=0).ravel()
    value_nD = value_nD / np.maximum(value_nD.std(axis=0), 1e-12)
    score_n = np.empty(len(plain_n))
    fold_n = rng.permutation(len(plain_n)) % PLATEAU.folds
    for fold in range(PLATEAU.folds):
        fitted_n, inside_n = fold_n != fold, began_n
        for _ in range(PLATEAU.rounds):
            if inside_n[fitted_n].all() or not inside_n[fitted_n].any():
                return plain_n
            model = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=PLATEAU.shrinkage)
            along_n = -model.fit(value_nD[fitted_n], inside_n[fitted_n]).decision_function(value_nD)
            inside_n = along_n <= np.quantile(along_n[fitted_n], PLATEAU.most_still)
        score_n[~fitted_n] = _standardised(along_n, fitted_n)[~fitted_n]
    return score_n


def _standardised(value_n: NDArray[np.float64], by_n: NDArray[np.bool_] | slice = slice(None)) -> NDArray[np.float64]:
    """Return the values in units of the spread of those in ``by_n``, from their median."""
    quarter, middle, three = np.quantile(value_n[by_n], (0.25, 0.5, 0.75))
    return np.asarray((value_n - middle) / (three - quarter if three > quarter else 1.0) * 1.349)


def _at_random(level: float, labels: NDArray[np.int64], side_n: NDArray[np.bool_]) -> bool:
    """Return whether the still side has the loss of a guess, and labels as diverse as the drop's."""
    of_all, of_side = _entropy(labels), _entropy(labels[side_n])
    near = abs(level - np.log(max(of_all, 1e-12))) < PLATEAU.near_guess
    return bool(near and of_side >= PLATEAU.at_random * of_all)


def _entropy(labels: NDArray[np.int64]) -> float:
    """Return the entropy of the labels in nats: the loss of knowing nothing but how frequent each label is.

    With the correction of Miller and Madow: the entropy of few draws is too low.
    """
    count_K = np.bincount(labels)
    return float(entropy(count_K) + (np.count_nonzero(count_K) - 1) / (2 * len(labels)))


class _Density:
    """Gaussian kernel densities of one sample at any bandwidth, on a grid, by convolution."""

    def __init__(self, value_n: NDArray[np.float64]) -> None:
        low, high = np.quantile(value_n, (PLATEAU.outside, 1 - PLATEAU.outside))
        inner_n = value_n[(value_n >= low) & (value_n <= high)]
        counts, edge = np.histogram(inner_n, bins=PLATEAU.grid, range=(low - PLATEAU.widest, high + PLATEAU.widest))
        self.centres = (edge[1:] + edge[:-1]) / 2
        self._spectrum = rfft(counts, 2 * PLATEAU.grid)
        self._frequency = 2 * np.pi * np.fft.rfftfreq(2 * PLATEAU.grid, d=edge[1] - edge[0])

    def at(self, bandwidth: float) -> NDArray[np.float64]:
        smoothed = self._spectrum * np.exp(-0.5 * (bandwidth * self._frequency) ** 2)
        return np.asarray(irfft(smoothed, 2 * PLATEAU.grid)[: PLATEAU.grid])

    def modes(self, bandwidth: float) -> tuple[int, list[int]]:
        """Return the grid points of the highest mode and of those on its still side that rise above rounding."""
        heights = self.at(bandwidth)
        floor = 1e-9 * heights.max()
        inner = (heights[1:-1] > heights[:-2] + floor) & (heights[1:-1] >= heights[2:])
        top = int(heights.argmax())
        return top, [int(mode) for mode in np.flatnonzero(inner) + 1 if mode < top]

    def critical(self) -> float:
        """Return the smallest bandwidth at which there is no mode on the still side."""
        low, high = PLATEAU.finest, PLATEAU.widest
        for _ in range(PLATEAU.halvings):
            middle = float(np.sqrt(low * high))
            low, high = (middle, high) if self.modes(middle)[1] else (low, middle)
        return high


def _test(still_n: NDArray[np.float64], rng: np.random.Generator) -> tuple[float, list[float]]:
    """Return the critical bandwidth, and those of smoothed bootstrap samples, which have one mode and its spread."""
    bandwidth = _Density(still_n).critical()
    centre, shrink = still_n.mean(), np.sqrt(1 + bandwidth**2 / still_n.var())
    null = []
    for _ in range(PLATEAU.bootstraps):
        drawn_n = rng.choice(still_n, len(still_n)) - centre
        smooth_n = drawn_n + bandwidth * rng.standard_normal(len(still_n))
        null.append(_Density(centre + smooth_n / shrink).critical())
    return bandwidth, null


def _still_side(still_n: NDArray[np.float64], bandwidth: float) -> NDArray[np.bool_]:
    """Return which samples lie on the still side of the deepest valley between the highest mode and the next one."""
    density = _Density(still_n)
    top, modes = density.modes(bandwidth)
    if not modes:
        return np.zeros(len(still_n), dtype=bool)
    heights = density.at(bandwidth)
    mode = max(modes, key=lambda point: heights[point])
    valley = mode + int(heights[mode : top + 1].argmin())
    return np.asarray(still_n < density.centres[valley])


def _grown(still_n: NDArray[np.float64], side_n: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return each sample's chance of the still side under one Gaussian a side; beyond that side's mean it is its own.

    Fitted once to the sides of the valley: more rounds creep into the clean samples (measured).
    """
    model = QuadraticDiscriminantAnalysis(reg_param=SPLIT.regularised).fit(still_n[:, None], side_n)
    chance_n = np.asarray(model.predict_proba(still_n[:, None])[:, 1])
    return np.where(still_n <= still_n[side_n].mean(), np.maximum(chance_n, SPLIT.beyond_mean), chance_n)
