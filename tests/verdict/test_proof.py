"""What the outcome of a proof does to a proposal."""

from __future__ import annotations

from typing import Any

import numpy as np

from telltale_core.verdict.kind import Kind
from telltale_core.verdict.proof import Outcome
from telltale_core.verdict.proposal import Proof, Proposal


def proposal(**changed: Any) -> Proposal:
    fields: dict[str, Any] = {
        "kind": Kind.TOGETHER, "number": 0, "cohort": 0, "label": 0, "name": None, "rows": np.arange(3),
        "chance": np.array([1.0, 0.0, 0.0]), "statistic": 6.0, "required": 5.0, "simulate": lambda: 1e-4, "family": 10,
    }  # fmt: skip
    return Proposal(**{**fields, **changed})


def outcome(proof: Proof, *, turned: bool = False) -> Outcome:
    own_answer = np.zeros(1, dtype=bool)
    return Outcome(proof=proof, own=0.1, usual=0.8, spread=0.9, own_answer=own_answer, p_value=1e-3, turned=turned)


def test_what_is_not_refuted_gets_its_p_value_for_all_tests() -> None:
    assert outcome(Proof.CONFIRMED).applied(proposal()).p_value == 10 * 1e-4
    assert outcome(Proof.OPEN).applied(proposal()).p_value == 10 * 1e-4
    assert outcome(Proof.REFUTED).applied(proposal()).p_value is None


def test_the_p_value_of_a_covariance_shift_is_that_of_the_proof() -> None:
    assert outcome(Proof.REFUTED).applied(proposal(kind=Kind.SCATTER)).p_value == 10 * 1e-3


def test_a_proof_may_turn_to_the_other_side() -> None:
    before = proposal()
    after = outcome(Proof.CONFIRMED, turned=True).applied(before)
    assert after.suspects.tolist() == [1, 2]
    assert (after.turned, after.stands_alone) == (True, False)
    assert before.suspects.tolist() == [0]
