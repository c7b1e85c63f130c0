"""Wrong labels are told as what they are: kept, with a reason, and never as poison."""

from __future__ import annotations

import numpy as np
import pytest

from telltale_core.drop.cohorts import Cohorts
from telltale_core.drop.grouping import Grouping
from telltale_core.losslog import LossLog
from telltale_core.spectrum import SpectrumConfig, transform
from telltale_core.verdict import TelltaleDetector, VerdictConfig
from telltale_core.verdict.conclude import conclude_on
from telltale_core.verdict.record import Group
from telltale_core.verdict.statement import caveats, state
from telltale_core.verdict.wrong_labels import doubtful_labels, reason
from tests.support.loss_logs import Case

REASON = reason(Grouping.LABEL)


@pytest.fixture(scope="module")
def hard(clean: Case) -> tuple[Case, np.ndarray]:
    """Return the clean case with 20 samples, drawn from all labels, that are learnt late, each in its own way."""
    rng = np.random.default_rng(5)
    rows = rng.choice(len(clean.labels), 20, replace=False)
    losses = clean.log.log_loss.copy()
    losses[rows] = 1.2 + rng.normal(0, 0.3, (20, losses.shape[1]))
    log = LossLog.from_array(losses.astype(np.float32), sample_ids=clean.log.sample_ids, drop_digest="")
    return Case(log=log, labels=clean.labels, truth=clean.truth), rows


def test_hard_samples_are_kept_with_a_reason_and_no_poison_is_found(hard: tuple[Case, np.ndarray]) -> None:
    case, rows = hard
    detector = TelltaleDetector().fit(case.log, case.labels)
    named = detector.reason_ == REASON
    assert named[rows].mean() >= 0.9
    assert np.delete(named, rows).mean() <= 0.05
    assert (detector.decision_ == "keep").all()
    assert detector.statement_.startswith("No poison found")


def test_poison_is_not_called_a_wrong_label(poisoned: Case, fitted: TelltaleDetector) -> None:
    assert not (fitted.reason_[fitted.flagged_] == REASON).any()


def test_levels_that_are_all_alike_name_nobody() -> None:
    assert not doubtful_labels(np.ones(50), [np.arange(50)]).any()


def test_the_number_is_told_beside_the_verdict() -> None:
    assert any("12 kept samples" in line for line in caveats([], 12))
    assert not any("kept samples" in line for line in caveats([], 0))
    assert state([], 10, VerdictConfig()).startswith("No verdict")


def test_sets_of_labels_that_were_judged_together_are_told() -> None:
    assert any("30 samples have a set of labels that few others have" in line for line in caveats([], 0, 30))
    assert not any("judged together" in line for line in caveats([], 0, 0))


@pytest.mark.parametrize("review", [0, 494])
def test_a_near_miss_is_part_of_the_statement(review: int) -> None:
    group = Group(
        label=1, label_name="automobile", samples=1450, size=review, statistic=4.96, threshold=5.0, p_value=2e-4,
        tested=True, called=False, quarantined=0, review=review,
    )  # fmt: skip
    statement = state([group], 10_000, VerdictConfig())
    assert statement.startswith("No poison found")
    assert ("494 samples of label automobile are set aside" in statement) == bool(review)


def test_of_labels_it_is_said_as_ever() -> None:
    assert REASON == "much harder to learn than the other samples of its label: look whether the label is right"
    assert "others of their label, which may be wrong. That is no sign" in " ".join(caveats([], 12))


@pytest.mark.parametrize(
    ("grouping", "sentence", "wrong"),
    [
        (
            Grouping.TARGET_RANGE,
            "look whether the target is right",
            "others of their target range; their targets may be wrong",
        ),
        (
            Grouping.LABEL_SET,
            "of its label set: look whether the labels are right",
            "of their label set, which may be wrong",
        ),
    ],
)
def test_of_other_answers_it_is_said_in_their_words(
    hard: tuple[Case, np.ndarray], grouping: Grouping, sentence: str, wrong: str
) -> None:
    case, rows = hard
    losses = case.log.log_loss.copy()
    losses[rows[0], 3] = np.nan
    spectra = transform(losses, case.labels, SpectrumConfig())
    cohorts = Cohorts(number=case.labels, names=None, grouping=grouping)
    decisions = conclude_on(case.log.sample_ids, spectra, cohorts, VerdictConfig())
    named = decisions.reason[decisions.doubtful]
    assert len(named)
    assert all(sentence in line for line in named)
    assert any(wrong in line for line in caveats(decisions.groups, 12, 0, grouping))
    lines = [state(decisions.groups, len(rows), VerdictConfig()), *caveats(decisions.groups, 12, 0, grouping)]
    said = " ".join([*decisions.reason, *lines])
    assert grouping is Grouping.LABEL_SET or " label" not in said


@pytest.mark.slow
def test_without_labels_a_hard_sample_is_compared_with_the_whole_drop(hard: tuple[Case, np.ndarray]) -> None:
    case, _ = hard
    detector = TelltaleDetector().fit(case.log, None)
    assert "than the other samples: look whether the label or target is right" in " ".join(detector.reason_)
    assert {group.word for group in detector.groups_} == {"drop"}
