"""The detector that the README shows is whole: taken from there it passes the contract and is asked about a drop."""

from __future__ import annotations

import dataclasses
import importlib.util
import inspect
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from telltale_core.bench.detectors import DETECTORS, Detector, Evidence
from telltale_core.bench.detectors.runner import Question, ask
from tests.bench.detectors import test_contract as contract
from tests.support.evidence import cheap

README = Path(inspect.getfile(Detector)).with_name("README.md")
NAME = "hard_samples"


@pytest.fixture
def example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> type[Detector]:
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    [source] = [block for block in blocks if "(Detector)" in block]
    assert sum(bool(line.strip()) for line in source.splitlines()) <= 30
    (tmp_path / "hard_samples.py").write_text(source)
    spec = importlib.util.spec_from_file_location(NAME, tmp_path / "hard_samples.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, NAME, module)
    spec.loader.exec_module(module)
    monkeypatch.setitem(DETECTORS, NAME, module.HardSamples)
    return module.HardSamples


def test_the_shown_detector_passes_the_contract(example: type[Detector], evidence: Evidence) -> None:
    fitted = {NAME: cheap(NAME).fit(evidence)}.__getitem__
    contract.test_every_sample_gets_a_finite_suspicion_a_flag_and_a_reason(NAME, evidence, fitted)
    contract.test_permuted_rows_give_the_permuted_opinion_bit_for_bit(NAME, evidence, fitted)
    contract.test_copies_of_a_sample_are_judged_alike(NAME, evidence)
    for n in (0, 1, 5):
        contract.test_a_handful_of_samples_is_not_judged_and_nobody_is_suspected(NAME, n, evidence)
    contract.test_a_row_that_is_not_finite_is_set_aside_and_changes_nothing_for_the_others(NAME, evidence)
    contract.test_the_same_seed_gives_the_same_opinion(NAME, evidence, fitted)
    contract.test_a_detector_sees_only_what_it_declares(NAME, evidence)
    contract.test_what_is_missing_is_named(NAME, evidence)
    contract.test_work_that_would_not_fit_is_refused_with_both_figures(NAME, evidence)
    contract.test_the_memory_estimate_holds(NAME)
    contract.test_it_says_where_it_is_from_and_what_it_costs(NAME)


@pytest.mark.trains
def test_the_shown_detector_is_asked_about_a_drop(example: type[Detector], question: Question) -> None:
    [opinion] = ask(question, [NAME], strict=True).opinions
    assert opinion.record["title"] == "Hard samples"
    assert np.array_equal(np.sort(opinion.sample_ids), np.sort(question.drop.sample_ids))


def test_the_shown_detector_flags_what_stays_hard(example: type[Detector], evidence: Evidence) -> None:
    log = evidence.losslog
    assert log is not None
    hard = log.log_loss.copy()
    hard[:3] += 8
    fitted = example().fit(dataclasses.replace(evidence, losslog=dataclasses.replace(log, log_loss=hard)))
    assert fitted.flagged_[:3].all()
    assert fitted.flagged_.sum() < 10
