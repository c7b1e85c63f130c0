"""The gate before publication: every question of the drop, of its unread columns, of the verdict and of continuity.

An approval names what it approves, by a code of what the person was shown: the questions, the verdict, the run and the
dataset. Where one of them has become another since, the person is asked again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from telltale_core.digest import digest_of
from telltale_core.errors import NeedsReview
from telltale_core.publish.continuity import changes
from telltale_core.publish.decisions import named_in
from telltale_core.publish.manifest import Version
from telltale_core.publish.plan import DropLike
from telltale_core.publish.reading import unread_questions
from telltale_core.questions import Question, as_record, questions_of
from telltale_core.verdict import Verdict

CODE_DIGITS = 16
DECIDED_BEFORE = Question(
    code="decision_outdated",
    text="nothing else is open any more, but single samples were released or held of what was shown before",
    cure="approve again, with the samples that are to be released and held now, or without any",
)
"""A decision on single samples is about the verdict that was shown: it is never carried over to another one."""
CHANGED = "What was approved is not what is open now: something has changed since"


def pass_gate(
    drop: DropLike,
    verdict: Verdict,
    versions: list[Version],
    described: Mapping[str, Any],
    lineage: Mapping[str, Any],
    *,
    also: Iterable[Question] = (),
    unread: str,
    of: tuple[str, str],
) -> dict[str, Any]:
    """Return the lineage with what was approved by it; :class:`NeedsReview` where something is open and nobody has.

    ``described`` holds ``schema``, ``unread`` and ``reading`` as the manifest will. ``also`` are further questions,
    ``unread`` is the setting, ``of`` are run key and dataset.
    """
    questions = [
        *questions_of(drop.manifest),
        *(unread_questions(described["unread"]) if unread == "review" else ()),
        *verdict.record.open_questions,
        *changes(versions, described["reading"], described["schema"], drop.manifest["counts"]["seen"]),
        *also,
    ]
    if not questions and named_in(lineage.get("review")):
        questions = [DECIDED_BEFORE]
    if not questions:
        return {name: value for name, value in lineage.items() if name not in ("review", "approved")}
    code, approved = approval_of(verdict, questions, of), lineage.get("approved")
    if approved != code:
        shown = " ".join(f"[{question.code}] {question.text}." for question in questions[:20])
        before = f"{CHANGED} ({approved} was approved). " if approved else ""
        raise NeedsReview(
            f"{before}{verdict.record.statement} A person must decide: {shown} Look "
            f"at the report first, then approve just this, by its code (--approve {code}, or lineage['approved'] = "
            f"{code!r}). Nothing was published.",
            questions=questions,
            approval=code,
        )
    return {**lineage, "questions": as_record(questions)}


def approval_of(verdict: Verdict, questions: list[Question], of: tuple[str, str]) -> str:
    """Return the code by which these questions of a verdict are approved for a run and a dataset."""
    decisions = digest_of([verdict.table[name].to_pylist() for name in ("sample_id", "decision")])
    content = {"of": of, "questions": as_record(questions), "verdict": verdict.record.values, "decisions": decisions}
    return digest_of(content)[:CODE_DIGITS]
