"""Near-duplicates weigh as one sample in what is usual, and are called like all others: nothing hides by copying."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from telltale_core.bench.detectors.evidence import Evidence
from telltale_core.bench.detectors.telltale import Telltale
from telltale_core.drop import Drop, ingest
from telltale_core.drop.cohorts import Cohorts
from telltale_core.drop.demo import write_image_drop
from telltale_core.losslog import LossLog
from telltale_core.spectrum import Spectra, SpectrumConfig, compute_spectrum, transform
from telltale_core.verdict import TelltaleDetector, VerdictConfig, judge
from telltale_core.verdict.conclude import Decisions, conclude_on
from telltale_core.verdict.constants import DECISION, PROOF
from telltale_core.verdict.evidence import Cohort
from telltale_core.verdict.leave_out import Retraining, Side, leave_out
from telltale_core.verdict.near_duplicates import Copies, find_copies
from telltale_core.verdict.proposals import scatter
from telltale_core.verdict.review_questions import questions_on, statement_on
from telltale_core.verdict.statement import caveats
from telltale_core.verdict.wrong_labels import doubtful_labels
from tests.support.loss_logs import Case, log_losses, make_case

ALONE = VerdictConfig(leave_out=False, dimensions=(4,))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Copied:
    """A case with near-copies behind it: what leads each sample, and the spectra of all."""

    case: Case
    leaders: NDArray[np.str_]
    spectra: Spectra

    def judged(self, leaders: NDArray[np.str_] | None, rows: slice = slice(None)) -> Decisions:
        of = {name: getattr(self.spectra, name)[rows] for name in ("features", "level", "motion", "finite")}
        spectra = dataclasses.replace(self.spectra, **of)
        ids, labels = self.case.log.sample_ids[rows], self.case.labels[rows]
        return conclude_on(ids, spectra, Cohorts(number=labels, names=None), ALONE, leaders=leaders)


def copied(case: Case, of: NDArray[np.int64]) -> Copied:
    """Return the case with one more near-copy of each row named in ``of``; the copies' ids come first and last."""
    rng = np.random.default_rng(7)
    near = case.log.log_loss[of] + rng.normal(0, 0.15, (len(of), case.log.log_loss.shape[1]))
    ids = np.concatenate([case.log.sample_ids, [f"{'az'[k % 2]}{k:05d}" for k in range(len(of))]])
    log = LossLog.from_array(np.concatenate([case.log.log_loss, near]).astype(np.float32), sample_ids=ids)
    labels, truth = (np.concatenate([values, values[of]]) for values in (case.labels, case.truth))
    leaders = np.concatenate([case.log.sample_ids, case.log.sample_ids[of]])
    spectra = transform(log.log_loss, labels, SpectrumConfig())
    return Copied(case=Case(log=log, labels=labels, truth=truth), leaders=leaders, spectra=spectra)


def first_of(case: Case, labels: range, each: int) -> NDArray[np.int64]:
    """Return the first clean row of each label, ``each`` times."""
    return np.repeat([np.flatnonzero((case.labels == label) & ~case.truth)[0] for label in labels], each)


@pytest.fixture(scope="module")
def base() -> Case:
    return make_case(samples=700, labels=5, poison=60)


@pytest.fixture(scope="module")
def plain(base: Case, hiding: Copied) -> Decisions:
    """The verdict on the same spectra without the copies."""
    return hiding.judged(None, slice(len(base.labels)))


@pytest.fixture(scope="module")
def collapsed(hiding: Copied) -> Decisions:
    """The verdict that knows the copies."""
    return hiding.judged(hiding.leaders)


@pytest.fixture(scope="module")
def hiding(base: Case) -> Copied:
    """Fifty copies of one clean sample in each label but the poisoned one."""
    return copied(base, first_of(base, range(4), 50))


@pytest.mark.slow
def test_copies_in_other_labels_do_not_raise_what_is_required(
    hiding: Copied, plain: Decisions, collapsed: Decisions
) -> None:
    required = [decisions.groups[4].threshold for decisions in (hiding.judged(None), collapsed, plain)]
    assert required[0] > 1.5 * ALONE.min_separation, "each copy for itself makes tight clusters usual"
    assert required[1] == required[2] == ALONE.min_separation
    assert (collapsed.groups[4].statistic, collapsed.groups[4].p_value) == (
        plain.groups[4].statistic,
        plain.groups[4].p_value,
    )
    assert (collapsed.decision[hiding.case.truth] == "quarantine").all()


@pytest.mark.slow
def test_a_covariance_shift_is_held_against_one_of_each_copy(hiding: Copied, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = np.bincount(hiding.case.labels)[:4].tolist()

    def gain(_: object, part: tuple[NDArray[np.floating], object]) -> float:
        return 5.0 if len(part[0]) in sizes else 0.1

    def sides(_: object, cohort: Cohort) -> NDArray[np.float64]:
        return (np.arange(len(cohort.rows)) < 20).astype(float)

    monkeypatch.setattr(scatter, "excess_of", gain)
    monkeypatch.setattr(scatter, "sides_of", sides)
    log, config = hiding.case.log, ALONE.replace(leave_out=True)
    cohorts = Cohorts(number=hiding.case.labels, names=None)
    decisions = conclude_on(log.sample_ids, hiding.spectra, cohorts, config, leaders=hiding.leaders)
    asked = [(group.label, group.threshold) for group in decisions.groups if group.kind == "scatter"]
    assert asked == [(label, 0.5) for label in range(4)], "held against each other as they are, none would stand out"


@pytest.mark.slow
def test_without_repeats_the_verdict_is_what_it_was(base: Case, hiding: Copied, plain: Decisions) -> None:
    led = hiding.judged(base.log.sample_ids, slice(len(base.labels)))
    assert led.suspicion.tobytes() == plain.suspicion.tobytes()
    for field in dataclasses.fields(Decisions):
        left, right = getattr(plain, field.name), getattr(led, field.name)
        assert np.array_equal(left, right) if isinstance(left, np.ndarray) else left == right


@pytest.mark.slow
def test_permuting_the_rows_of_copies_permutes_the_verdict(hiding: Copied, collapsed: Decisions) -> None:
    order = np.random.default_rng(3).permutation(len(hiding.leaders))
    log, labels = hiding.case.log, hiding.case.labels
    names = ("features", "level", "motion", "finite")
    moved = dataclasses.replace(hiding.spectra, **{name: getattr(hiding.spectra, name)[order] for name in names})
    cohorts = Cohorts(number=labels[order], names=None)
    decisions = conclude_on(log.sample_ids[order], moved, cohorts, ALONE, leaders=hiding.leaders[order])
    assert decisions.suspicion.tobytes() == collapsed.suspicion[order].tobytes()
    assert decisions.decision.tolist() == collapsed.decision[order].tolist()
    assert decisions.groups == collapsed.groups


@pytest.mark.slow
def test_a_called_cluster_of_which_many_are_copies_says_so(base: Case) -> None:
    drop = copied(base, np.repeat(np.flatnonzero(base.truth)[:2], 14))
    decisions = drop.judged(drop.leaders)
    assert (decisions.decision[drop.case.truth] == "quarantine").all()
    group = decisions.groups[4]
    assert (group.size, group.copies, group.originals, group.different) == (88, 30, 2, 60)
    line = caveats(decisions.groups, 0)[0]
    assert line.startswith(
        "Of the 88 suspected samples of label 4 30 are near-duplicates of each other, of 2 different"
    )
    assert questions_on(decisions, ALONE) == []


@pytest.mark.slow
def test_poison_that_is_copied_until_it_is_most_of_its_label_is_the_suspected_side(base: Case) -> None:
    drop = copied(base, np.repeat(np.flatnonzero(base.truth), 3))
    clean = ~drop.case.truth & (drop.case.labels == 4)
    assert drop.case.truth.sum() > clean.sum() > base.truth.sum()
    decisions = drop.judged(drop.leaders)
    assert (decisions.decision[drop.case.truth] == "quarantine").all()
    assert (decisions.decision[clean] == "keep").all()
    each = drop.judged(None)
    assert (each.decision[clean] == "quarantine").all(), "by the number of rows the honest samples are the few"


@pytest.mark.slow
def test_poison_of_too_few_different_samples_is_set_aside_and_asked() -> None:
    case = make_case(samples=700, labels=5, poison=4, seed=1)
    drop = copied(case, np.repeat(np.flatnonzero(case.truth), 14))
    assert (drop.judged(None).decision[drop.case.truth] == "quarantine").all()
    decisions = drop.judged(drop.leaders)
    assert (decisions.decision[drop.case.truth] == "review").all(), "what copies alone make suspicious is not published"
    assert (decisions.decision[~drop.case.truth] == "keep").mean() > 0.99
    group = decisions.groups[4]
    assert (group.called, group.only_copies, group.different, group.review) == (False, True, 4, 60)
    assert [question.code for question in questions_on(decisions, ALONE)] == ["copies_stand_out"]
    said = statement_on(decisions, ALONE)
    assert "but it is 4 different samples and copies of them" in said
    assert "60 samples of label 4 stand out as poison does, but are only 4 different ones" in said


@pytest.mark.slow
def test_ten_different_poisoned_samples_are_quarantined_with_their_copies() -> None:
    case = make_case(samples=700, labels=5, poison=10, seed=1)
    drop = copied(case, np.repeat(np.flatnonzero(case.truth), 3))
    decisions = drop.judged(drop.leaders)
    assert (decisions.decision[drop.case.truth] == "quarantine").all()
    assert not questions_on(decisions, ALONE)


@pytest.mark.slow
def test_the_poison_behind_a_cluster_of_copies_is_still_found(base: Case) -> None:
    """Copies of one sample that moves like nothing else, in the poisoned label itself."""
    losses = base.log.log_loss.copy()
    row = int(first_of(base, range(4, 5), 1)[0])
    losses[row] += 3 * np.sin(np.arange(losses.shape[1]))
    case = dataclasses.replace(base, log=LossLog.from_array(losses, sample_ids=base.log.sample_ids))
    drop = copied(case, np.repeat(row, 50))
    decisions = drop.judged(drop.leaders)
    assert (decisions.decision[drop.case.truth] == "quarantine").all()
    clean_copies = decisions.decision[len(base.labels) :]
    assert (clean_copies != "quarantine").all()


@pytest.mark.slow
def test_copies_do_not_make_a_label_large_enough_to_be_tested(base: Case) -> None:
    rows = np.concatenate([np.flatnonzero(base.labels == 0)[:30], np.flatnonzero(base.labels != 0)])
    log = LossLog.from_array(base.log.log_loss[rows], sample_ids=base.log.sample_ids[rows])
    small = Case(log=log, labels=base.labels[rows], truth=base.truth[rows])
    twice = copied(small, np.arange(30))
    decisions = twice.judged(twice.leaders)
    assert not decisions.groups[0].tested
    assert set(decisions.decision[twice.case.labels == 0]) == {"review"}
    assert "has 30 different samples with losses, 40 are needed" in decisions.reason[0]
    assert [question.code for question in questions_on(decisions, ALONE)] == ["untested"]


def test_of_a_group_the_leader_stands_for_it_and_in_another_label_the_first() -> None:
    ids = np.array(["b", "a", "c", "d", "e"])
    leaders = np.array(["b", "b", "b", "b", "e"])
    copies = find_copies(ids, leaders, [np.array([1, 0]), np.array([2, 3, 4])])
    assert copies.first.tolist() == [True, False, True, False, True]
    assert copies.different(np.arange(5)) == 2
    assert copies.counted(np.arange(5)) == (4, 1)


@pytest.mark.slow
def test_a_drops_cohorts_are_judged_by_its_leaders(hiding: Copied, collapsed: Decisions) -> None:
    cohorts = Cohorts(number=hiding.case.labels, names=None)
    log = hiding.case.log
    decisions = conclude_on(log.sample_ids, hiding.spectra, cohorts, ALONE, leaders=hiding.leaders)
    assert decisions.groups == collapsed.groups


def test_copies_do_not_make_a_label_larger_for_a_leave_out_retraining() -> None:
    number_N = np.repeat(np.arange(5), [100, 100, 100, 100, 400])
    side = Side(rows=np.arange(40), rest=np.arange(40, 100))

    def looked(copies: Copies | None) -> Retraining:
        (retraining,) = leave_out([side], number_N, answers, level=0.01, seed=0, copies=copies) or ()
        return retraining

    def answers(_: NDArray[np.bool_]) -> NDArray[np.int64]:
        answer_N = number_N.copy()
        answer_N[:40] = 1 + np.arange(40) % 2
        return answer_N

    copies = dataclasses.replace(Copies.none(800), first=np.arange(800) < 500)
    assert looked(copies).spread < looked(None).spread, "two labels are fewer of four alike than of one large one"


SIDE, TIMES = 12, 4
"""Samples of a suspected side, and how often each is there; the rest of its label is there once."""


@pytest.fixture(scope="module")
def thrice_more() -> tuple[NDArray[np.int64], Copies]:
    """Six labels of 100 samples, the first 12 of which three more times behind them: cohort numbers and copies."""
    group_N = np.concatenate([np.arange(600), np.repeat(np.arange(SIDE), TIMES - 1)])
    first_N = np.arange(len(group_N)) < 600
    return group_N // 100, Copies(group=group_N, first=first_N)


def answered(number_N: NDArray[np.int64], copies: Copies) -> NDArray[np.int64]:
    """Every sample gets its own label, those of the side the other labels in turn: a copy what its first one gets."""
    return np.where(copies.group < SIDE, 1 + copies.group % 5, number_N)


def test_copied_poison_weighs_in_a_leave_out_retraining_as_it_does_once(
    thrice_more: tuple[NDArray[np.int64], Copies],
) -> None:
    number_N, copies = thrice_more
    answer_N = answered(number_N, copies)
    rows, rest = np.flatnonzero(copies.group < SIDE), np.arange(SIDE, 100)
    sides = [Side(rows=rows, rest=rest), Side(rows=rows[:SIDE], rest=rest)]
    copied, once = (
        leave_out([side], number_N, lambda _: answer_N, level=0.01, seed=0, copies=copies) for side in sides
    )
    assert copied is not None
    assert once is not None
    assert len(copied[0].honest) == SIDE * TIMES
    figures = [(looked.own, looked.usual, looked.spread, looked.p_value) for looked in (copied[0], once[0])]
    assert figures[0] == figures[1]


def test_near_duplicates_are_left_out_of_a_second_training_together(
    thrice_more: tuple[NDArray[np.int64], Copies],
) -> None:
    number_N, copies = thrice_more
    left: list[NDArray[np.bool_]] = []

    def look(left_out_N: NDArray[np.bool_]) -> None:
        left.append(left_out_N)

    behind = np.flatnonzero(copies.group < SIDE)[SIDE:]
    rest = np.arange(100)  # the split left one of each among the others
    leave_out([Side(rows=behind, rest=rest)], number_N, look, level=0.01, seed=0, copies=copies)
    assert left[0][copies.group < SIDE].all(), "a proxy that learnt one of a group knows the others"
    assert left[0].sum() == SIDE * TIMES + SIDE, "beside them as many others at random, none of which is their copy"


def test_copies_do_not_move_the_level_that_is_usual_in_their_label() -> None:
    level_N = np.concatenate([np.random.default_rng(0).normal(size=100), np.full(150, -3.0)])
    level_N[0] = 3.0
    rows, one = np.arange(250), np.arange(101)
    alone = doubtful_labels(level_N[:101], [one])
    assert doubtful_labels(level_N, [rows], [one])[:101].tolist() == alone.tolist()
    assert alone.any()
    assert not doubtful_labels(level_N, [rows]).any()


@pytest.fixture(scope="module")
def repeated(tmp_path_factory: pytest.TempPathFactory) -> tuple[Drop, LossLog, NDArray[np.bool_]]:
    """A drop as ingest makes it, of which one picture stands thirty times under the last label, and a log made by hand.

    Those thirty swing as poison does.
    """
    folder = tmp_path_factory.mktemp("repeated")
    rng, label_N = np.random.default_rng(0), np.arange(450) % 3
    image_N = rng.integers(0, 255, (450, 8, 8, 3), dtype=np.uint8)
    copy_N = (label_N == 2) & (np.arange(450) < 90)
    image_N[copy_N] = image_N[2] // 2 + rng.integers(0, 2, (30, 8, 8, 3), dtype=np.uint8)
    ids = [f"r{row:03d}" for row in range(450)]
    write_image_drop(folder / "source", image_N, label_N, ids, ["a", "b", "c"])
    drop = ingest(str(folder / "source"), folder / "drops")
    row_N = np.array([int(str(name)[1:]) for name in drop.sample_ids])
    losses = log_losses(rng, label_N, copy_N)[row_N]
    log = LossLog.from_array(losses, sample_ids=drop.sample_ids, drop_digest=drop.digest)
    return drop, log, copy_N[row_N]


@pytest.mark.slow
def test_the_stage_and_the_notebook_know_the_copies_that_ingest_found(
    repeated: tuple[Drop, LossLog, NDArray[np.bool_]], tmp_path: Path
) -> None:
    drop, log, copy_N = repeated
    log.write(tmp_path / "losslog")
    compute_spectrum(LossLog.open(tmp_path / "losslog"), drop.labels, tmp_path / "spectrum")
    record = judge(tmp_path / "spectrum", drop, tmp_path / "verdict", ALONE).record
    assert [question.code for question in record.questions] == ["copies_stand_out"]
    assert (record.poison_found, record.counts["quarantine"], record.counts["review"]) == (False, 0, 30)
    (group,) = (group for group in record.groups if group.only_copies)
    assert (group.label_name, group.size, group.copies) == ("c", 30, 30)
    assert 1 <= group.originals < ALONE.min_cluster
    notebook = TelltaleDetector(verdict=ALONE).fit(log, drop.cohorts, leaders=drop.leaders)
    assert notebook.statement_ == record.statement
    assert (notebook.decision_ == "review").tolist() == copy_N.tolist()


@pytest.mark.slow
def test_a_detector_is_given_the_copies(repeated: tuple[Drop, LossLog, NDArray[np.bool_]]) -> None:
    drop, log, copy_N = repeated
    fields = {"sample_ids": drop.sample_ids, "labels": drop.labels, "num_classes": 3, "losslog": log}
    assert Telltale().fit(Evidence(**fields)).flagged_[copy_N].all()
    assert not Telltale().fit(Evidence(**fields, leaders=drop.leaders)).flagged_.any()


@pytest.mark.slow
def test_a_leave_out_retraining_compares_with_one_of_each_copy(hiding: Copied, monkeypatch: pytest.MonkeyPatch) -> None:
    sides: list[Side] = []
    known: list[Copies] = []

    def recorder(asked: list[Side], *_: object, copies: Copies, **__: object) -> None:
        sides.extend(asked)
        known.append(copies)

    monkeypatch.setattr("telltale_core.verdict.proof.leave_out", recorder)
    all_doubted = dataclasses.replace(DECISION, clear=100.0)
    for reader in ("doubt", "decide"):
        monkeypatch.setattr(f"telltale_core.verdict.{reader}.DECISION", all_doubted)
    monkeypatch.setattr("telltale_core.verdict.doubt.PROOF", dataclasses.replace(PROOF, considered=0.0))
    log, config = hiding.case.log, ALONE.replace(leave_out=True)
    labels = np.where(hiding.case.truth, 0, hiding.case.labels)  # poison and copies in one label
    cohorts = Cohorts(number=labels, names=None)
    conclude_on(log.sample_ids, hiding.spectra, cohorts, config, lambda _: None, leaders=hiding.leaders)
    again = np.arange(len(labels)) >= len(labels) - 200
    (side,) = (side for side in sides if set(np.flatnonzero(hiding.case.truth)) <= set(side.rows))
    assert not again[side.rest].any()
    assert (~known[0].first).tolist() == again.tolist()
