"""The gate before publication: every question of the drop, of its unread columns, of the verdict and of continuity."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from telltale_core.errors import NeedsReview
from telltale_core.publish.continuity import changes
from telltale_core.publish.manifest import Version
from telltale_core.publish.plan import DropLike, Judged
from telltale_core.publish.reading import reading_of, unread_questions
from telltale_core.questions import Question, as_record, questions_of


def pass_gate(
    drop: DropLike,
    judged: Judged,
    versions: list[Version],
    columns: tuple[list[dict[str, Any]], list[dict[str, Any]]],
    lineage: Mapping[str, Any],
    *,
    unread: str,
) -> dict[str, Any]:
    """Return the lineage with what was approved by it; :class:`NeedsReview` where something is open and nobody has.

    ``columns``: the published ones as the manifest describes them, and the unread ones. ``unread`` is the setting.
    """
    described, left = columns
    asked = [
        *questions_of(drop.manifest),
        *(unread_questions(left) if unread == "review" else ()),
        *of_verdict(judged.record),
        *changes(versions, reading_of(drop.manifest), described, int(drop.manifest.get("counts", {}).get("seen", 0))),
    ]
    known = {name: value for name, value in lineage.items() if asked or name != "review"}
    if not asked:
        return known
    if not lineage.get("approved"):
        shown = " ".join(f"[{question.code}] {question.text}." for question in asked[:20])
        raise NeedsReview(
            f"{judged.record.get('statement', 'The verdict needs a look.')} A person must decide: {shown} Look at the "
            "report first, then publish with approval (--approve, or lineage['approved'] = True). Nothing was "
            "published.",
            questions=asked,
        )
    return {**known, "questions": as_record(asked)}


def of_verdict(record: Mapping[str, Any]) -> list[Question]:
    """Return the questions of a verdict; one that only says that a person is needed asks its statement."""
    found = questions_of(record)
    if record.get("needs_review") and not found:
        text = str(record.get("statement") or "the verdict asks for a person")
        found = [Question(code="verdict", text=text.rstrip("."))]
    return found
