"""Features less the median of their label, and their components, label by label: as of all of them at once."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from numpy.typing import NDArray

from telltale_core.drop.cohorts import Cohorts
from telltale_core.spectrum import SpectrumConfig, transform
from telltale_core.verdict import VerdictConfig
from telltale_core.verdict.clusters import reduce
from telltale_core.verdict.evidence import Evidence, collect
from telltale_core.verdict.proposals import centred
from telltale_core.verdict.proposals.centred import Centred
from tests.support.loss_logs import make_case

LABELS = 6


def of_all_at_once(trained_NF: NDArray[np.floating], evidence: Evidence, dimensions: int) -> NDArray[np.float64]:
    """Return the components by one array of all features and a singular value decomposition."""
    centred_NF = np.array(trained_NF, dtype=np.float64)
    for cohort in evidence.cohorts:
        centred_NF[cohort.rows] -= np.median(centred_NF[cohort.different], axis=0)
    return reduce(centred_NF[evidence.order], dimensions)


@pytest.fixture(scope="module")
def evidence() -> Evidence:
    case = make_case(samples=720, labels=LABELS, poison=0)
    spectra = transform(case.log.log_loss, case.labels, SpectrumConfig())
    return collect(case.log.sample_ids, spectra, Cohorts(number=case.labels, names=None), VerdictConfig())


def features(evidence: Evidence, width: int = 40) -> NDArray[np.float32]:
    rng, labels = np.random.default_rng(1), evidence.labels
    assert labels is not None
    feature_NF = rng.normal(0, 4, (LABELS, width))[labels]
    return (feature_NF + rng.normal(size=(len(labels), width)) * np.linspace(2, 0.3, width)).astype(np.float32)


@pytest.mark.parametrize("part_bytes", [1, 4000, 1 << 20])
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize("dimensions", [4, 32])
def test_components_are_those_of_all_features_at_once_to_eight_digits(
    evidence: Evidence, monkeypatch: pytest.MonkeyPatch, part_bytes: int, dtype: type, dimensions: int
) -> None:
    monkeypatch.setattr(centred, "PART_BYTES", part_bytes)
    trained = features(evidence).astype(dtype)
    found_nD = Centred(trained, evidence.cohorts).components(evidence.order, dimensions)
    np.testing.assert_allclose(found_nD, of_all_at_once(trained, evidence, dimensions), rtol=0, atol=1e-8)


def test_features_that_are_not_finite_or_all_the_same_have_no_components(evidence: Evidence) -> None:
    trained = features(evidence)
    assert Centred(trained, evidence.cohorts).varied
    assert not Centred(np.ones_like(trained), evidence.cohorts).varied
    for value in (np.nan, np.inf):
        damaged = trained.copy()
        damaged[5, 3] = value
        with np.errstate(invalid="ignore"):
            assert not Centred(damaged, evidence.cohorts).varied


def test_no_second_array_of_all_features_is_held(evidence: Evidence, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(centred, "PART_BYTES", 1 << 18)
    trained = features(evidence, 1000)
    tracemalloc.start()
    Centred(trained[:, :200], evidence.cohorts).components(evidence.order, 4)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * 720 * 200 + 8 * 4 * 200 * 200, "one of float64 would be as large, and there were four"
