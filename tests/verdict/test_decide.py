"""The table of decisions, without a training: every combination of facts, and how decisions on one sample merge."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from telltale_core import verdict
from telltale_core.verdict.decide import (
    TABLE,
    UNNAMED,
    Facts,
    Ruling,
    Strength,
    as_markdown,
    merge,
    rule_for,
    strength_of,
    uniform,
)
from telltale_core.verdict.kind import Kind
from telltale_core.verdict.proposal import Proof, Proposal

BELOW, NEARLY, ENOUGH, CLEAR = Strength
OPEN, CONFIRMED, UNSHOWN, REFUTED = Proof
KEPT, SET_ASIDE, HELD = ("keep",) * 3, ("review", "review", "keep"), ("review",) * 3
CALLED, PROVEN = ("quarantine", "quarantine", "review"), ("quarantine", "review", "review")


def decided(significant: bool, strength: Strength, proof: Proof, enough: bool) -> tuple[str, str, str]:
    rule = rule_for(Facts(significant=significant, strength=strength, proof=proof, enough=enough))
    return rule.suspected, rule.own_answer, rule.between


@pytest.mark.parametrize("enough", [True, False])
@pytest.mark.parametrize("proof", Proof)
@pytest.mark.parametrize("strength", Strength)
def test_what_is_not_significant_is_kept(strength: Strength, proof: Proof, enough: bool) -> None:
    assert decided(False, strength, proof, enough) == KEPT


@pytest.mark.parametrize(
    ("strength", "proof", "enough", "expected"),
    [
        (BELOW, OPEN, True, KEPT),
        (BELOW, OPEN, False, KEPT),
        (BELOW, REFUTED, True, KEPT),
        (BELOW, REFUTED, False, KEPT),
        (BELOW, CONFIRMED, True, PROVEN),
        (BELOW, UNSHOWN, True, SET_ASIDE),
        (BELOW, UNSHOWN, False, SET_ASIDE),
        (BELOW, CONFIRMED, False, HELD),
        (NEARLY, OPEN, True, SET_ASIDE),
        (NEARLY, OPEN, False, SET_ASIDE),
        (NEARLY, REFUTED, True, SET_ASIDE),
        (NEARLY, REFUTED, False, SET_ASIDE),
        (NEARLY, CONFIRMED, True, PROVEN),
        (NEARLY, UNSHOWN, True, SET_ASIDE),
        (NEARLY, UNSHOWN, False, SET_ASIDE),
        (NEARLY, CONFIRMED, False, HELD),
        (ENOUGH, OPEN, True, CALLED),
        (ENOUGH, OPEN, False, HELD),
        (ENOUGH, REFUTED, True, SET_ASIDE),
        (ENOUGH, REFUTED, False, SET_ASIDE),
        (ENOUGH, CONFIRMED, True, CALLED),
        (ENOUGH, CONFIRMED, False, HELD),
        (CLEAR, OPEN, True, CALLED),
        (CLEAR, OPEN, False, HELD),
        (CLEAR, REFUTED, True, CALLED),
        (CLEAR, REFUTED, False, HELD),
        (CLEAR, CONFIRMED, True, CALLED),
        (CLEAR, CONFIRMED, False, HELD),
    ],
)
def test_what_is_significant_is_decided_by_strength_proof_and_copies(
    strength: Strength, proof: Proof, enough: bool, expected: tuple[str, str, str]
) -> None:
    assert decided(True, strength, proof, enough) == expected


def test_every_line_of_the_table_decides_something() -> None:
    every = itertools.product((True, False), Strength, Proof, (True, False))
    used = {rule_for(Facts(significant=a, strength=b, proof=c, enough=d)) for a, b, c, d in every}
    assert used == set(TABLE)
    assert len({rule.because for rule in TABLE}) == len(TABLE), "a report names the line by it"


def test_the_readme_shows_the_table() -> None:
    page = Path(verdict.__file__).with_name("README.md").read_text(encoding="utf-8")
    assert as_markdown() in page


@pytest.fixture
def proposal() -> Callable[[float], Proposal]:
    def make(share: float) -> Proposal:
        return Proposal(
            kind=Kind.TOGETHER, number=0, cohort=0, label=0, name=None, rows=np.arange(4),
            chance=np.array([1, 0.9, 0, 0]), statistic=5 * share, required=5.0, simulate=lambda: 1.0,
        )  # fmt: skip

    return make


@pytest.mark.parametrize(
    ("share", "strength"),
    [(0.94, BELOW), (0.95, NEARLY), (0.99, NEARLY), (1.0, ENOUGH), (1.49, ENOUGH), (1.5, CLEAR), (3.0, CLEAR)],
)
def test_strength_is_the_share_of_what_is_required(
    share: float, strength: Strength, proposal: Callable[[float], Proposal]
) -> None:
    assert strength_of(proposal(share)) is strength
    alone = dataclasses.replace(proposal(share), stands_alone=False)
    assert strength_of(alone) is BELOW, "what only a proof may call says nothing by itself"
    assert strength_of(proposal(share).turned_round()) is BELOW, "the figures were about the other side"


@pytest.mark.parametrize(
    ("statistic", "required", "strength"),
    [
        (-0.1, -0.2, CLEAR),  # of a loss plateau, where half of all clean drops may be called
        (-0.3, -0.2, BELOW),
        (0.0, 0.0, CLEAR),
        (-0.1, 0.0, BELOW),
        (3.1 * (1 - 1e-14), 3.1, ENOUGH),  # equal but for rounding
        (3.1 * (1 - 1e-6), 3.1, NEARLY),
    ],
)
def test_what_reaches_what_is_required_is_no_near_miss(
    statistic: float, required: float, strength: Strength, proposal: Callable[[float], Proposal]
) -> None:
    candidate = dataclasses.replace(proposal(1.0), statistic=statistic, required=required)
    assert strength_of(candidate) is strength


def test_the_worse_decision_wins_in_any_order() -> None:
    rulings = [
        uniform(np.array([0, 1]), "quarantine", "poison", suspicion=0.9, cluster=1),
        uniform(np.array([1, 2]), "review", "near", suspicion=0.4, cluster=2),
        uniform(np.array([2, 3]), "keep", "hard"),
    ]
    for order in itertools.permutations(rulings):
        columns = merge(5, order)
        assert columns.decision.tolist() == ["quarantine", "quarantine", "review", "keep", "keep"]
        assert columns.reason.tolist() == ["poison", "poison", "near", "hard", UNNAMED]
        assert columns.cluster.tolist() == [1, 1, 2, -1, -1]
        assert columns.suspicion.tolist() == [0.9, 0.9, 0.4, 0.0, 0.0]


def test_of_equal_decisions_the_later_one_gives_reason_and_cluster() -> None:
    row = np.array([0])
    columns = merge(1, [uniform(row, "review", "first", cluster=1), uniform(row, "review", "second", cluster=2)])
    assert (columns.reason[0], columns.cluster[0]) == ("second", 2)


def test_a_ruling_without_a_reason_changes_nothing_but_suspicion() -> None:
    silent = Ruling(
        rows=np.array([0]), suspicion=np.array([0.3]), decision=np.array(["keep"]),
        reason=np.array([None], dtype=object), cluster=7,
    )  # fmt: skip
    columns = merge(1, [uniform(np.array([0]), "keep", "hard"), silent])
    assert (columns.suspicion[0], columns.reason[0], columns.cluster[0]) == (0.3, "hard", -1)


def test_merging_leaves_the_rulings_as_they_were() -> None:
    ruling = uniform(np.array([0]), "review", "first", cluster=1)
    merge(1, [ruling, uniform(np.array([0]), "quarantine", "second", cluster=2)])
    assert (ruling.decision.tolist(), ruling.reason.tolist()) == (["review"], ["first"])
