"""What a split leaves of its label is split once more: a poison may stand behind another cluster."""

from __future__ import annotations

import numpy as np
import pytest

from telltale_core.losslog import LossLog
from telltale_core.verdict import TelltaleDetector
from tests.support.loss_logs import make_case


@pytest.mark.slow
def test_a_poison_behind_another_cluster_of_its_label_is_found_too() -> None:
    case = make_case(samples=900, labels=5, poison=60)
    log_loss_NT, labels = case.log.log_loss.astype(np.float64), case.labels
    second = np.flatnonzero((labels == 4) & ~case.truth)[:40]
    log_loss_NT[second] += np.random.default_rng(9).normal(0, 2.5, log_loss_NT.shape[1]) - 1
    log = LossLog.from_array(log_loss_NT.astype(np.float32), sample_ids=case.log.sample_ids)
    detector = TelltaleDetector().fit(log, labels)
    both = case.truth.copy()
    both[second] = True
    assert detector.flagged_[case.truth].mean() > 0.9
    assert detector.flagged_[second].mean() > 0.9
    assert detector.flagged_[~both].mean() < 0.01
    assert [group.label for group in detector.groups_ if group.called] == [4, 4]
    assert "4 (secondary cluster)" in detector.statement_
