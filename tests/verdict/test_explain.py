"""The reasons of samples: one sentence for each line of the table, in the words of the evidence."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from telltale_core.verdict import kind as kind_module
from telltale_core.verdict.decide import (
    CALLED,
    CONFIRMED,
    CONFIRMED_COPIES,
    MOSTLY_COPIES,
    NEAR_MISS,
    NOT_SIGNIFICANT,
    REFUTED,
    TABLE,
    UNNAMED,
    UNSHOWN,
    WEAK,
    Rule,
)
from telltale_core.verdict.explain import reasons
from telltale_core.verdict.kind import Kind
from telltale_core.verdict.proposal import Proof
from tests.support.proposals import evidence, outcome, proposal

SAID = {
    NOT_SIGNIFICANT: None,
    REFUTED: "a leave-out retraining does not confirm: a proxy that learnt without that cluster gives 25%",
    MOSTLY_COPIES: "12 samples of label cat that are 12 different ones and their near-duplicates",
    CALLED: "in step with 11 other samples of label cat, 6.0 standard deviations from the rest (p = 1.0e-06)",
    CONFIRMED_COPIES: "10 different ones are needed for a verdict",
    CONFIRMED: "learnt as one, and a proxy that learnt without that cluster gives 25% of it its own answer",
    UNSHOWN: "a leave-out retraining confirms, but that shares no trigger: a proxy that learnt without that cluster",
    NEAR_MISS: "a weak cluster of label cat: significant, but only 6.0 deviations apart, 5.0 are needed",
    WEAK: None,
}


@pytest.mark.parametrize("rule", TABLE, ids=lambda rule: rule.because)
def test_each_line_of_the_table_has_its_reason(rule: Rule) -> None:
    proofs = {CONFIRMED: Proof.CONFIRMED, UNSHOWN: Proof.CONFIRMED, REFUTED: Proof.REFUTED}
    said = reasons(proposal(), rule, outcome(proofs.get(rule, Proof.OPEN), 3), evidence())
    expected = SAID[rule]
    assert said[0] is None if expected is None else expected in str(said[0])


def test_a_retraining_that_could_tell_nothing_is_not_said_to_refute() -> None:
    said = str(reasons(proposal(), REFUTED, outcome(Proof.OPEN, 3), evidence())[0])
    assert "that a leave-out retraining neither confirms nor refutes: a proxy" in said


@pytest.mark.parametrize("rule", TABLE, ids=lambda rule: rule.because)
@pytest.mark.parametrize("kind", Kind)
def test_what_is_not_kept_has_a_reason(rule: Rule, kind: Kind) -> None:
    said = reasons(proposal(kind=kind), rule, outcome(Proof.OPEN), evidence())
    for decision, reason in zip(rule.decisions, said, strict=True):
        assert decision == "keep" or reason
        assert "{" not in str(reason)


def test_each_kind_of_evidence_says_why() -> None:
    why = {kind: str(reasons(proposal(kind=kind), CONFIRMED, outcome(Proof.CONFIRMED), evidence())[0]) for kind in Kind}
    assert why[Kind.TOGETHER].startswith("its loss moves in step with 11 other samples of label cat")
    assert why[Kind.SCATTER].startswith("its loss swings as those of 11 other samples of label cat do")
    assert why[Kind.GUESS].startswith("its loss stays at that of a guess over the labels")
    assert why[Kind.SCATTER].count("a proxy that learnt without") == 1


def test_without_labels_a_reason_speaks_of_the_drop() -> None:
    alone = proposal(label=None, name=None)
    assert "other samples of the drop" in str(reasons(alone, CALLED, None, evidence())[0])
    of_any = proposal(kind=Kind.GUESS, cohort=None, label=None, name=None)
    copied = str(reasons(of_any, MOSTLY_COPIES, None, evidence())[0])
    assert "samples of any label that keep the loss of a guess" in copied


def test_a_name_with_braces_is_said_as_it_is() -> None:
    assert "label {where}" in str(reasons(proposal(name="{where}"), CALLED, None, evidence())[0])


def test_the_contributors_page_says_where_each_reason_is_written() -> None:
    root = Path(__file__).parents[2]
    page = (root / "CONTRIBUTING.md").read_text(encoding="utf-8")
    rows = [line.strip("| ").split(" | ") for line in page.splitlines() if line.startswith('| "')]
    for has, *_, written_in, _rule in rows:
        source = (root / "telltale_core" / written_in.strip("`")).read_text(encoding="utf-8")
        assert not [words for words in re.findall(r'"(.+?)"', has) if words not in source], has
    begins = [re.findall(r'"(.+?)"', has)[0] for has, *_ in rows]
    for text in (*(kind.traits.reason for kind in Kind), UNNAMED):
        assert any(text.startswith(words) for words in begins), text


def test_the_page_names_each_kind_of_evidence() -> None:
    page = Path(kind_module.__file__).with_name("README.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `proposals/\w+.py` \| `(\w+)` \|", page, re.MULTILINE)) == set(Kind)
