"""What keeps a verdict on a million samples within minutes: the same results, and one stated cap."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from numpy.typing import NDArray

from telltale_core.drop.cohorts import Cohorts
from telltale_core.verdict import VerdictConfig, evidence, split
from telltale_core.verdict.constants import SPLIT
from telltale_core.verdict.decide import merge, uniform
from telltale_core.verdict.near_duplicates import Copies, find_copies
from telltale_core.verdict.record import Group
from telltale_core.verdict.split import Split, examine
from telltale_core.verdict.statement import caveats
from tests.support.proposals import evidence as evidence_on

LARGE = "was sought among 10,000 samples of each"


@pytest.mark.parametrize("finite_share", [1.0, 0.7])
def test_other_samples_are_all_but_both_sides(finite_share: float) -> None:
    rng = np.random.default_rng(0)
    one = evidence_on(samples=300)
    spectra = dataclasses.replace(one.spectra, level=rng.normal(size=300), finite=rng.random(300) < finite_share)
    copies = Copies(group=np.arange(300), first=rng.random(300) < 0.8)
    one = dataclasses.replace(one, spectra=spectra, copies=copies)
    for rows, rest in ((np.arange(20), np.arange(20, 90)), (np.arange(0, 300, 2), np.arange(1, 300, 2))):
        others = np.setdiff1d(np.flatnonzero(spectra.finite), np.concatenate([rows, rest]))
        level = spectra.level[copies.one_of_each(others if len(others) else rest)]
        usual = 1.4826 * float(np.median(np.abs(level - np.median(level))))
        height = float(np.median(spectra.level[rows]) - np.median(spectra.level[rest]))
        assert one.step(rows, rest) == (height, usual)


@pytest.mark.parametrize("labels", [[3], [0, 0, 0], [5, 1, 5, 9, 1, 1, 5], []])
def test_one_sort_gives_the_rows_of_each_label_in_their_order(labels: list[int]) -> None:
    number = np.array(labels, dtype=np.int64)
    rows = np.random.default_rng(0).permutation(len(number))
    parts = evidence._parts(rows, Cohorts(number=number, names=None))
    expected = [(int(label), rows[number[rows] == label].tolist()) for label in np.unique(number[rows])]
    assert [(label, part.tolist()) for label, part in parts] == expected


def test_copies_are_grouped_as_their_leaders_are() -> None:
    rng = np.random.default_rng(0)
    ids = np.array([f"id-{number:03d}" for number in rng.permutation(200)])
    leaders = np.where(rng.random(200) < 0.5, ids[rng.integers(0, 20, 200)], ids)
    copies = find_copies(ids, leaders, [np.arange(100), np.arange(100, 200)])
    assert ((copies.group[:, None] == copies.group) == (leaders[:, None] == leaders)).all()
    alone = find_copies(ids, ids, [np.arange(200)])
    assert alone.first.all()
    assert len(np.unique(alone.group)) == 200


def test_the_worse_decision_wins_and_of_equal_ones_the_later_with_a_reason() -> None:
    rows = np.arange(4)
    silent = dataclasses.replace(uniform(rows, "quarantine", ""), reason=np.full(4, None, dtype=object))
    rulings = [
        uniform(rows[:3], "review", "first", cluster=1),
        uniform(rows[1:2], "review", "later"),
        silent,
        uniform(rows[2:3], "quarantine", "worse", cluster=7),
        uniform(rows, "keep", "kept"),
    ]
    columns = merge(5, rulings)
    assert columns.decision.tolist() == ["review", "review", "quarantine", "keep", "keep"]
    assert columns.reason[:4].tolist() == ["first", "later", "worse", "kept"]
    assert columns.cluster.tolist() == [1, -1, 7, -1, -1]


@pytest.mark.parametrize(("samples", "searched"), [(400, 400), (401, 400)])
def test_of_a_larger_label_a_stated_number_is_searched(
    samples: int, searched: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = []

    def note(points: NDArray[np.float64], _least: int, _seed: int) -> Split:
        sizes.append(len(points))
        return Split(chance=None, separation=0.0, radius=1.0)

    monkeypatch.setattr(split, "best_split", note)
    features = np.random.default_rng(0).normal(size=(samples, 6))
    assert len(examine(features, VerdictConfig(), most=400).chance) == samples
    assert set(sizes) == {searched}


def test_up_to_ten_thousand_samples_a_label_nothing_is_left_out() -> None:
    assert SPLIT.searched(3) == examine.__defaults__[-1] == 10_000  # type: ignore[index]


@pytest.mark.parametrize(("samples", "said"), [(10_000, False), (10_001, True)])
def test_the_record_says_where_a_part_was_searched(samples: int, said: bool) -> None:
    group = Group(label=2, label_name="cat", samples=samples, size=0, statistic=1.0, threshold=5.0, p_value=1.0,
                  tested=True, called=False)  # fmt: skip
    assert any(LARGE in line and "cat" in line for line in caveats([group], 0)) is said
