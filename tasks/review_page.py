"""What a reviewer sees before the decision: an artifact with the verdict, its groups and the worst samples, uncut."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from prefect.artifacts import create_markdown_artifact

from tasks.artifacts import PICTURE_BYTES, STATEMENT, group_row, kindly, question
from tasks.keys import artifact
from tasks.sanitize import block, code, line, markdown
from telltale_core import stages
from telltale_core.drop.understanding import doubts
from telltale_core.report.worst import Worst, worst_samples
from telltale_core.wording import counted

EACH = 6  # samples shown of a group
MOST_BYTES = 4 * PICTURE_BYTES
REASON = 2000  # characters: a reason ends in what was tried
MORE = "Further samples are in the report.\n"


def why(outcome: dict[str, Any]) -> str:
    """Return why a run waits for a person, as its state, its notification and ``telltale reviews`` say it."""
    open_questions = "; ".join(f"{one['text']} [{one['code']}]" for one in outcome["questions"])
    return line(
        f"{outcome['statement']} {counted(outcome['counts'])}. Nothing is published until a person decides: "
        f"{open_questions}. See the artifact {artifact('review', outcome['dataset'])}"
    )


def show(outcome: dict[str, Any], page: stages.Record, work: str) -> None:
    """Attach what a reviewer needs to the current run; never fails the run."""
    kindly(lambda: _show(outcome, page, work))


def _show(outcome: dict[str, Any], page: stages.Record, work: str) -> None:
    opened = stages.opened(page, work)
    shown = list(worst_samples(opened.drop(), opened.folder("cluster"), each=EACH))
    rows = [group_row(group) for group in opened.verdict().groups if group.quarantined or group.review]
    doubtful = "\n".join(f"- Look: {markdown(doubt, REASON)}" for doubt in doubts(opened.drop()))
    parts = [question(outcome, page, work), doubtful, _table(rows), samples(shown)]
    text = markdown(outcome["statement"], STATEMENT)
    create_markdown_artifact("\n\n".join(parts), key=artifact("review", outcome["dataset"]), description=text)


def _table(rows: list[dict[str, str]]) -> str:
    if not rows:
        return ""
    lines = [list(rows[0]), ["---"] * len(rows[0]), *(list(row.values()) for row in rows)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def samples(worst: list[Worst]) -> str:
    """Return samples as Markdown, group by group: each with id, suspicion, reason, and its picture or whole text."""
    parts: list[str] = []
    left = MOST_BYTES
    for group, members in groupby(worst, key=lambda one: one.group):
        parts.append(f"## {markdown(group)}\n")
        for one in members:
            shown = f"![sample]({one.picture})\n" if one.picture else block(one.text, len(one.text) or 1)
            what = f"{one.decision}, suspicion {one.suspicion:.3g}: {markdown(one.reason, REASON)}"
            head = f"{code(one.id)} ({code(one.source)}) {what}"
            left -= len(shown)
            if left < 0:
                return "\n".join([*parts, MORE])
            parts.append(f"{head}\n\n{shown}")
    return "\n".join(parts)
