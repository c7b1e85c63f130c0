"""Ranges of targets: how large they are, and what ties, several targets and single rows do to them."""

from __future__ import annotations

import numpy as np

from telltale_core.drop.cohorts import common_label_sets, ranges_of_targets
from telltale_core.label_sets import LabelSets


def test_a_range_of_a_few_samples_is_joined_with_the_smaller_of_its_neighbours() -> None:
    targets = np.r_[np.full(5, -1.0), np.zeros(1_100), np.full(280, 1.0), np.full(320, 2.0), np.full(295, 3.0)]
    cohorts = ranges_of_targets(targets)
    assert cohorts is not None
    assert np.bincount(cohorts.number).tolist() == [1_105, 280, 320, 295]
    assert cohorts.names[0] == "-1 to 0"
    assert ranges_of_targets(np.r_[np.full(5, -1.0), np.zeros(1_700), np.ones(295)]) is None


def test_a_list_of_one_target_is_that_target() -> None:
    targets = np.random.default_rng(0).normal(size=1_000)
    alone, listed = ranges_of_targets(targets), ranges_of_targets(targets[:, None])
    assert alone is not None
    assert listed is not None
    assert alone.number.tolist() == listed.number.tolist()
    assert alone.names == listed.names


def test_one_row_does_not_choose_which_of_several_targets_counts() -> None:
    random = np.random.default_rng(0)
    first = random.laplace(size=2_000)
    targets = np.stack([first, 0.5 * first + random.normal(size=2_000)], axis=1)
    plain = ranges_of_targets(targets)
    targets[7, 1] = 1e6
    moved = ranges_of_targets(targets)
    assert plain is not None
    assert moved is not None
    assert (plain.number == moved.number).mean() > 0.98


def test_sets_that_are_too_rare_to_be_compared_alone_are_counted() -> None:
    sets = np.zeros((460, 3), dtype=np.int64)
    sets[:200, 0] = sets[200:430, 1] = sets[430:, 2] = 1
    sets[430:445, 0] = 1  # two rare sets, in one cohort
    cohorts = common_label_sets(LabelSets.of_flags(sets), ("x", "y", "z"))
    assert cohorts is not None
    assert cohorts.names == ("y", "x", "other sets")
    assert cohorts.pooled == 30
