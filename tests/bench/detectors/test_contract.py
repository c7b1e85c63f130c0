"""What every detector keeps to, whatever it looks at."""

from __future__ import annotations

import dataclasses
import tracemalloc

import numpy as np
import pytest
from scipy.stats import spearmanr

from telltale_core.bench.detectors import DETECTORS, Evidence, Need, make_detector
from telltale_core.errors import ConfigError, OverBudget
from tests.support.evidence import cheap, make_evidence, taken

NAMES = tuple(DETECTORS)
TRAINED = {"confusion_training", "asset"}


@pytest.fixture(scope="module")
def fitted(evidence: Evidence):
    done = {}

    def fit(name: str):
        if name not in done:
            done[name] = cheap(name).fit(evidence)
        return done[name]

    return fit


@pytest.mark.parametrize("name", NAMES)
def test_every_sample_gets_a_finite_suspicion_a_flag_and_a_reason(name: str, evidence: Evidence, fitted) -> None:
    detector = fitted(name)
    n = len(evidence)
    assert detector.suspicion_.shape == detector.flagged_.shape == detector.reason_.shape == (n,)
    assert detector.suspicion_.dtype == np.float64
    assert np.isfinite(detector.suspicion_).all()
    assert detector.flagged_.dtype == bool
    assert all(isinstance(reason, str) and reason for reason in detector.reason_)
    assert detector.statement_
    assert not detector.set_aside_.any()


@pytest.mark.parametrize("name", NAMES)
def test_permuted_rows_give_the_permuted_opinion_bit_for_bit(name: str, evidence: Evidence, fitted) -> None:
    order = np.random.default_rng(1).permutation(len(evidence))
    again = cheap(name).fit(taken(evidence, order))
    np.testing.assert_array_equal(again.suspicion_, fitted(name).suspicion_[order])
    np.testing.assert_array_equal(again.flagged_, fitted(name).flagged_[order])


@pytest.mark.parametrize("name", [name for name in NAMES if name not in TRAINED])
def test_copies_of_a_sample_are_judged_alike(name: str, evidence: Evidence) -> None:
    n = len(evidence)
    rows = np.repeat(np.arange(n), 2)
    ids = np.array([f"{copy}-{row:05d}" for row in range(n) for copy in "ab"])
    twice = cheap(name).fit(taken(evidence, rows, ids))
    first, second = twice.suspicion_[::2], twice.suspicion_[1::2]
    if DETECTORS[name].same_rows_same_suspicion:
        np.testing.assert_allclose(first, second, rtol=1e-6, atol=1e-9)
    else:
        assert spearmanr(first, second).statistic > 0.5


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("n", [0, 1, 5])
def test_a_handful_of_samples_is_not_judged_and_nobody_is_suspected(name: str, n: int, evidence: Evidence) -> None:
    detector = cheap(name).fit(taken(evidence, np.arange(n)))
    assert detector.suspicion_.shape == (n,)
    assert not detector.flagged_.any()
    assert "not judged" in detector.statement_


@pytest.mark.parametrize("name", [name for name in NAMES if name not in TRAINED])
def test_a_row_that_is_not_finite_is_set_aside_and_changes_nothing_for_the_others(
    name: str, evidence: Evidence
) -> None:
    n = len(evidence)
    without = cheap(name).fit(taken(evidence, np.arange(1, n)))
    spoilt = {
        part: np.where(np.arange(n).reshape(-1, *[1] * (getattr(evidence, part).ndim - 1)) == 0, np.nan, value)
        for part in ("features", "maps", "norms", "logits")
        if (value := getattr(evidence, part)) is not None
    }
    loss = evidence.losslog.log_loss.copy()
    loss[0] = np.inf
    log = dataclasses.replace(evidence.losslog, log_loss=loss)
    detector = cheap(name).fit(dataclasses.replace(evidence, losslog=log, **spoilt))
    assert detector.set_aside_.tolist() == [True] + [False] * (n - 1)
    assert not detector.flagged_[0]
    assert "not finite" in detector.reason_[0]
    np.testing.assert_array_equal(detector.suspicion_[1:], without.suspicion_)


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_gives_the_same_opinion(name: str, evidence: Evidence, fitted) -> None:
    np.testing.assert_array_equal(cheap(name).fit(evidence).suspicion_, fitted(name).suspicion_)


@pytest.mark.parametrize("name", NAMES)
def test_a_detector_sees_only_what_it_declares(name: str, evidence: Evidence) -> None:
    detector = cheap(name)
    inputs = {}
    judge = detector.judge
    detector.judge = lambda view: inputs.update(view=view) or judge(view)  # type: ignore[method-assign]
    detector.fit(evidence)
    declared = {need.value for need in detector.needs | detector.uses}
    for need in Need:
        assert (getattr(inputs["view"], need.value) is not None) == (need.value in declared), need


@pytest.mark.parametrize("name", NAMES)
def test_what_is_missing_is_named(name: str, evidence: Evidence) -> None:
    for need in cheap(name).needs:
        with pytest.raises(ConfigError, match=need.words):
            cheap(name).fit(dataclasses.replace(evidence, **{need.value: None}))


@pytest.mark.parametrize("name", NAMES)
def test_work_that_would_not_fit_is_refused_with_both_figures(name: str, evidence: Evidence) -> None:
    with pytest.raises(OverBudget, match=rf"{name} needs about [\d,]+ MB .*0 MB may be used"):
        cheap(name, memory_limit_bytes=1000).fit(evidence)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in NAMES if name not in TRAINED | {"flare", "telltale"}])
def test_the_memory_estimate_holds(name: str) -> None:
    large, _ = make_evidence(each=400, poison=200)
    detector = cheap(name).fit(large)  # what is imported and cached at the first call is no part of it
    tracemalloc.start()
    try:
        detector.fit(large)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak <= detector.estimate_bytes_


def test_names_are_keys_and_parameters_are_checked() -> None:
    assert all(kind.name == name for name, kind in DETECTORS.items())
    with pytest.raises(ConfigError, match="known: telltale"):
        make_detector("none")
    with pytest.raises(ConfigError, match="unexpected keyword"):
        make_detector("spectre", truth=1)
    for name, wrong in (("spectre", {"rate": 0.9}), ("badloss", {"share": 1.0}), ("asset", {"lr": -1.0})):
        with pytest.raises(ConfigError):
            make_detector(name, **wrong)


@pytest.mark.parametrize("name", NAMES)
def test_it_says_where_it_is_from_and_what_it_costs(name: str) -> None:
    kind = DETECTORS[name]
    assert kind.title
    assert kind.source
    assert kind.cost.startswith("O(") or name in TRAINED
    assert len(kind.__doc__ or "") > 80
