"""What becomes of hand-made proposals: how one rule speaks of its rows, and how several speak of the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from telltale_core.verdict.conclude import decide_on
from telltale_core.verdict.decide import CALLED, CONFIRMED, NEAR_MISS, REFUTED, TABLE, Columns, Rule, merge, ruling_on
from telltale_core.verdict.experiment import Trial, Tried
from telltale_core.verdict.kind import Kind
from telltale_core.verdict.near_duplicates import Copies
from telltale_core.verdict.proof import Outcome
from telltale_core.verdict.proposal import Proof, Proposal
from telltale_core.verdict.record import TRIGGERS, TriggerTest
from tests.support.proposals import INSIDE, ROWS, evidence, outcome, proposal

NOTHING: Mapping[int, Outcome] = {}


def decided(*proposals: Proposal, outcomes: Mapping[int, Outcome] = NOTHING) -> Columns:
    return merge(2 * ROWS, [one.ruling for one in decide_on(proposals, outcomes, evidence())])


def rule_of(one: Proposal, said: Outcome | None = None, copies: Copies | None = None) -> Rule:
    (judged,) = decide_on([one], {} if said is None else {one.number: said}, evidence(copies))
    return judged.rule


def numbers(columns: Columns, decision: str) -> list[int]:
    return np.flatnonzero(columns.decision == decision).tolist()


def secondary(share: float, **changed: object) -> Proposal:
    """What the first split leaves of its label, split once more: the last ten rows are suspected."""
    rows = np.arange(INSIDE, ROWS)
    chance_n = (rows >= ROWS - 10).astype(float)
    return proposal(share, number=3, rows=rows, chance=chance_n, **changed)


def test_where_a_proof_turns_to_the_other_side_a_near_miss_in_it_does_not_spare_its_rows() -> None:
    first = proposal(0.8, chance=np.repeat([0.9, 0.0], [INSIDE, ROWS - INSIDE]))
    turned = outcome(Proof.CONFIRMED, suspects=ROWS - INSIDE, turned=True)
    for second, said in ((secondary(0.97), {}), (secondary(1.2), {3: outcome(Proof.REFUTED, suspects=10)})):
        judged = decide_on([first, second], {0: turned, **said}, evidence())
        assert [one.rule for one in judged] == [CONFIRMED, REFUTED if said else NEAR_MISS]
        columns = merge(2 * ROWS, [one.ruling for one in judged])
        assert numbers(columns, "quarantine") == list(range(INSIDE, ROWS))
        assert not numbers(columns, "review")
        assert set(columns.cluster[INSIDE:ROWS]) == {0}


def test_a_confirmed_side_is_called_but_for_what_gets_its_own_label() -> None:
    columns = decided(proposal(0.8), outcomes={0: outcome(Proof.CONFIRMED, own_answer=4)})
    assert numbers(columns, "review") == [0, 1, 2, 3, INSIDE]
    assert numbers(columns, "quarantine") == list(range(4, INSIDE))
    assert (columns.suspicion[:4] < 0.5).all()
    assert (columns.suspicion[4:INSIDE] > 0.5).all()
    assert "its own answer" in str(columns.reason[0])
    assert "between" in str(columns.reason[INSIDE])


@pytest.mark.parametrize("rule", TABLE, ids=[rule.because for rule in TABLE])
def test_the_cell_on_own_labels_acts_in_every_line(rule: Rule) -> None:
    own_answer = np.arange(INSIDE) < 4
    said = ruling_on(proposal(), rule, ("suspected", "own", "between"), own_answer)
    assert said.decision[:4].tolist() == [rule.own_answer] * 4
    other = replace(rule, own_answer="keep" if rule.suspected == "review" else "review")
    again = ruling_on(proposal(), other, ("suspected", "own", "between"), own_answer)
    assert again.decision[: INSIDE + 1].tolist() == [other.own_answer] * 4 + [rule.suspected] * 8 + [rule.between]
    assert again.reason[: INSIDE + 1].tolist() == ["own"] * 4 + ["suspected"] * 8 + ["between"]


def test_what_is_called_by_its_own_figures_is_called_whatever_gets_its_own_label() -> None:
    columns = decided(proposal(1.2), outcomes={0: outcome(Proof.CONFIRMED, own_answer=4)})
    assert numbers(columns, "quarantine") == list(range(INSIDE))
    assert (columns.suspicion[:INSIDE] > 0.5).all()


@pytest.mark.parametrize(("share", "ceiling"), [(0.5, 0.5), (0.97, 0.97), (1.2, 1.0)])
def test_suspicion_of_what_is_not_called_grows_with_what_it_reaches(share: float, ceiling: float) -> None:
    said = {0: outcome(Proof.REFUTED)} if share > 1 else {}
    columns = decided(proposal(share), outcomes=said)
    assert columns.suspicion[0] == pytest.approx(0.9 * 0.49 * ceiling)


def plateau(*rows: int) -> Proposal:
    chance_N = np.zeros(2 * ROWS)
    chance_N[list(rows)] = 1.0
    return proposal(
        1.1, kind=Kind.GUESS, number=2, cohort=None, label=None, name=None, rows=np.arange(2 * ROWS), chance=chance_N
    )


def test_a_loss_plateau_is_judged_last_and_takes_what_the_others_keep() -> None:
    on_it = [*range(6), *range(60, 72)]
    columns = decided(plateau(*on_it), proposal(1.2))
    assert numbers(columns, "quarantine") == [*range(INSIDE), *range(60, 72)]
    assert set(columns.cluster[:INSIDE]) == {0}
    assert set(columns.cluster[60:72]) == {2}
    assert "moves in step" in str(columns.reason[0])
    assert "stays at that of a guess" in str(columns.reason[60])


def test_a_loss_plateau_that_is_not_called_suspects_nobody() -> None:
    columns = decided(replace(plateau(*range(60, 72)), p_value=0.5))
    assert not columns.suspicion.any()
    assert columns.kept.all()


def test_of_two_calls_on_a_sample_the_later_names_it() -> None:
    shift = proposal(1.2, kind=Kind.SCATTER, number=3, p_value=None, stands_alone=False)
    columns = decided(proposal(1.2), shift, outcomes={3: outcome(Proof.CONFIRMED)})
    assert set(columns.cluster[:INSIDE]) == {3}
    assert "swings" in str(columns.reason[0])


@pytest.mark.parametrize(
    ("share", "turned", "expected"),
    [(0.8, 190, "quarantine"), (0.8, 60, "keep"), (0.97, 190, "quarantine"), (0.97, 60, "review"), (1.2, 60, "review")],
)
def test_where_a_proof_can_tell_nothing_the_trigger_is_the_proof(share: float, turned: int, expected: str) -> None:
    asked: list[Trial] = []

    def experiment(trial: Trial) -> Tried:
        asked.append(trial)
        said = TriggerTest(words='the beginning "when you"', tried=200, turned=turned, at_random=10)
        return Tried(test=said, shown=TRIGGERS.empty_table())

    (judged,) = decide_on([proposal(share)], {0: outcome(Proof.OPEN, own_answer=9)}, evidence(), experiment)
    assert judged.ruling.decision[:INSIDE].tolist() == [expected] * INSIDE
    assert judged.tried is not None
    if expected == "quarantine":
        assert "turned 190 of them" in judged.ruling.reason[0]
        assert "learnt without" not in judged.ruling.reason[0]
    decide_on([proposal(share, p_value=0.2)], {0: outcome(Proof.OPEN)}, evidence(), experiment)
    assert len(asked) == 1, "what is not significant is not tried"


def test_a_call_stands_over_a_later_near_miss_on_the_same_rows() -> None:
    columns = decided(proposal(1.2), proposal(0.96, number=3))
    assert numbers(columns, "quarantine") == list(range(INSIDE))
    assert numbers(columns, "review") == [INSIDE]


def test_few_different_samples_are_no_verdict() -> None:
    group = np.arange(2 * ROWS)
    group[:INSIDE] = 0
    assert rule_of(proposal(1.2), copies=Copies(group=group, first=np.ones(2 * ROWS, dtype=bool))) is not CALLED
    assert rule_of(proposal(1.2)) is CALLED
