"""Which proposals are settled by their own figures, and which a proof is asked about."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from telltale_core.verdict import VerdictConfig
from telltale_core.verdict.doubt import in_doubt, most_doubtful, unclear, with_p_values, worth_asking
from telltale_core.verdict.kind import Kind
from telltale_core.verdict.proposal import Proposal

CONFIG = VerdictConfig()


def proposal(share: float, p: float | None = 1e-6, **changed: Any) -> Proposal:
    fields: dict[str, Any] = {
        "kind": Kind.TOGETHER, "number": 0, "cohort": 0, "label": 0, "name": None, "rows": np.arange(4),
        "chance": np.array([1.0, 0.9, 0.1, 0.0]), "statistic": 6 * share, "required": 6.0, "simulate": lambda: 1.0,
    }  # fmt: skip
    return Proposal(p_value=p, **{**fields, **changed})


@pytest.mark.parametrize(
    ("candidate", "expected"),
    [
        (proposal(1.2), True),
        (proposal(1.2, 0.5), False),
        (proposal(1.2, None), False),
        (proposal(1.6), False),
        (proposal(1.6, larger=True), True),
        (proposal(0.9), False),
        (proposal(1.6, None, stands_alone=False), True),
        (proposal(1.2, cohort=None), True),
        (proposal(1.2, kind=Kind.GUESS, cohort=None), False),
    ],
)
def test_a_call_is_unclear_up_to_one_and_a_half_times_what_is_required(candidate: Proposal, expected: bool) -> None:
    assert unclear(candidate, CONFIG) is expected


def test_below_the_rule_the_most_separate_one_raises_doubt_where_it_is_significant() -> None:
    proposals = [proposal(0.5), proposal(0.7, None), proposal(0.8), proposal(1.6)]
    assert most_doubtful(proposals) == 2
    assert in_doubt(proposals, CONFIG)
    assert not in_doubt([*proposals, proposal(0.9, None)], CONFIG), "a weaker one raises none"
    assert most_doubtful([proposal(0.5), proposal(1.6)]) is None


@pytest.mark.parametrize(
    ("candidate", "expected"),
    [
        (proposal(0.7), True),
        (proposal(0.7, None), True),
        (proposal(0.7, 0.5), False),
        (proposal(0.5), False),
        (proposal(3.0), True),
        (proposal(0.7, chance=np.zeros(4)), False),
        (proposal(1.0, statistic=2.0, required=2.0), False),
        (proposal(1.0, statistic=2.0, required=2.0, stands_alone=False), True),
        (proposal(3.0, cohort=None), True),
        (proposal(3.0, kind=Kind.GUESS, cohort=None), False),
    ],
)
def test_a_proof_is_asked_about_what_may_be_called_and_stands_apart(candidate: Proposal, expected: bool) -> None:
    assert worth_asking(candidate, CONFIG) is expected


def simulated(share: float, p: float, **changed: Any) -> Proposal:
    return proposal(share, None, simulate=lambda: p, **changed)


def p_values_of(*proposals: Proposal) -> list[float | None]:
    return [one.p_value for one in with_p_values(proposals, CONFIG, provable=True)]


def test_a_p_value_is_corrected_for_what_could_be_tested() -> None:
    p_values = p_values_of(simulated(2.0, 0.001), simulated(0.1, 0.5), simulated(0.1, 0.5, tested=False))
    assert p_values == [0.002, None, None]


def test_near_ones_the_nearest_and_what_no_proof_is_asked_about_are_simulated() -> None:
    p_values = p_values_of(simulated(0.96, 0.5), simulated(0.5, 0.5), simulated(0.1, 0.2, kind=Kind.GUESS, cohort=None))
    assert [p is not None for p in p_values] == [True, False, True]
    assert p_values_of(simulated(0.5, 0.5), simulated(0.3, 0.5)) == [1.0, None]


def test_the_one_on_which_a_proof_hangs_is_simulated_where_nothing_else_is_in_doubt() -> None:
    clear = p_values_of(simulated(2.0, 1e-6), simulated(0.8, 1e-6), simulated(0.7, 1e-6))
    assert [p is not None for p in clear] == [True, True, False]
    doubted = p_values_of(simulated(1.1, 1e-6), simulated(0.8, 1e-6))
    assert [p is not None for p in doubted] == [True, False]
