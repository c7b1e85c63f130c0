"""What the detector finds, and what it must never depend on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from telltale_core.digest import code_version
from telltale_core.errors import Corrupt
from telltale_core.losslog import LossLog
from telltale_core.verdict import TelltaleDetector
from tests.support.loss_logs import Case, make_case, rearranged


def test_finds_samples_that_move_together(poisoned: Case, fitted: TelltaleDetector) -> None:
    assert fitted.flagged_[poisoned.truth].mean() >= 0.9
    assert fitted.flagged_[~poisoned.truth].mean() <= 0.01
    assert fitted.statement_.startswith("Poison found")


def test_finds_no_poison_in_a_clean_set(clean: Case) -> None:
    detector = TelltaleDetector().fit(clean.log, clean.labels)
    assert not detector.flagged_.any()
    assert detector.statement_.startswith("No poison found")


@pytest.mark.slow
def test_permuting_rows_permutes_the_verdict(poisoned: Case, fitted: TelltaleDetector) -> None:
    order = np.random.default_rng(3).permutation(len(poisoned.labels))
    second = TelltaleDetector().fit(rearranged(poisoned.log, order), poisoned.labels[order])
    np.testing.assert_array_equal(fitted.decision_[order], second.decision_)
    np.testing.assert_allclose(fitted.suspicion_[order], second.suspicion_, rtol=0, atol=1e-6)


@pytest.mark.slow
def test_same_input_gives_the_same_bytes(poisoned: Case, fitted: TelltaleDetector) -> None:
    second = TelltaleDetector().fit(poisoned.log, poisoned.labels)
    assert fitted.suspicion_.tobytes() == second.suspicion_.tobytes()


def test_placebo_random_rows_called_poison_are_not_found(clean: Case) -> None:
    placebo = np.random.default_rng(1).choice(len(clean.labels), 40, replace=False)
    detector = TelltaleDetector().fit(clean.log, clean.labels)
    assert not detector.flagged_[placebo].any()


@pytest.mark.slow
def test_labels_are_part_of_what_a_verdict_rests_on(poisoned: Case, fitted: TelltaleDetector) -> None:
    other = TelltaleDetector().fit(poisoned.log, None)
    assert other.lineage_["config_digest"] != fitted.lineage_["config_digest"]


@pytest.mark.slow
def test_the_source_that_steers_the_verdict_is_part_of_what_it_rests_on(fitted: TelltaleDetector) -> None:
    steering = ["losslog", "spectrum", "verdict", "drop/grouping"]
    assert fitted.lineage_["code_version"] == code_version(steering)


@pytest.mark.slow
def test_relabelling_the_classes_changes_nothing(poisoned: Case, fitted: TelltaleDetector) -> None:
    renamed = (poisoned.labels + 1) % 3
    second = TelltaleDetector().fit(poisoned.log, renamed)
    np.testing.assert_array_equal(fitted.decision_, second.decision_)


@pytest.mark.slow
def test_poison_that_is_the_majority_of_its_label_is_the_side_that_is_called() -> None:
    case = make_case(samples=600, poison=240, seed=5)
    detector = TelltaleDetector().fit(case.log, case.labels)
    assert detector.flagged_[case.truth].mean() >= 0.9
    assert detector.flagged_[~case.truth].mean() <= 0.02


@pytest.mark.slow
def test_works_without_labels() -> None:
    case = make_case(labels=1, poison=60, seed=2)
    detector = TelltaleDetector().fit(case.log, None)
    truth = case.truth | (case.labels < 0)
    assert detector.flagged_[truth].mean() >= 0.9
    assert detector.groups_[0].label is None


@pytest.mark.slow
def test_a_row_with_a_loss_that_is_not_finite_goes_to_review(poisoned: Case) -> None:
    log_loss = poisoned.log.log_loss.copy()
    log_loss[7, 3] = np.nan
    row = LossLog.from_array(log_loss, sample_ids=poisoned.log.sample_ids)
    detector = TelltaleDetector().fit(row, poisoned.labels)
    assert detector.decision_[7] == "review"
    assert np.isfinite(detector.suspicion_).all()
    assert detector.flagged_[poisoned.truth].mean() >= 0.9


def test_suspicion_stays_between_0_and_1_and_flagged_rows_lead(fitted: TelltaleDetector) -> None:
    assert fitted.suspicion_.min() >= 0
    assert fitted.suspicion_.max() <= 1
    assert fitted.suspicion_[fitted.flagged_].min() > 0.5 > fitted.suspicion_[fitted.decision_ == "keep"].max()


def test_small_labels_are_said_to_be_untested() -> None:
    case = make_case(samples=90, labels=4, poison=0)
    detector = TelltaleDetector().fit(case.log, case.labels)
    assert not any(group.tested for group in detector.groups_)
    assert detector.statement_.startswith("No verdict")


def test_constant_losses_are_not_tested() -> None:
    log = LossLog.from_array(np.zeros((80, 8), dtype=np.float32))
    detector = TelltaleDetector().fit(log, np.zeros(80, dtype=np.int64))
    assert not detector.flagged_.any()


@pytest.mark.slow
def test_duplicated_samples_do_not_break_the_verdict(poisoned: Case) -> None:
    doubled = np.repeat(np.arange(len(poisoned.labels)), 2)
    log = LossLog.from_array(poisoned.log.log_loss[doubled])
    detector = TelltaleDetector().fit(log, poisoned.labels[doubled])
    assert detector.flagged_[poisoned.truth[doubled]].mean() >= 0.9


def test_a_saved_verdict_of_another_drop_is_refused(fitted: TelltaleDetector, tmp_path: Path) -> None:
    class Other:
        digest = "f" * 64

    with pytest.raises(Corrupt, match="of drop unknown"):
        fitted.save(Other(), tmp_path)  # type: ignore[arg-type]
