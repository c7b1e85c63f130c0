"""One correction for all that is tested, and p-values only where something hangs on them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from telltale_core.drop.cohorts import Cohorts
from telltale_core.spectrum import SpectrumConfig, transform
from telltale_core.verdict import VerdictConfig
from telltale_core.verdict.correction import corrected
from telltale_core.verdict.evidence import Evidence, collect
from telltale_core.verdict.proposal import Proposal
from tests.support.loss_logs import make_case


@pytest.fixture(scope="module")
def evidence() -> Evidence:
    case = make_case(samples=250, labels=5, poison=0)
    spectra = transform(case.log.log_loss, case.labels, SpectrumConfig())
    cohorts = Cohorts(number=case.labels, names=None)
    return collect(case.log.sample_ids, spectra, cohorts, VerdictConfig())


def proposal(share: float, p: float, **changed: Any) -> Proposal:
    fields: dict[str, Any] = {
        "kind": "together", "number": 0, "cohort": 0, "label": 0, "name": None, "rows": np.arange(2),
        "chance": np.array([1.0, 0.0]), "statistic": 5 * share, "required": 5.0, "simulate": lambda: p,
    }  # fmt: skip
    return Proposal(**{**fields, **changed})


def test_a_p_value_is_multiplied_by_the_number_of_tests(evidence: Evidence) -> None:
    made = corrected([proposal(2.0, 0.001), proposal(0.1, 0.5), proposal(0.1, 0.5, tested=False)], evidence)
    assert [one.p_value for one in made] == [0.002, None, None]


def test_near_ones_the_nearest_and_what_is_over_all_labels_are_simulated(evidence: Evidence) -> None:
    made = corrected([proposal(0.96, 0.5), proposal(0.5, 0.5), proposal(0.1, 0.2, cohort=None)], evidence)
    assert [one.p_value is not None for one in made] == [True, False, True]
    alone = corrected([proposal(0.5, 0.5), proposal(0.3, 0.5)], evidence)
    assert [one.p_value is not None for one in alone] == [True, False]


def test_the_one_on_which_a_proof_hangs_is_simulated_where_nothing_else_is_in_doubt(evidence: Evidence) -> None:
    clear = corrected([proposal(2.0, 1e-6), proposal(0.8, 1e-6), proposal(0.7, 1e-6)], evidence)
    assert [one.p_value is not None for one in clear] == [True, True, False]
    doubted = corrected([proposal(1.1, 1e-6), proposal(0.8, 1e-6)], evidence)
    assert [one.p_value is not None for one in doubted] == [True, False]
