"""The leave-out retraining: asked where there is doubt alone.

It confirms what the rest of the drop takes for something else.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from numpy.typing import NDArray

from telltale_core.drop.cohorts import Cohorts
from telltale_core.spectrum import SpectrumConfig, transform
from telltale_core.verdict import Retrain, TelltaleDetector, VerdictConfig
from telltale_core.verdict.conclude import Decisions, conclude_on
from telltale_core.verdict.experiment import Trial, Tried
from telltale_core.verdict.leave_out import Retraining, Side, leave_out
from telltale_core.verdict.record import TRIGGERS, TriggerTest
from telltale_core.verdict.review_questions import questions_on
from telltale_core.verdict.statement import caveats
from tests.support.loss_logs import Case, make_case, rearranged

COHORTS, EACH, INSIDE = 6, 200, 60


def looked(answers: NDArray[np.int64], *, unseen: float = 0.9, harder: bool = False) -> Retraining:
    """Return what is made of these answers for a cluster of cohort 0, where others unseen are mostly told right."""
    number_N = np.repeat(np.arange(COHORTS), EACH)

    def look(left_out_N: NDArray[np.bool_]) -> NDArray[np.int64]:
        assert left_out_N[:INSIDE].all()
        assert left_out_N.sum() == INSIDE + round(0.2 * (EACH - INSIDE))
        assert not left_out_N[EACH:].any(), "only of the cluster's own cohort"
        answer_N = number_N.copy()
        answer_N[np.random.default_rng(0).random(len(number_N)) > unseen] = 1
        answer_N[:INSIDE] = answers
        return answer_N

    side = Side(rows=np.arange(INSIDE), rest=np.arange(INSIDE, EACH), harder=harder)
    retrainings = leave_out([side], number_N, look, level=0.01, seed=0)
    assert retrainings is not None
    return retrainings[0]


def anywhere(own: int) -> NDArray[np.int64]:
    """Answers of which ``own`` are cohort 0 and the others spread over all cohorts."""
    return np.where(np.arange(INSIDE) < own, 0, 1 + np.arange(INSIDE) % (COHORTS - 1))


def test_a_cluster_taken_for_anything_but_its_label_is_confirmed() -> None:
    retraining = looked(anywhere(3))
    assert (retraining.confirmed, retraining.refuted, retraining.own) == (True, False, 0.05)
    assert retraining.usual > 0.8
    assert retraining.spread > 0.95


def test_a_cluster_whose_label_is_found_without_it_is_not() -> None:
    assert not looked(np.zeros(INSIDE, dtype=np.int64)).confirmed
    assert not looked(anywhere(30)).confirmed


def test_a_cluster_that_looks_like_one_or_two_others_is_not() -> None:
    retraining = looked(np.full(INSIDE, 4))
    assert (retraining.confirmed, retraining.refuted, retraining.own, retraining.spread) == (False, True, 0.0, 0.0)
    retraining = looked(1 + np.arange(INSIDE) % 2)
    assert (retraining.confirmed, retraining.refuted) == (False, True)


def test_of_a_cluster_of_both_what_is_told_right_is_not_called() -> None:
    """Up to half as many own answers as of others: those samples are honest, as far as the retraining can tell."""
    retraining = looked(anywhere(24))
    assert (retraining.confirmed, retraining.own) == (True, 0.4)
    np.testing.assert_array_equal(np.flatnonzero(retraining.honest), np.arange(24))
    assert not looked(anywhere(24), unseen=0.6).confirmed, "where the proxy tells less, less is usual"
    assert not looked(anywhere(3)).honest.any(), "a poison among whose samples some happen to be told right"


def test_answers_that_spread_over_a_few_labels_do_not_confirm() -> None:
    """Honest ones of the demo's digits that stand on a foot: taken for three other digits, hardly ever for a one."""
    retraining = looked(1 + np.arange(INSIDE) % 3)
    assert (retraining.confirmed, retraining.refuted) == (False, True)


def test_samples_with_wrong_labels_are_harder_and_not_confirmed() -> None:
    assert not looked(anywhere(0), harder=True).confirmed


def test_a_proxy_that_tells_nothing_confirms_and_refutes_nothing() -> None:
    retraining = looked(anywhere(3), unseen=0.1)
    assert (retraining.confirmed, retraining.refuted) == (False, False)
    assert not looked(np.full(INSIDE, 1), unseen=0.1).refuted, "as where it takes everything for one label"


def test_few_answers_among_many_labels_are_as_diverse_as_they_can_be() -> None:
    number_N = np.repeat(np.arange(100), 40)
    answer_N = number_N.copy()
    answer_N[:12] = np.random.default_rng(1).choice(np.arange(1, 100), 12)
    side = Side(rows=np.arange(12), rest=np.arange(12, 40))
    retrainings = leave_out([side], number_N, lambda _: answer_N, level=0.01, seed=0)
    assert retrainings is not None
    assert (retrainings[0].confirmed, retrainings[0].refuted) == (True, False)
    assert 0.9 < retrainings[0].spread < 1.1


@pytest.mark.parametrize("cohorts", [2, 3])
@pytest.mark.parametrize("own", [3, INSIDE])
def test_among_two_or_three_labels_nothing_is_confirmed_and_what_gets_its_own_is_refuted(
    cohorts: int, own: int
) -> None:
    number_N = np.repeat(np.arange(cohorts), EACH)
    answer_N = number_N.copy()
    answer_N[own:INSIDE] = 1
    side = Side(rows=np.arange(INSIDE), rest=np.arange(INSIDE, EACH))
    retrainings = leave_out([side], number_N, lambda _: answer_N, level=0.01, seed=0)
    assert retrainings is not None
    assert (retrainings[0].confirmed, retrainings[0].refuted) == (False, own == INSIDE)


def test_a_training_that_came_to_nothing_says_nothing() -> None:
    side = Side(rows=np.arange(12), rest=np.arange(12, 40))
    assert leave_out([side], np.repeat(np.arange(9), 40), lambda _: None, level=0.01, seed=0) is None


@pytest.fixture(scope="module")
def doubtful() -> tuple[Case, VerdictConfig]:
    """A poisoned log, and a rule that its cluster misses by a fifth."""
    case = make_case(samples=750, labels=5, poison=60)
    detector = TelltaleDetector().fit(case.log, case.labels)
    most = max(group.statistic for group in detector.groups_ if group.kind == "together")
    return case, VerdictConfig(min_separation=1.25 * most)


def as_it_was(case: Case) -> Retrain:
    """A look that takes every sample for what it is: poisoned ones for what they were before."""
    before = np.where(case.truth, np.arange(len(case.labels)) % 4, case.labels)

    def look(left_out_N: NDArray[np.bool_]) -> NDArray[np.int64]:
        assert left_out_N[case.truth].mean() > 0.9
        return before

    return look


@pytest.mark.slow
def test_a_doubtful_cluster_is_called_where_the_retraining_confirms_it(doubtful: tuple[Case, VerdictConfig]) -> None:
    case, config = doubtful
    without = TelltaleDetector(verdict=config).fit(case.log, case.labels)
    assert not without.flagged_.any()
    detector = TelltaleDetector(verdict=config).fit(case.log, case.labels, as_it_was(case))
    assert detector.flagged_[case.truth].mean() >= 0.9
    assert detector.flagged_[~case.truth].mean() <= 0.01
    assert "a proxy that learnt without that cluster gives" in detector.statement_
    assert "a proxy that learnt without that cluster gives" in detector.reason_[np.flatnonzero(detector.flagged_)[0]]
    group = next(group for group in detector.groups_ if group.called)
    assert group.confirmed
    assert group.own is not None
    assert group.own < 0.1
    assert group.statistic < group.threshold


def decided(case: Case, config: VerdictConfig, look: Retrain | None) -> Decisions:
    """Return the decisions on a log, as the detector makes them."""
    spectra = transform(case.log.log_loss, case.labels, SpectrumConfig())
    cohorts = Cohorts(number=case.labels, names=None)
    return conclude_on(case.log.sample_ids, spectra, cohorts, config, look)


@pytest.mark.slow
def test_a_retraining_that_was_called_for_and_not_taken_is_told(doubtful: tuple[Case, VerdictConfig]) -> None:
    case, config = doubtful
    by_none, by_some = decided(case, config, None), decided(case, config, as_it_was(case))
    assert by_none.not_retrained
    assert decided(case, config, lambda _: None).not_retrained
    assert not by_some.not_retrained
    assert not decided(case, config.replace(leave_out=False), None).not_retrained
    assert [question.code for question in questions_on(by_none, config)] == ["leave_out_not_done"]
    assert not questions_on(by_some, config)


@pytest.mark.slow
def test_a_groups_counts_are_those_of_its_cluster(doubtful: tuple[Case, VerdictConfig]) -> None:
    case, config = doubtful
    decisions = decided(case, config, as_it_was(case))
    assert sum(group.quarantined for group in decisions.groups) == (decisions.decision == "quarantine").sum() > 0
    assert sum(group.review for group in decisions.groups) == (decisions.decision == "review").sum()
    for group in decisions.groups:
        own = decisions.decision[decisions.cluster == group.number]
        assert ((own == "quarantine").sum(), (own == "review").sum()) == (group.quarantined, group.review)


@pytest.mark.slow
def test_two_clusters_that_take_a_label_away_need_a_person() -> None:
    case = make_case(samples=900, labels=5, poison=60)
    decisions = decided(case, VerdictConfig(), None)
    first = dataclasses.replace(decisions.groups[0], samples=200, quarantined=120)
    second = dataclasses.replace(first, samples=80, quarantined=40, label_name="0 (secondary cluster)")
    alone = dataclasses.replace(second, label=1)
    asked = questions_on(dataclasses.replace(decisions, groups=(first, second)), VerdictConfig())
    assert [question.code for question in asked] == ["label_quarantined"]
    assert not questions_on(dataclasses.replace(decisions, groups=(first, alone)), VerdictConfig())


@pytest.mark.slow
def test_of_a_doubtful_cluster_of_both_the_honest_go_to_review(doubtful: tuple[Case, VerdictConfig]) -> None:
    case, config = doubtful
    honest_rows = np.flatnonzero(case.truth)[::3]  # as if these were honest

    def look(left_out_N: NDArray[np.bool_]) -> NDArray[np.int64]:
        answer_N = as_it_was(case)(left_out_N)
        answer_N[honest_rows] = case.labels[honest_rows]
        return answer_N

    detector = TelltaleDetector(verdict=config).fit(case.log, case.labels, look)
    others = np.setdiff1d(np.flatnonzero(case.truth), honest_rows)
    assert detector.flagged_[others].mean() >= 0.9
    assert (detector.decision_[honest_rows] == "review").mean() >= 0.9
    assert detector.suspicion_[honest_rows].max() < 0.5
    assert any("gives it its own answer" in reason for reason in detector.reason_[honest_rows])


@pytest.mark.slow
def test_a_doubtful_cluster_is_kept_where_a_retraining_does_not_confirm_it(
    doubtful: tuple[Case, VerdictConfig],
) -> None:
    case, config = doubtful
    detector = TelltaleDetector(verdict=config).fit(case.log, case.labels, lambda _: case.labels)
    assert not detector.flagged_.any()
    assert "A leave-out retraining did not confirm the group that was doubtful" in detector.statement_


@pytest.fixture(scope="module")
def unclear() -> tuple[Case, VerdictConfig]:
    """A poisoned log, and a rule that its cluster meets by a fifth more than is required."""
    case = make_case(samples=750, labels=5, poison=60)
    detector = TelltaleDetector().fit(case.log, case.labels)
    most = max(group.statistic for group in detector.groups_ if group.kind == "together")
    return case, VerdictConfig(min_separation=most / 1.2)


@pytest.mark.slow
def test_a_call_stands_where_the_retraining_does_not_refute_it(unclear: tuple[Case, VerdictConfig]) -> None:
    case, config = unclear
    assert TelltaleDetector(verdict=config).fit(case.log, case.labels).flagged_[case.truth].mean() >= 0.9
    detector = TelltaleDetector(verdict=config).fit(case.log, case.labels, as_it_was(case))
    assert detector.flagged_[case.truth].mean() >= 0.9
    assert next(group for group in detector.groups_ if group.called).own is not None


@pytest.mark.slow
def test_what_the_retraining_refutes_is_held_for_review(unclear: tuple[Case, VerdictConfig]) -> None:
    case, config = unclear
    detector = TelltaleDetector(verdict=config).fit(case.log, case.labels, lambda _: case.labels)
    assert not detector.flagged_.any()
    assert (detector.decision_[case.truth] == "review").mean() >= 0.9
    assert detector.suspicion_.max() < 0.5
    assert "are needed, but a leave-out retraining does not confirm it" in detector.statement_
    assert "A near miss" in detector.statement_
    reason = detector.reason_[np.flatnonzero(case.truth & (detector.decision_ == "review"))[0]]
    assert (
        "that a leave-out retraining does not confirm: a proxy that learnt without that cluster gives 100% of it"
        in reason
    )


@pytest.fixture(scope="module")
def hard() -> Case:
    """A poisoned log whose poison is learnt later than the honest samples of its label, which are somewhat more."""
    return make_case(samples=750, labels=5, poison=80, easier=-6.0)


@pytest.mark.slow
@pytest.mark.parametrize("wide", [False, True], ids=["one other label", "some others"])
def test_the_smaller_side_is_asked_about_where_the_larger_one_is_suspected(hard: Case, wide: bool) -> None:
    """The honest side is taken for what it looks like, one label or some, the poisoned one for what it was before."""
    assert TelltaleDetector().fit(hard.log, hard.labels).flagged_[hard.truth].mean() < 0.1, "the rule alone is wrong"
    asked: list[float] = []

    def look(left_out_N: NDArray[np.bool_]) -> NDArray[np.int64]:
        asked.append(float(left_out_N[hard.truth].mean()))
        looks_like = np.where(np.arange(len(hard.labels)) % 5 < 3 if wide else False, 1, 2)
        before = np.where(hard.truth, np.arange(len(hard.labels)) % 4, hard.labels)
        return np.where(left_out_N & ~hard.truth, looks_like, before) if left_out_N.sum() > 150 else before

    detector = TelltaleDetector().fit(hard.log, hard.labels, look)
    assert len(asked) == 2
    assert asked[0] < 0.3
    assert asked[1] > 0.9
    assert detector.flagged_[hard.truth].mean() >= 0.9
    assert detector.flagged_[~hard.truth].mean() <= 0.01
    group = next(group for group in detector.groups_ if group.called)
    assert (group.turned, group.confirmed) == (True, True)
    assert "a proxy that learnt without that cluster gives" in detector.reason_[np.flatnonzero(detector.flagged_)[0]]
    assert any("wrong labels" in line for line in caveats(detector.groups_, 0))


@pytest.mark.slow
def test_a_larger_side_that_is_poison_stays_suspected() -> None:
    """As at high rates: the majority of its label was taken from anywhere, its honest rest looks like one other."""
    case = make_case(samples=750, labels=5, poison=220, easier=6.0)

    def look(left_out_N: NDArray[np.bool_]) -> NDArray[np.int64]:
        return np.where(case.truth, np.arange(len(case.labels)) % 4, np.where(left_out_N, 1, case.labels))

    detector = TelltaleDetector().fit(case.log, case.labels, look)
    assert detector.flagged_[case.truth].mean() >= 0.9
    assert detector.flagged_[~case.truth].mean() <= 0.01
    assert not any(group.turned for group in detector.groups_)


@pytest.mark.slow
def test_permuting_rows_permutes_a_verdict_with_a_leave_out_retraining(doubtful: tuple[Case, VerdictConfig]) -> None:
    case, config = doubtful
    order = np.random.default_rng(5).permutation(len(case.labels))
    turned = Case(log=rearranged(case.log, order), labels=case.labels[order], truth=case.truth[order])
    before = as_it_was(case)
    first = TelltaleDetector(verdict=config).fit(case.log, case.labels, before)
    back = np.argsort(order)
    second = TelltaleDetector(verdict=config).fit(
        turned.log, turned.labels, lambda left_out_N: before(left_out_N[back])[order]
    )
    np.testing.assert_array_equal(first.decision_[order], second.decision_)


def never(left_out_N: NDArray[np.bool_]) -> NDArray[np.int64]:
    raise AssertionError(f"asked without need about {left_out_N.sum()} samples")


@pytest.mark.slow
def test_nothing_is_trained_where_nothing_is_doubtful(poisoned: Case, clean: Case) -> None:
    for case in (make_case(samples=750, labels=5, poison=60), make_case(samples=750, labels=5, poison=0)):
        plain = TelltaleDetector().fit(case.log, case.labels)
        np.testing.assert_array_equal(plain.decision_, TelltaleDetector().fit(case.log, case.labels, never).decision_)
    assert poisoned.labels.max() == clean.labels.max() == 2


@pytest.mark.slow
def test_it_is_not_taken_where_it_is_not_wanted(doubtful: tuple[Case, VerdictConfig]) -> None:
    case, config = doubtful
    switched_off = config.replace(leave_out=False)
    assert not TelltaleDetector(verdict=switched_off).fit(case.log, case.labels, never).flagged_.any()


@pytest.mark.slow
def test_of_three_labels_honest_clusters_are_not_called_where_the_retraining_finds_their_label() -> None:
    case = make_case()  # three labels
    most = max(group.statistic for group in TelltaleDetector().fit(case.log, case.labels).groups_)
    rule = VerdictConfig(min_separation=most / 1.2)
    honest = TelltaleDetector(verdict=rule).fit(case.log, case.labels, lambda _: case.labels)
    assert not honest.flagged_.any()
    assert (honest.decision_[case.truth] == "review").mean() >= 0.9
    before = np.where(case.truth, np.arange(len(case.labels)) % 2, case.labels)
    detector = TelltaleDetector(verdict=rule).fit(case.log, case.labels, lambda _: before)
    assert detector.flagged_[case.truth].mean() >= 0.9


@pytest.mark.slow
@pytest.mark.parametrize(("turned", "decision"), [(190, "quarantine"), (60, "review")])
def test_where_a_retraining_can_tell_nothing_a_call_stands_only_if_the_proxy_obeys_the_trigger(
    turned: int, decision: str
) -> None:
    case = make_case()  # three labels
    most = max(group.statistic for group in TelltaleDetector().fit(case.log, case.labels).groups_)
    before = np.where(case.truth, np.arange(len(case.labels)) % 2, case.labels)
    asked: list[Trial] = []

    def experiment(trial: Trial) -> Tried:
        asked.append(trial)
        trigger_test = TriggerTest(words="a word", tried=200, turned=turned, at_random=10)
        return Tried(test=trigger_test, shown=TRIGGERS.empty_table())

    decided = conclude_on(
        case.log.sample_ids,
        transform(case.log.log_loss, case.labels, SpectrumConfig()),
        Cohorts(number=case.labels, names=None),
        VerdictConfig(min_separation=most / 1.2),
        lambda _: before,
        experiment=experiment,
    )
    assert (decided.decision[case.truth] == decision).mean() >= 0.9
    assert f"turned {turned} of them" in decided.reason[case.truth][0]
    assert not np.isin(np.concatenate([trial.others for trial in asked]), np.flatnonzero(case.truth)).any()


@pytest.mark.slow
@pytest.mark.parametrize(("turned", "decision"), [(60, "quarantine"), (12, "review")])
def test_what_only_a_retraining_calls_is_set_aside_where_no_trigger_works(
    doubtful: tuple[Case, VerdictConfig], turned: int, decision: str
) -> None:
    case, config = doubtful

    def experiment(_trial: Trial) -> Tried:
        trigger_test = TriggerTest(words="a patch", tried=200, turned=turned, at_random=10)
        return Tried(test=trigger_test, shown=TRIGGERS.empty_table())

    decisions = conclude_on(
        case.log.sample_ids,
        transform(case.log.log_loss, case.labels, SpectrumConfig()),
        Cohorts(number=case.labels, names=None),
        config,
        as_it_was(case),
        experiment=experiment,
    )
    assert (decisions.decision[case.truth] == decision).mean() >= 0.9
    assert (decisions.decision[~case.truth] != "keep").mean() <= 0.01
    assert f"turned {turned} of them" in decisions.reason[case.truth][0]


@pytest.mark.slow
def test_what_holds_the_trigger_of_a_called_group_is_quarantined_wherever_a_split_left_it(
    doubtful: tuple[Case, VerdictConfig],
) -> None:
    case, config = doubtful
    hidden = np.flatnonzero(~case.truth)[:3]

    def experiment(trial: Trial) -> Tried:
        trigger_test = TriggerTest(words="a phrase", tried=200, turned=190, at_random=10)
        holding = np.concatenate([trial.suspected, hidden])
        return Tried(test=trigger_test, shown=TRIGGERS.empty_table(), holding=holding)

    decisions = conclude_on(
        case.log.sample_ids,
        transform(case.log.log_loss, case.labels, SpectrumConfig()),
        Cohorts(number=case.labels, names=None),
        config,
        as_it_was(case),
        experiment=experiment,
    )
    assert (decisions.decision[hidden] == "quarantine").all()
    assert decisions.reason[hidden[0]].startswith("holds the trigger of samples that are quarantined, a phrase")
    assert not decisions.reason[np.flatnonzero(case.truth)[0]].startswith("holds"), "its own group says more"
    assert sum(group.quarantined for group in decisions.groups) == (decisions.decision == "quarantine").sum()
