"""Samples that are compared with each other: those of one label, or, where there are no labels, of like answers.

A poison teaches one answer. In classification that is a label; in regression a target value, so that its samples lie
in one narrow range of targets; in multi-label classification a set of labels. The ranges are quantiles of the drop's
own targets: nothing is known of the poison.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from telltale_core.drop.grouping import Grouping
from telltale_core.label_sets import LabelSets

MOST_RANGES = 10
LEAST_IN_RANGE = 200
"""Sets of labels with fewer samples are not told from chance and joined with others; so are ranges with below half."""
FURTHEST = 8.0
"""Several targets are joined into one number with each cut at so many deviations: no row alone may turn the axis."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Cohorts:
    """``number`` (N,) int64 in the order of ``names``; ``grouping``: what a cohort is.

    ``pooled`` samples have answers that are too rare for a cohort of their own and are in one together.
    """

    number: NDArray[np.int64]
    names: tuple[str, ...] | None
    grouping: Grouping = Grouping.LABEL
    pooled: int = 0


def ranges_of_targets(targets: NDArray[np.float64]) -> Cohorts | None:
    """Return at most ten ranges of (N,) targets with a like number of samples; None for fewer than three.

    Equal targets are never parted, so that a range may be larger; one with fewer than 100 samples is joined with the
    smaller of its neighbours. Of several targets (N, M), each scaled by its quartiles, the first principal component is
    taken.
    """
    value_N = targets.reshape(len(targets)) if targets.size == len(targets) else _component(targets)
    ranges = min(MOST_RANGES, len(value_N) // LEAST_IN_RANGE)
    edges = np.unique(np.quantile(value_N, np.arange(1, ranges) / ranges)) if ranges >= 3 else np.empty(0)
    number = np.searchsorted(edges, value_N, side="right").astype(np.int64)
    number = _joined(np.bincount(number, minlength=len(edges) + 1))[number]
    if number.max(initial=0) < 2:
        return None
    if targets.size > len(targets):
        names = tuple(f"{place + 1}" for place in range(number.max() + 1))
    else:
        ends = [(value_N[number == place].min(), value_N[number == place].max()) for place in range(number.max() + 1)]
        names = tuple(f"{low:.4g}" if low == high else f"{low:.4g} to {high:.4g}" for low, high in ends)
    return Cohorts(number=number, names=_distinct(names), grouping=Grouping.TARGET_RANGE)


def common_label_sets(sets: LabelSets, names: tuple[str, ...] | None) -> Cohorts | None:
    """Return a cohort for each set of labels that is frequent, the last for all others; None for fewer than three."""
    bits_GB, number, counts = np.unique(sets.bits, axis=0, return_inverse=True, return_counts=True)
    number = number.reshape(-1)
    frequent = np.flatnonzero(counts >= LEAST_IN_RANGE)
    place = np.full(len(counts), len(frequent), dtype=np.int64)
    place[frequent] = np.arange(len(frequent))
    if len(np.unique(place)) < 3:
        return None
    label_names = names or tuple(str(label) for label in range(sets.num_labels))
    flags_GK = LabelSets(bits=bits_GB[frequent], num_labels=sets.num_labels)[:]
    listed = [" + ".join(label_names[label] for label in np.flatnonzero(flag_K)) or "no label" for flag_K in flags_GK]
    number, names = place[number], _distinct((*listed, "other sets"))
    return Cohorts(number=number, names=names, grouping=Grouping.LABEL_SET, pooled=int((number == len(frequent)).sum()))


def _joined(sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the new number of each of neighbouring ranges of these sizes, those that are too small joined."""
    groups = [[place] for place in range(len(sizes))]
    group_sizes = [int(size) for size in sizes]
    while len(groups) > 1 and min(group_sizes) < LEAST_IN_RANGE // 2:
        least = group_sizes.index(min(group_sizes))
        beside = [place for place in (least - 1, least + 1) if 0 <= place < len(groups)]
        into = min(beside, key=lambda place: group_sizes[place])
        first, second = sorted((least, into))
        groups[first : second + 1] = [groups[first] + groups[second]]
        group_sizes[first : second + 1] = [group_sizes[first] + group_sizes[second]]
    number = np.empty(len(sizes), dtype=np.int64)
    for place, group in enumerate(groups):
        number[group] = place
    return number


def _component(target_NM: NDArray[np.float64]) -> NDArray[np.float64]:
    low_M, middle_M, high_M = np.quantile(target_NM, (0.25, 0.5, 0.75), axis=0)
    spread_M = np.where(high_M > low_M, high_M - low_M, target_NM.std(axis=0))
    scaled_NM = ((target_NM - middle_M) / np.where(spread_M > 0, spread_M, 1.0)).clip(-FURTHEST, FURTHEST)
    axis_M = np.linalg.eigh(np.cov(scaled_NM.T))[1][:, -1]
    return np.asarray(scaled_NM @ (axis_M * np.sign(axis_M[np.abs(axis_M).argmax()])))


def _distinct(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names, numbered where two are alike once they are rounded."""
    if len(set(names)) == len(names):
        return names
    return tuple(f"{name} ({place + 1})" for place, name in enumerate(names))
