"""Samples with several labels: those of one set move together by nature, and are not called for it."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from numpy.typing import NDArray

from telltale_core.label_sets import LabelSets
from telltale_core.losslog import LossLog
from telltale_core.verdict import TelltaleDetector, label_sets
from telltale_core.verdict.label_sets import unexplained
from tests.support.loss_logs import SNAPSHOTS

SAMPLES, LABELS, POISON = 480, 4, 24


def sets_of(rng: np.random.Generator) -> NDArray[np.int64]:
    return (rng.random((SAMPLES, LABELS)) < (0.5, 0.3, 0.3, 0.2)).astype(np.int64)


def log_of(
    rng: np.random.Generator, sets_NK: NDArray[np.int64], truth_N: NDArray[np.bool_], *, swing: float = 2.0
) -> LossLog:
    """Return losses to which each label of a sample, and each pair of its labels, adds a swing; poison has another."""
    time_T = np.arange(SNAPSHOTS) / SNAPSHOTS
    log_loss_NT = 1 - 6 * time_T + np.cumsum(rng.normal(0, 0.2, (SAMPLES, SNAPSHOTS)), axis=1)
    log_loss_NT += sets_NK @ rng.normal(0, swing, (LABELS, SNAPSHOTS))
    log_loss_NT[(sets_NK[:, :2] == 1).all(axis=1)] += rng.normal(0, swing, SNAPSHOTS)
    log_loss_NT[truth_N] += rng.normal(0, 1.5, SNAPSHOTS) - 1
    return LossLog.from_array(
        log_loss_NT.astype(np.float32), sample_ids=np.array([f"s{n:04d}" for n in range(SAMPLES)])
    )


@pytest.mark.slow
def test_clean_sets_are_called_without_their_labels_and_not_with_them() -> None:
    for seed in range(2):
        rng = np.random.default_rng(seed)
        sets_NK = sets_of(rng)
        log = log_of(rng, sets_NK, np.zeros(SAMPLES, dtype=bool))
        assert TelltaleDetector().fit(log).flagged_.any(), "unlike sets are told apart"
        assert (TelltaleDetector().fit(log, label_sets=sets_NK).decision_ == "keep").all()


@pytest.mark.slow
def test_poison_with_one_set_of_labels_is_still_found() -> None:
    rng = np.random.default_rng(3)
    sets_NK, truth_N = sets_of(rng), np.arange(SAMPLES) % (SAMPLES // POISON) == 0
    sets_NK[truth_N] = (0, 0, 1, 0)
    detector = TelltaleDetector().fit(log_of(rng, sets_NK, truth_N), label_sets=sets_NK)
    assert detector.flagged_[truth_N].mean() >= 0.8
    assert not detector.flagged_[~truth_N].any()


def test_what_the_labels_explain_is_taken_away_and_poison_is_not() -> None:
    rng = np.random.default_rng(4)
    sets_NK, poison_N = sets_of(rng), np.arange(SAMPLES) < POISON
    sets_NK[poison_N] = (0, 0, 0, 1)
    noise_NF = rng.normal(0, 0.1, (SAMPLES, 6))
    features_NF = sets_NK @ rng.normal(0, 3, (LABELS, 6)) + noise_NF
    features_NF[poison_N] += 2
    rest_NF = unexplained(features_NF, LabelSets.of_flags(sets_NK), np.ones(SAMPLES, dtype=bool))
    assert np.abs(rest_NF[~poison_N] - noise_NF[~poison_N]).max() < 0.2
    assert np.abs(rest_NF[poison_N] - noise_NF[poison_N] - 2).max() < 0.2


@pytest.mark.parametrize("labels", [1, 40])
def test_few_samples_for_many_labels_get_no_terms_for_pairs(labels: int) -> None:
    rng = np.random.default_rng(5)
    sets_nK = (rng.random((60, labels)) < 0.3).astype(np.int64)
    rest_nF = unexplained(rng.normal(size=(60, 3)), LabelSets.of_flags(sets_nK), np.ones(60, dtype=bool))
    assert rest_nF.shape == (60, 3)
    assert np.isfinite(rest_nF).all()


@pytest.mark.parametrize("labels", [3, 40])
def test_terms_that_are_not_held_at_once_explain_the_same(labels: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(6)
    sets, feature_nF = LabelSets.of_flags(rng.random((600, labels)) < 0.3), rng.normal(size=(600, 5))
    whole_nF = unexplained(feature_nF, sets, np.arange(600) % 9 > 0)
    few = dataclasses.replace(label_sets.LABEL_SETS, held_bytes=8 * 70 * (1 + labels))
    monkeypatch.setattr(label_sets, "LABEL_SETS", few)
    assert len(label_sets._parts(600, labels, pairs=False)) == 9
    np.testing.assert_allclose(unexplained(feature_nF, sets, np.arange(600) % 9 > 0), whole_nF, atol=1e-9)
