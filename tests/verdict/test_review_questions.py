"""A statement speaks of a person exactly where one is asked: every end of a verdict, carried to the publication."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

from telltale_core.drop import Drop, ingest
from telltale_core.drop.demo import write_image_drop
from telltale_core.errors import NeedsReview
from telltale_core.losslog import LossLog
from telltale_core.publish import log, publish
from telltale_core.verdict import Decisions, Group, TelltaleDetector, VerdictConfig
from telltale_core.verdict.judgement import write_verdict
from telltale_core.verdict.kind import Kind
from telltale_core.verdict.record import Verdict
from telltale_core.verdict.review_questions import questions_on, statement_on
from telltale_core.verdict.untested import ruling_on_untested
from tests.support import approving
from tests.support.loss_logs import make_case

N, SMALL = 200, 20
PERSON = re.compile(r"\bperson|\breview", re.IGNORECASE)
LINEAGE = {"config_digest": "c" * 64, "code_version": "v", "seed": 0}
HELD = "held for a person's review"
PLAIN = Group(
    label=0, label_name="a", samples=180, size=0, statistic=2.0, threshold=5.0, p_value=0.5, tested=True, called=False,
    number=0,
)  # fmt: skip
FEW = replace(PLAIN, label=1, label_name="b", samples=SMALL, statistic=0.0, p_value=None, tested=False, number=1)
CALLED = replace(PLAIN, statistic=9.0, p_value=1e-6, size=9, called=True, quarantined=9)
LOOKED: dict[str, Any] = {"statistic": 4.9, "p_value": 1e-4, "size": 9, "own": 0.1, "own_usual": 0.7, "spread": 0.9}
GUESS = replace(PLAIN, label=None, label_name="any label, at random", kind=Kind.GUESS, number=2)
FOUND: dict[str, tuple[Group, ...]] = {
    "nothing": (PLAIN,),
    "a near miss": (replace(PLAIN, statistic=4.9, p_value=1e-4, size=9, review=9),),
    "refuted": (replace(PLAIN, **{**LOOKED, "statistic": 6.0}, refuted=True, review=9),),
    "not confirmed": (replace(PLAIN, **LOOKED),),
    "together": (CALLED,),
    "confirmed": (replace(CALLED, **LOOKED, confirmed=True),),
    "scatter": (PLAIN, replace(CALLED, **LOOKED, confirmed=True, kind=Kind.SCATTER)),
    "guess": (PLAIN, replace(GUESS, called=True, quarantined=9, p_value=1e-6)),
    "together and guess": (CALLED, replace(GUESS, called=True, quarantined=9, p_value=1e-6)),
    "no group tested but over all labels": (replace(FEW, label=0, samples=180, number=0), GUESS),
    "no group tested": (replace(FEW, label=0, samples=180, number=0),),
}
UNTESTED = ("none", "label", "losses", "both")
MODES: tuple[Literal["review", "aside", "keep"], ...] = ("review", "aside", "keep")


def verdict_of(finding: str, config: VerdictConfig, untested: str, *, not_retrained: bool = False) -> Decisions:
    """Return decisions on ``N`` samples that end in the way that is named."""
    groups = FOUND[finding] + ((FEW,) if untested in ("label", "both") else ())
    columns: dict[str, Any] = {
        "suspicion": np.zeros(N),
        "cluster": np.full(N, -1, dtype=np.int32),
        "decision": np.full(N, "keep", dtype="U10"),
        "reason": np.full(N, "moves with the others", dtype=object),
    }
    begin = 0
    for group in FOUND[finding]:
        end = begin + group.quarantined + group.review
        columns["decision"][begin : begin + group.quarantined] = "quarantine"
        columns["decision"][begin + group.quarantined : end] = "review"
        begin = end
    untested_N = np.zeros(N, dtype=bool)
    untested_N[N - SMALL :] = FEW in groups
    untested_N[: N - SMALL] |= not FOUND[finding][0].tested
    non_finite = 3 if untested in ("losses", "both") else 0
    untested_N[100 : 100 + non_finite] = True
    if not FOUND[finding][0].tested and non_finite:
        groups = (replace(groups[0], samples=groups[0].samples - non_finite), *groups[1:])
    held = ruling_on_untested(np.flatnonzero(untested_N), "few", config)
    for column in ("suspicion", "decision", "reason"):
        columns[column][held.rows] = getattr(held, column)
    return Decisions(
        groups=groups,
        doubtful=np.zeros(N, dtype=bool),
        untested=untested_N,
        non_finite=non_finite,
        not_retrained=not_retrained,
        **columns,
    )


@pytest.fixture(scope="module")
def drop(tmp_path_factory: pytest.TempPathFactory) -> Drop:
    folder = tmp_path_factory.mktemp("asked")
    images = np.random.default_rng(0).integers(0, 255, (N, 4, 4, 3), dtype=np.uint8)
    labels = (np.arange(N) >= N - SMALL).astype(np.int64)
    write_image_drop(folder / "drop", images, labels, [f"s{row:03d}" for row in range(N)], ["a", "b"])
    return ingest(str(folder / "drop"), folder / "work")


def check(decisions: Decisions, config: VerdictConfig, drop: Drop, folder: Path) -> Verdict:
    """Assert that statement, questions and record agree; return the verdict, written to ``folder``."""
    verdict = write_verdict(decisions, drop, folder, config)
    record, asked = verdict.record, questions_on(decisions, config)
    assert record.statement == statement_on(decisions, config)
    assert bool(PERSON.search(record.statement)) == bool(asked) == record.needs_review, record.statement
    assert [item.code for item in record.questions] == [question.code for question in asked]
    assert len({item.code for item in record.questions}) == len(asked)
    assert asked or not any(HELD in line for line in [*decisions.reason, *record.caveats])
    return verdict


@pytest.mark.slow
@pytest.mark.parametrize("finding", FOUND)
def test_a_statement_speaks_of_a_person_exactly_where_a_question_is_open(
    finding: str, drop: Drop, tmp_path: Path
) -> None:
    for untested, mode, not_retrained, share in itertools.product(UNTESTED, MODES, (False, True), (0.2, 0.01)):
        config = VerdictConfig(untested=mode, review_share=share)
        check(verdict_of(finding, config, untested, not_retrained=not_retrained), config, drop, tmp_path / "verdict")


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("finding", FOUND)
def test_publication_waits_exactly_where_the_statement_speaks_of_a_person(
    finding: str, mode: Literal["review", "aside", "keep"], drop: Drop, tmp_path: Path
) -> None:
    config = VerdictConfig(untested=mode)
    for untested in ("none", "both"):
        dataset = tmp_path / untested
        decisions = verdict_of(finding, config, untested)
        record = check(decisions, config, drop, tmp_path / "verdict").record
        if not PERSON.search(record.statement):
            version = publish(drop, tmp_path / "verdict", dataset, lineage=LINEAGE)
            assert version.counts["published"] == (decisions.decision == "keep").sum()
            continue
        with pytest.raises(NeedsReview):
            publish(drop, tmp_path / "verdict", dataset, lineage=LINEAGE)
        assert not log(dataset)
        approving.publish(drop, tmp_path / "verdict", dataset, lineage=LINEAGE)


@pytest.mark.parametrize("mode", MODES)
def test_what_becomes_of_untested_samples_is_said(mode: Literal["review", "aside", "keep"]) -> None:
    config = VerdictConfig(untested=mode)
    said = statement_on(verdict_of("nothing", config, "both"), config)
    end = {"review": HELD, "aside": "set aside", "keep": "kept untested"}[mode]
    assert f"20 samples of label b could not be tested (too few, or all alike) and are {end}" in said
    assert f"3 samples had a loss that was not a finite number and are {end}" in said


def test_much_of_a_drop_set_aside_is_a_question_and_untested_samples_are_asked_about_once() -> None:
    config = VerdictConfig(review_share=0.04)
    assert [q.code for q in questions_on(verdict_of("together", config, "none"), config)] == ["much_held_back"]
    assert [q.code for q in questions_on(verdict_of("nothing", config, "both"), config)] == [
        "untested",
        "loss_not_finite",
    ]
    aside = config.replace(untested="aside")
    assert [q.code for q in questions_on(verdict_of("nothing", aside, "both"), aside)] == ["much_held_back"]


def test_a_verdict_that_keeps_nothing_asks_in_every_setting() -> None:
    for mode, share in itertools.product(("review", "aside"), (0.2, 1.0)):
        config = VerdictConfig(untested=mode, review_share=share)
        asked = [q.code for q in questions_on(verdict_of("no group tested", config, "both"), config)]
        assert asked[-1] == "nothing_kept"


@pytest.mark.slow
def test_a_label_too_small_to_be_judged_is_held_as_a_whole_and_the_rest_is_judged() -> None:
    case = make_case(samples=450, poison=0)
    small = np.flatnonzero(case.labels == 2)[39:]
    rows = np.setdiff1d(np.arange(450), small)
    losses = LossLog.from_array(case.log.log_loss[rows], sample_ids=case.log.sample_ids[rows])
    labels = case.labels[rows]
    held = TelltaleDetector().fit(losses, labels)
    assert (held.decision_ == np.where(labels == 2, "review", "keep")).all()
    assert "39 samples of label 2 could not be tested" in held.statement_
    assert all("has 39 samples with losses, 40 are needed" in reason for reason in held.reason_[labels == 2])
    kept = TelltaleDetector(verdict=VerdictConfig(untested="keep")).fit(losses, labels)
    assert (kept.decision_ == "keep").all()
    assert not PERSON.search(kept.statement_)


@pytest.mark.parametrize("labels", [3, 6])
def test_an_ordinary_clean_drop_asks_nobody(labels: int) -> None:
    case = make_case(samples=200 * labels, labels=labels, poison=0)
    detector = TelltaleDetector(verdict=VerdictConfig(leave_out=False)).fit(case.log, case.labels)
    assert (detector.decision_ == "keep").all()
    assert not PERSON.search(detector.statement_)
