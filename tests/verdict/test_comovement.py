"""In a range of targets poison is often half of the samples and more: which side is suspected must not hang on size."""

from __future__ import annotations

import numpy as np
import pytest

from telltale_core.drop.cohorts import Cohorts
from telltale_core.drop.grouping import Grouping
from telltale_core.spectrum import SpectrumConfig, transform
from telltale_core.verdict import VerdictConfig
from telltale_core.verdict.conclude import conclude_on
from tests.support.loss_logs import SNAPSHOTS


@pytest.mark.slow
@pytest.mark.parametrize(
    ("poison", "level", "spread"),
    [
        (60, -0.8, 0.2),
        (104, 0.0, 0.2),
        (130, 0.8, 0.2),
        (60, -6.0, 1.6),
        (104, -6.0, 1.6),
        (130, -6.0, 1.6),
        (160, -6.0, 0.2),
        (184, -6.0, 1.6),
    ],
)
def test_poison_with_one_target_is_the_suspected_side_whatever_its_share(
    poison: int, level: float, spread: float
) -> None:
    """Learnt by an error it is like the honest in level, and closer together; by ranges far easier, and looser."""
    rng = np.random.default_rng(3)
    number = np.repeat(np.arange(4), 200)
    truth = np.zeros(len(number), dtype=bool)
    truth[-poison:] = True
    course = np.linspace(0, -4, SNAPSHOTS)
    own = rng.normal(0, 1.0, (len(number), 1)) + rng.normal(0, 1.0, (len(number), SNAPSHOTS))
    losses = course + own
    shared = course + level + rng.normal(0, 1.2, SNAPSHOTS)
    losses[truth] = shared + rng.normal(0, spread, (poison, 1)) + rng.normal(0, 0.3, (poison, SNAPSHOTS))
    ids = np.array([f"s{place:05d}" for place in rng.permutation(len(number))])
    spectra = transform(losses.astype(np.float32), number, SpectrumConfig())
    cohorts = Cohorts(number=number, names=("a", "b", "c", "d"), grouping=Grouping.TARGET_RANGE)
    decisions = conclude_on(ids, spectra, cohorts, VerdictConfig())
    held = decisions.decision == "quarantine"
    assert held[truth].mean() > 0.95
    assert held[~truth].mean() < 0.01
