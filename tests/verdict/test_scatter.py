"""Samples that scatter otherwise than their label: told by how they scatter, called by a leave-out retraining alone."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from telltale_core.drop.cohorts import Cohorts
from telltale_core.losslog import LossLog
from telltale_core.spectrum import SpectrumConfig, transform
from telltale_core.verdict import Retrain, TelltaleDetector, VerdictConfig
from telltale_core.verdict.conclude import Decisions, conclude_on
from telltale_core.verdict.constants import SCATTER as CONSTANTS
from telltale_core.verdict.leave_out import Side, leave_out
from telltale_core.verdict.proposals.scatter import refined, split_by_scatter
from telltale_core.verdict.statement import MAY_BE_WRONG_LABELS, caveats, least_p_value
from tests.support.loss_logs import Case, make_case, rearranged

N, D = 900, 8


@pytest.mark.slow
def test_one_gaussian_scatters_one_way() -> None:
    for seed in range(3):
        point_nD = np.random.default_rng(seed).normal(size=(N, D)) * np.linspace(1, 0.3, D)
        assert abs(split_by_scatter(point_nD, 10, 0).excess) < 0.1


def test_heavy_tails_scatter_one_way() -> None:
    rng = np.random.default_rng(0)
    point_nD = rng.normal(size=(N, D)) / np.sqrt(rng.chisquare(4, size=(N, 1)) / 4)
    assert abs(split_by_scatter(point_nD, 10, 0).excess) < 0.25


def test_two_scatters_with_one_centre_are_told_apart() -> None:
    point_nD, inside_n = two_scatters(seed=1)
    scatter = split_by_scatter(point_nD, 10, 0)
    assert scatter.excess > 0.5
    assert roc_auc_score(inside_n, scatter.chance) > 0.97


def test_of_many_samples_some_are_fitted_and_all_are_placed(monkeypatch: pytest.MonkeyPatch) -> None:
    constants = dataclasses.replace(CONSTANTS, most=500)
    monkeypatch.setattr("telltale_core.verdict.proposals.scatter.SCATTER", constants)
    point_nD, inside_n = two_scatters(seed=2)
    assert roc_auc_score(inside_n, split_by_scatter(point_nD, 10, 0).chance) > 0.95


def test_all_features_draw_the_border_better_than_few() -> None:
    rng = np.random.default_rng(3)
    inside_n = np.arange(N) < 200
    feature_nF = rng.normal(size=(N, 40)) + 0.9 * np.outer(inside_n, rng.normal(size=40))
    began_n = np.where(rng.random(N) < 0.15, ~inside_n, inside_n).astype(float)
    found_n = refined(feature_nF, began_n, 10, 0) > 0.5
    assert (found_n == inside_n).mean() > 0.98
    assert (refined(feature_nF, np.zeros(N), 10, 0) == 0).all(), "no side, nothing to refine"


def two_scatters(seed: int) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    rng = np.random.default_rng(seed)
    inside_n = rng.random(N) < 0.25
    wide, tall = np.linspace(2, 0.2, D), np.linspace(0.2, 2, D)
    return rng.normal(size=(N, D)) * np.where(inside_n[:, None], tall, wide), inside_n


@pytest.fixture(scope="module")
def scattered() -> Case:
    """A log whose poison has the mean trajectory of its label, but swings along other directions."""
    case = make_case(samples=1500, labels=5, poison=100, swing=0.0)
    rng = np.random.default_rng(5)
    own = rng.normal(0, 1, (int(case.truth.sum()), 5)) @ rng.normal(0, 1.2, (5, case.log.log_loss.shape[1]))
    losses = case.log.log_loss.astype(np.float64)
    losses[case.truth] += 1 + own
    log = LossLog.from_array(losses.astype(np.float32), sample_ids=case.log.sample_ids)
    return Case(log=log, labels=case.labels, truth=case.truth)


def decided(case: Case, look: Retrain | None, **settings: object) -> Decisions:
    config = VerdictConfig(**settings)
    spectra = transform(case.log.log_loss, case.labels, SpectrumConfig())
    cohorts = Cohorts(number=case.labels, names=None)
    return conclude_on(case.log.sample_ids, spectra, cohorts, config, look)


def answering(case: Case, own: float) -> Retrain:
    """A look that gives that share of the poison its own label, the rest any other, and all else what it is."""
    before = np.where(case.truth, np.arange(len(case.labels)) % 4, case.labels)
    return lambda _: np.where(np.random.default_rng(0).random(len(before)) < own, case.labels, before)


@pytest.mark.slow
def test_it_is_called_where_the_retraining_gives_it_other_labels(scattered: Case) -> None:
    decisions = decided(scattered, answering(scattered, 0.0))
    held = decisions.decision == "quarantine"
    assert held[scattered.truth].mean() > 0.9
    assert held[~scattered.truth].mean() < 0.01
    (group,) = (group for group in decisions.groups if group.called)
    assert (group.kind, group.label, group.confirmed) == ("scatter", 4, True)
    assert group.quarantined == held.sum()
    assert group.p_value is not None
    assert group.p_value <= 0.01
    assert "swings" in decisions.reason[np.flatnonzero(held)[0]]


@pytest.mark.slow
@pytest.mark.parametrize("own", [0.2, 0.9])
def test_it_is_kept_where_many_get_their_own_label(scattered: Case, own: float) -> None:
    decisions = decided(scattered, answering(scattered, own))
    assert not (decisions.decision == "quarantine").any()
    asked = [group for group in decisions.groups if group.kind == "scatter"]
    assert [(group.called, group.label) for group in asked] == [(False, 4)]
    assert least_p_value(decisions.groups) > 0.01, "that many get another answer is no evidence by itself"


@pytest.mark.slow
def test_without_a_retraining_it_is_told_and_nothing_is_called(scattered: Case) -> None:
    assert decided(scattered, None).not_retrained
    assert not decided(scattered, None, leave_out=False).not_retrained
    assert not (decided(scattered, None).decision == "quarantine").any()


@pytest.mark.slow
def test_a_statement_says_how_they_were_found(scattered: Case) -> None:
    detector = TelltaleDetector().fit(scattered.log, scattered.labels, answering(scattered, 0.0))
    assert detector.statement_.startswith("Poison, or wrong labels that all went to one, found: ")
    assert "swing otherwise than their like" in detector.statement_
    assert MAY_BE_WRONG_LABELS in caveats(detector.groups_, 0)
    assert "a proxy that learnt without" in detector.statement_
    kept = TelltaleDetector().fit(scattered.log, scattered.labels, answering(scattered, 0.9))
    assert kept.statement_.startswith("No poison found")


@pytest.mark.slow
def test_permuting_rows_permutes_the_verdict(scattered: Case) -> None:
    order = np.random.default_rng(9).permutation(len(scattered.labels))
    moved = Case(log=rearranged(scattered.log, order), labels=scattered.labels[order], truth=scattered.truth[order])
    by_id = answering(scattered, 0.0)
    one = decided(scattered, by_id)
    two = decided(moved, lambda left_out: by_id(left_out)[order])  # type: ignore[index]
    assert np.array_equal(one.decision[order], two.decision)
    assert np.array_equal(one.suspicion[order], two.suspicion)


def test_more_is_asked_of_what_is_nothing_but_unlike() -> None:
    number_N = np.repeat(np.arange(6), 200)
    answers = np.where(np.arange(60) < 9, 0, 1 + np.arange(60) % 5)  # 15 % get their own label

    def look(_: NDArray[np.bool_]) -> NDArray[np.int64]:
        return np.concatenate([answers, number_N[60:]])

    for strict in (False, True):
        side = Side(rows=np.arange(60), rest=np.arange(60, 200), strict=strict)
        retrainings = leave_out([side], number_N, look, level=0.01, seed=0)
        assert retrainings is not None
        assert retrainings[0].confirmed is not strict


@pytest.mark.slow
def test_the_border_is_drawn_in_no_label_that_gains_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing it takes most of the time, and nothing would be asked of it."""

    def sides(*_: object) -> NDArray[np.float64]:
        raise AssertionError("asked of a label without a covariance shift")

    monkeypatch.setattr("telltale_core.verdict.proposals.scatter.sides_of", sides)
    case = make_case(samples=1500, labels=5, poison=0)
    decisions = conclude_on(
        case.log.sample_ids,
        transform(case.log.log_loss, case.labels, SpectrumConfig()),
        Cohorts(number=case.labels, names=None),
        VerdictConfig(leave_out=True),
        lambda _: None,
    )
    assert (decisions.decision == "keep").all()
