"""Samples of any label that share a feature: proposed by the net's features, called by a leave-out retraining alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from telltale_core.drop.cohorts import Cohorts
from telltale_core.spectrum import SpectrumConfig, transform
from telltale_core.verdict import VerdictConfig
from telltale_core.verdict.clusters import reduce
from telltale_core.verdict.conclude import Decisions, conclude_on
from telltale_core.verdict.evidence import Cohort, Evidence, collect
from telltale_core.verdict.leave_out import Retrain
from telltale_core.verdict.proposal import Proposal
from telltale_core.verdict.proposals import features
from telltale_core.verdict.statement import state
from tests.support.loss_logs import Case, make_case
from tests.support.proposals import proposal

LABELS, SHARED, WIDTH = 6, 60, 24


def features_of(case: Case, shared_N: NDArray[np.bool_], *, seed: int = 1) -> NDArray[np.float32]:
    """Return features (N, F): labels lie apart, samples about them, shared ones all farther out in one direction."""
    rng = np.random.default_rng(seed)
    centre_KF = rng.normal(0, 4, (LABELS, WIDTH))
    feature_NF = centre_KF[case.labels] + rng.normal(size=(len(case.labels), WIDTH)) * np.linspace(1.5, 0.3, WIDTH)
    feature_NF[shared_N] += 12 * np.eye(WIDTH)[0] + rng.normal(0, 1.5, (int(shared_N.sum()), WIDTH))
    return feature_NF.astype(np.float32)


@pytest.fixture(scope="module")
def case() -> Case:
    return make_case(samples=720, labels=LABELS, poison=0)


@pytest.fixture(scope="module")
def shared(case: Case) -> NDArray[np.bool_]:
    """Ten samples of each label."""
    chosen_N = np.zeros(len(case.labels), dtype=bool)
    for label in range(LABELS):
        chosen_N[np.flatnonzero(case.labels == label)[: SHARED // LABELS]] = True
    return chosen_N


def evidence_on(case: Case, trained: NDArray[np.float32] | None, labels: NDArray[np.int64] | None = None) -> Evidence:
    number = case.labels if labels is None else labels
    spectra = transform(case.log.log_loss, number, SpectrumConfig())
    cohorts = Cohorts(number=number, names=None)
    return collect(case.log.sample_ids, spectra, cohorts, VerdictConfig(), trained=trained)


def proposed(
    case: Case, trained: NDArray[np.float32] | None, labels: NDArray[np.int64] | None = None
) -> list[Proposal]:
    return features.propose(evidence_on(case, trained, labels).after([proposal(number=LABELS)]))


def test_samples_of_all_labels_that_share_a_feature_are_proposed(case: Case, shared: NDArray[np.bool_]) -> None:
    (candidate,) = proposed(case, features_of(case, shared))
    assert shared[candidate.suspects].mean() > 0.95
    assert len(candidate.suspects) >= 0.95 * SHARED
    assert candidate.over_all_labels
    assert not candidate.stands_alone, "only a proof may call it"
    assert candidate.number == LABELS + 1


def test_nothing_is_proposed_of_clean_features(case: Case) -> None:
    for seed in range(3):
        assert not proposed(case, features_of(case, np.zeros(len(case.labels), dtype=bool), seed=seed))


def test_most_of_a_drop_is_not_suspected_by_a_shared_feature(case: Case) -> None:
    many_N = np.arange(len(case.labels)) % 5 < 2
    assert not proposed(case, features_of(case, many_N))


def test_nothing_is_proposed_where_it_cannot_be_proved(case: Case, shared: NDArray[np.bool_]) -> None:
    assert not proposed(case, None)
    assert not proposed(case, features_of(case, shared), case.labels % 3), "answers have nowhere to spread"
    damaged = features_of(case, shared)
    damaged[5, 3] = np.nan
    assert not proposed(case, damaged)
    assert not proposed(case, np.ones((len(case.labels), WIDTH), dtype=np.float32)), "a net that sees nothing"


def test_permuting_rows_permutes_the_proposal(case: Case, shared: NDArray[np.bool_]) -> None:
    trained, order = features_of(case, shared), np.random.default_rng(3).permutation(len(case.labels))
    (first,) = proposed(case, trained)
    log = type(case.log).from_array(case.log.log_loss[order], sample_ids=case.log.sample_ids[order])
    (second,) = proposed(Case(log=log, labels=case.labels[order], truth=case.truth[order]), trained[order])
    ids = case.log.sample_ids
    assert sorted(ids[first.suspects]) == sorted(ids[order][second.suspects])
    assert first.statistic == second.statistic


def decided(case: Case, trained: NDArray[np.float32], look: Retrain) -> Decisions:
    spectra = transform(case.log.log_loss, case.labels, SpectrumConfig())
    cohorts = Cohorts(number=case.labels, names=None)
    return conclude_on(case.log.sample_ids, spectra, cohorts, VerdictConfig(), look, trained=trained)


@pytest.mark.slow
def test_they_are_called_where_the_rest_of_the_drop_takes_them_for_other_labels(
    case: Case, shared: NDArray[np.bool_]
) -> None:
    before_N = np.where(shared, (case.labels + 1) % LABELS, case.labels)
    decisions = decided(case, features_of(case, shared), lambda _: before_N)
    assert (decisions.decision[shared] == "quarantine").mean() >= 0.95
    assert (decisions.decision[~shared] == "quarantine").mean() <= 0.01
    group = next(group for group in decisions.groups if group.called)
    assert (group.kind, group.label, group.confirmed) == ("features", None, True)
    assert "sees in it what it sees in" in decisions.reason[np.flatnonzero(shared)[0]]


@pytest.mark.slow
def test_honest_ones_keep_their_labels(case: Case, shared: NDArray[np.bool_]) -> None:
    asked: list[int] = []

    def look(left_out_N: NDArray[np.bool_]) -> NDArray[np.int64]:
        asked.append(int(left_out_N[shared].sum()))
        return case.labels

    decisions = decided(case, features_of(case, shared), look)
    assert max(asked) >= 0.95 * SHARED
    assert (decisions.decision == "keep").all()


@pytest.mark.slow
def test_what_a_label_is_called_for_keeps_that_reason() -> None:
    case = make_case(samples=720, labels=LABELS, poison=SHARED)
    before_N = np.where(case.truth, np.arange(len(case.labels)) % (LABELS - 1), case.labels)
    decisions = decided(case, features_of(case, case.truth), lambda _: before_N)
    assert (decisions.decision[case.truth] == "quarantine").mean() >= 0.95
    label, shared = (
        next(group for group in decisions.groups if group.called and group.kind == kind)
        for kind in ("together", "features")
    )
    assert (label.label, shared.called, shared.quarantined) == (LABELS - 1, True, 0)
    assert label.quarantined >= 0.95 * SHARED
    statement = state(decisions.groups, len(case.labels), VerdictConfig())
    assert "learn as one hidden feature" in statement
    assert "share a feature" not in statement


class Whole:
    """The components by one array of all features and a singular value decomposition, as they were before."""

    varied = True

    def __init__(self, trained_NF: NDArray[np.floating], cohorts: Sequence[Cohort]) -> None:
        self._centred = np.array(trained_NF, dtype=np.float64)
        for cohort in cohorts:
            self._centred[cohort.rows] -= np.median(self._centred[cohort.different], axis=0)

    def components(self, rows: NDArray[np.int64], dimensions: int) -> NDArray[np.float64]:
        return reduce(self._centred[rows], dimensions)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_decisions_are_those_of_all_features_at_once(
    case: Case, shared: NDArray[np.bool_], monkeypatch: pytest.MonkeyPatch, dtype: type
) -> None:
    before_N = np.where(shared, (case.labels + 1) % LABELS, case.labels)
    trained = features_of(case, shared).astype(dtype)
    by_label = decided(case, trained, lambda _: before_N)
    monkeypatch.setattr(features, "Centred", Whole)
    at_once = decided(case, trained, lambda _: before_N)
    np.testing.assert_array_equal(by_label.decision, at_once.decision)
    np.testing.assert_array_equal(by_label.reason, at_once.reason)
    assert by_label.groups == at_once.groups, "their figures are rounded to four digits"
    np.testing.assert_allclose(by_label.suspicion, at_once.suspicion, rtol=0, atol=1e-6)
