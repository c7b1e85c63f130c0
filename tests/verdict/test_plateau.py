import numpy as np
import pytest
from numpy.typing import NDArray

from telltale_core.losslog import LossLog
from telltale_core.verdict import TelltaleDetector
from telltale_core.verdict.config import VerdictConfig
from telltale_core.verdict.proposals.plateau import LossPlateau, deviations_needed, find_loss_plateau
from tests.support.loss_logs import SNAPSHOTS

CLASSES = 5
GUESS = float(np.log(np.log(CLASSES)))


def motion(still_n: NDArray[np.float64], level: float | NDArray[np.float64] = -2.0) -> NDArray[np.float64]:
    """Samples whose log spread is about ``still_n`` in every quarter, and whose log activity follows it."""
    rng = np.random.default_rng(1)
    own = lambda: rng.normal(0, 0.2, (len(still_n), 4))  # noqa: E731
    still_nQ = still_n[:, None] + own()
    level_nQ = np.broadcast_to(np.asarray(level).reshape(-1, 1), still_nQ.shape)
    return np.stack([level_nQ, still_nQ, 0.8 * still_n[:, None] + own()], axis=2)


def labels_of(samples: int) -> NDArray[np.int64]:
    return np.arange(samples) % CLASSES


def look(motion_NQ3: NDArray[np.float64]) -> LossPlateau:
    samples = len(motion_NQ3)
    return find_loss_plateau(motion_NQ3, np.ones(samples, dtype=bool), labels_of(samples), VerdictConfig())


@pytest.mark.parametrize("shape", ["normal", "skewed to the still side", "skewed away", "heavy", "flat"])
def test_one_mode_of_any_shape_is_not_two(shape: str) -> None:
    for seed in range(4):
        rng = np.random.default_rng(seed)
        drawn = {
            "normal": rng.normal(size=3000),
            "skewed to the still side": -rng.gamma(2, size=3000),
            "skewed away": rng.gamma(2, size=3000),
            "heavy": rng.standard_t(3, size=3000),
            "flat": rng.uniform(-2, 2, 3000),
        }[shape]
        assert look(motion(drawn)).p_value > 0.001


def test_a_second_mode_on_the_still_side_at_the_loss_of_a_guess_is_found() -> None:
    rng = np.random.default_rng(0)
    still = np.concatenate([rng.normal(0, 0.5, 2850), rng.normal(-4, 0.5, 150)])
    level = np.concatenate([rng.normal(-2, 1, 2850), rng.normal(GUESS, 0.2, 150)])
    plateau = look(motion(still, level))
    assert plateau.p_value < 1e-4
    assert plateau.near_guess
    assert (plateau.chance[2850:] > 0.5).mean() > 0.97
    assert (plateau.chance[:2850] > 0.5).mean() < 0.003


def test_the_direction_that_shows_a_second_mode_is_learnt() -> None:
    rng = np.random.default_rng(0)
    still = rng.normal(0, 0.5, 3000)
    motion_NQ3 = motion(still, GUESS)
    motion_NQ3[2850:, :2, 1] -= 2.1  # spread alone, and in two of four quarters
    plain = motion_NQ3[:, :, 1:].sum(axis=(1, 2))
    assert (plain[2850:] < np.quantile(plain[:2850], 0.05)).mean() < 0.5, "the sum of all hardly shows it"
    plateau = look(motion_NQ3)
    assert plateau.p_value < 1e-4
    assert (plateau.chance[2850:] > 0.5).mean() > 0.97
    assert (plateau.chance[:2850] > 0.5).mean() < 0.003


def test_still_samples_far_from_the_loss_of_a_guess_are_no_plateau() -> None:
    rng = np.random.default_rng(0)
    still = np.concatenate([rng.normal(0, 0.5, 2850), rng.normal(-4, 0.5, 150)])
    learnt = np.concatenate([rng.normal(-2, 1, 2850), rng.normal(-9, 0.2, 150)])
    assert not look(motion(still, learnt)).near_guess


def test_classes_that_the_proxy_cannot_tell_apart_are_no_labels_at_random() -> None:
    rng = np.random.default_rng(0)
    still = np.concatenate([rng.normal(0, 0.5, 2850), rng.normal(-4, 0.5, 150)])
    level = np.concatenate([rng.normal(-2, 1, 2850), rng.normal(GUESS, 0.2, 150)])
    labels = labels_of(3000)
    labels[2850:] %= 2  # on the plateau there are two of the five alone
    plateau = find_loss_plateau(motion(still, level), np.ones(3000, dtype=bool), labels, VerdictConfig())
    assert plateau.p_value < 1e-4
    assert not plateau.near_guess


def test_few_samples_at_random_are_labels_at_random() -> None:
    rng = np.random.default_rng(0)
    still = np.concatenate([rng.normal(0, 0.5, 2980), rng.normal(-6, 0.3, 20)])
    level = np.concatenate([rng.normal(-2, 1, 2980), rng.normal(GUESS, 0.2, 20)])
    labels = np.concatenate([labels_of(2980), rng.integers(0, CLASSES, 20)])
    plateau = find_loss_plateau(motion(still, level), np.ones(3000, dtype=bool), labels, VerdictConfig())
    assert plateau.near_guess


def test_a_second_mode_on_the_moving_side_does_not_count() -> None:
    rng = np.random.default_rng(0)
    still = np.concatenate([rng.normal(0, 0.5, 2850), rng.normal(4, 0.5, 150)])
    assert look(motion(still, GUESS)).p_value > 0.01


def test_few_samples_losses_all_alike_and_no_labels_are_not_tested() -> None:
    few, alike = motion(np.random.default_rng(0).normal(size=50)), np.zeros((500, 4, 3))
    assert not look(few).tested
    assert not look(alike).tested
    assert not find_loss_plateau(motion(np.zeros(500)), np.ones(500, dtype=bool), None, VerdictConfig()).tested


def test_the_deviations_needed_are_those_of_the_p_value() -> None:
    assert deviations_needed(0.01) == pytest.approx(3.137, abs=0.01)  # Gumbel, unit standard deviation
    assert deviations_needed(0.001) > deviations_needed(0.01)
    assert deviations_needed(0.5) < 0, "as many as half of all clean drops have"


def random_label_log(poison: int) -> tuple[LossLog, NDArray[np.int64], NDArray[np.bool_]]:
    rng = np.random.default_rng(3)
    samples = 1500
    label_N, truth_N = labels_of(samples), np.zeros(samples, dtype=bool)
    truth_N[rng.choice(samples, poison, replace=False)] = True
    own_NT = np.cumsum(rng.normal(0, 0.25, (samples, SNAPSHOTS)), axis=1) + rng.normal(0, 0.3, (samples, SNAPSHOTS))
    log_loss_NT = GUESS - 6 * np.arange(SNAPSHOTS) / SNAPSHOTS + own_NT
    log_loss_NT[truth_N] = GUESS + 0.12 * own_NT[truth_N]
    ids = np.array([f"s{number:05d}" for number in rng.permutation(samples)])
    return LossLog.from_array(log_loss_NT.astype(np.float32), sample_ids=ids), label_N, truth_N


@pytest.mark.slow
def test_the_detector_quarantines_a_loss_plateau_and_says_why() -> None:
    log, label_N, truth_N = random_label_log(90)
    detector = TelltaleDetector().fit(log, label_N)
    assert detector.flagged_[truth_N].mean() > 0.95
    assert detector.flagged_[~truth_N].mean() < 0.005
    assert "a feature that comes with labels at random" in detector.statement_
    assert "loss stays at that of a guess" in detector.reason_[np.flatnonzero(truth_N & detector.flagged_)[0]]
    assert [group.kind for group in detector.groups_ if group.called] == ["guess"]


@pytest.mark.slow
def test_permuting_the_rows_permutes_the_loss_plateau() -> None:
    log, label_N, _ = random_label_log(90)
    order = np.random.default_rng(9).permutation(len(label_N))
    turned = LossLog.from_array(log.log_loss[order], sample_ids=log.sample_ids[order])
    first, second = TelltaleDetector().fit(log, label_N), TelltaleDetector().fit(turned, label_N[order])
    assert np.array_equal(first.suspicion_[order], second.suspicion_)
    assert np.array_equal(first.decision_[order], second.decision_)


@pytest.mark.slow
def test_without_a_loss_plateau_the_statement_is_that_of_a_clean_drop() -> None:
    log, label_N, _ = random_label_log(0)
    detector = TelltaleDetector().fit(log, label_N)
    assert not detector.flagged_.any()
    assert detector.statement_.startswith("No poison found")
