"""What a run shows in the Prefect UI: verdict, counts, picture, outcome, question. Showing never fails a run."""

from __future__ import annotations

import base64
import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

from prefect.artifacts import create_markdown_artifact, create_table_artifact

from tasks import review
from tasks.keys import artifact
from tasks.sanitize import block, code, markdown
from telltale_core import stages
from telltale_core.display.numbers import probability, significant
from telltale_core.display.sanitize import clean
from telltale_core.publish.manifest import key_of as manifest_key
from telltale_core.report import read_outline
from telltale_core.verdict import Group, VerdictRecord
from telltale_core.wording import counted, in_words

log = logging.getLogger(__name__)
PICTURE_BYTES = 300_000  # a data URI travels with every page that lists the artifact
REFUSED = 100  # uploads listed that are not taken
MOST_QUESTIONS = 30
MOST_GROUPS = 50
STATEMENT = 2000  # characters: what a person must decide stands at its end
LINKS = 5  # shards named one by one; the manifest names all


class Finding(Protocol):
    """What a doctor says of one thing."""

    @property
    def name(self) -> str:
        """What was looked at."""

    @property
    def status(self) -> str:
        """``problem``, ``note`` or ``ok``."""

    @property
    def found(self) -> str:
        """What was found."""

    @property
    def todo(self) -> str:
        """What to do."""


def show_verdict(record: stages.Record, work: str, dataset: str) -> None:
    """Attach the verdict's sentence with its caveats, the counts and a picture of both to the current run."""
    kindly(lambda: _show_verdict(stages.opened(record, work).verdict(), record, dataset))
    kindly(lambda: _show_picture(record, work, dataset))


def show_outcome(outcome: dict[str, Any], page: stages.Record, work: str) -> None:
    """Attach what was published and where it lies, or why nothing was, to the current run."""
    brief = f"{outcome['state']}, version {outcome['version']}" if "version" in outcome else outcome["state"]
    text = markdown(f"{brief}: {outcome['dataset']}")
    key = artifact("outcome", outcome["dataset"])
    kindly(lambda: create_markdown_artifact(_outcome(outcome, page, work), key=key, description=text))


def show_refused(reasons: list[str]) -> None:
    """Attach why uploads are not taken, and the cure, to the current run; nothing where there are none."""
    if reasons:
        lines = "\n".join(f"- {markdown(reason, 600)}" for reason in reasons[:REFUSED])
        text = f"# {len(reasons):,} uploads are not taken\n\n{lines}\n"
        kindly(lambda: create_markdown_artifact(text, key="refused-uploads", description="Uploads that are not taken"))


def show_forgotten(drops: Sequence[tuple[str, str]]) -> None:
    """Attach which old drops have no run, as far as the server knows, to the current run; nothing where there are none.

    ``drops`` holds the address of each, and what is said of it.
    """
    if drops:
        lines = "\n".join(f"- {code(url)}: {markdown(why, 600)}" for url, why in drops[:REFUSED])
        more = f"- and {len(drops) - REFUSED:,} more\n" if len(drops) > REFUSED else ""
        text = f"# {len(drops):,} old drops have no run\n\n{lines}\n{more}"
        kindly(lambda: create_markdown_artifact(text, key="old-drops", description="Old drops that have no run"))


def show_checks(checks: Sequence[Finding]) -> None:
    """Attach what a doctor found to the current run, problems first."""
    order = ("problem", "note", "ok")
    rows = [
        {
            "what": markdown(one.name),
            "state": one.status,
            "found": markdown(one.found, 600),
            "to do": markdown(one.todo),
        }
        for one in sorted(checks, key=lambda one: order.index(one.status))
    ]
    kindly(lambda: create_table_artifact(rows, key="doctor", description="What the doctor found"))


def question(outcome: dict[str, Any], page: stages.Record, work: str) -> str:
    """Return what a reviewer has to know, as Markdown, to stand above the form."""
    questions = "\n".join(f"- {_question_line(question)}" for question in outcome["questions"][:MOST_QUESTIONS])
    return (
        f"**{markdown(outcome['statement'], STATEMENT)}**\n\nA person must decide:\n\n{questions}\n\n"
        f"{markdown(counted(outcome['counts']))}; for the dataset {link(outcome['dataset'])}.\n\n"
        f"Under Release and Hold, samples go another way than the verdict: by ids, or a whole group as group 3.\n\n"
        f"Nothing is published yet. Read the report first:\n\n{_block(report_address(page, work))}"
    )


def _question_line(question: dict[str, str]) -> str:
    cure = f" (for all drops of the dataset: {markdown(question['cure'])})" if question.get("cure") else ""
    return f"{markdown(question['text'])} ({markdown(question['code'])}){cure}"


def note_report(*address: str) -> None:
    """Keep with the run where its report lies, for ``telltale report RUN``; never fails the run."""
    for one in address:
        kindly(lambda one=one: review.note(review.REPORT_LABEL, one))  # type: ignore[misc]


def report_address(page: stages.Record, work: str) -> str:
    """Return where the report lies in the work area, as an address that every machine of the stack knows."""
    root = work if "://" in work else str(Path(work).absolute())
    return f"{root.rstrip('/')}/{stages.STAGES['report'].folder}/{page['keys']['report']}/report.html"


def link(address: str) -> str:
    """Return an address as Markdown: a link where the operator said how a browser opens it, else text to copy.

    ``TELLTALE_S3_LINK`` is an ``https`` URL with ``{bucket}`` and ``{key}`` in it, such as the console of the store.
    """
    template = os.environ.get("TELLTALE_S3_LINK", "")
    if address.startswith("s3://") and template.startswith(("https://", "http://")):
        bucket, _, key = address.removeprefix("s3://").partition("/")
        url = template.replace("{bucket}", quote(bucket, safe="")).replace("{key}", quote(key))
        return f"[{markdown(address)}](<{url}>)"
    return code(address)


def _block(address: str) -> str:
    """Return an address on lines of its own: the form cuts a long word off, but lets a block be scrolled."""
    shown = link(address)
    return shown if shown.startswith("[") else block(address)


def _outcome(outcome: dict[str, Any], page: stages.Record, work: str) -> str:
    lines = [f"- {name}: {markdown(outcome[name])}" for name in ("dataset", "version") if name in outcome]
    if by := outcome.get("review"):
        decided = "rejected" if outcome["state"] == "rejected" else "approved"
        lines.append(f"- {decided} by {markdown(by['by'])}: {markdown(by['reason'])}")
        lines += [f"- {name}: {markdown(', '.join(by[name]))}" for name in ("release", "hold") if by.get(name)]
    lines += [
        f"- columns that the proxy did not see, {what}: {markdown(', '.join(outcome[name]))}"
        for name, what in (("unjudged", "published as they are"), ("left_out", "left out"))
        if outcome.get(name)
    ]
    lines.append(
        f"- all runs and versions of the dataset: the artifact {code(artifact('history', outcome['dataset']))}"
    )
    lines += [f"- key of the run: {code(outcome['run_key'])}"] if "run_key" in outcome else []
    word = "decided" if outcome["state"] == "published" else "to decide"
    lines += [f"- {word}: {_question_line(question)}" for question in outcome.get("questions", [])[:MOST_QUESTIONS]]
    if outcome["state"] == "needs-review":
        lines.append("- a person decides: `telltale approve RUN --reason WHY` or `telltale reject RUN --reason WHY`")
    places = [("report", address) for address in outcome.get("reports") or [report_address(page, work)]]
    if outcome["state"] == "published":
        places.append(("manifest", f"{outcome['dataset'].rstrip('/')}/{manifest_key(outcome['version'])}"))
    places += [(name, file) for name in ("quarantine", "files") for file in outcome.get(name, [])[:LINKS]]
    shown = "\n".join(f"{name}\n\n{_block(address)}" for name, address in places)
    return f"# {markdown(outcome['state'])}\n\n" + "\n".join(lines) + f"\n\n{shown}\n"


def _show_verdict(verdict: VerdictRecord, record: stages.Record, dataset: str) -> None:
    caveats = "\n".join(f"- {markdown(caveat)}" for caveat in verdict.caveats)
    keys = f"Drop `{record['keys']['ingest'][:12]}`, verdict `{record['keys']['cluster'][:12]}`."
    statement = markdown(verdict.statement, STATEMENT)
    text = f"**{statement}**\n\n{caveats}\n\n{keys}\n"
    create_markdown_artifact(text, key=artifact("verdict", dataset), description=statement)
    counts = {markdown(name): int(count) for name, count in in_words(verdict.counts).items()}
    create_table_artifact([counts], key=artifact("counts", dataset), description="Where the drop's samples went")
    if verdict.groups:
        rows = [group_row(group) for group in verdict.groups[:MOST_GROUPS]]
        text = "Groups of samples whose losses move together"
        create_table_artifact(rows, key=artifact("groups", dataset), description=text)


def group_row(group: Group) -> dict[str, str]:
    """Return a group as a row of few columns; numbers have three digits, counts are of samples."""
    said = "called" if group.called else "not called" if group.tested else "not tested"
    parts = ((group.quarantined, "quarantined"), (group.review, "set aside"))
    became = ", ".join(f"{count:,} {what}" for count, what in parts if count)
    return {
        "group": markdown(group.title),
        "kind": markdown(group.kind.value),
        "suspected": f"{group.size:,} of {group.samples:,}",
        "distance (threshold)": f"{significant(group.statistic)} ({significant(group.threshold)})",
        "p": markdown(probability(group.p_value)),
        "verdict": f"{said}: {became}" if became else said,
    }


def _show_picture(record: stages.Record, work: str, dataset: str) -> None:
    from telltale_core.report.pictures import verdict_png  # here: matplotlib takes seconds to import

    opened = stages.opened(record, work)
    run = read_outline(opened.drop(), opened.folder("cluster"))
    picture = verdict_png(run, dpi=90)
    if len(picture) <= PICTURE_BYTES:
        caption = f"Counts and the statistic of each {markdown(run.word)}"
        create_markdown_artifact(
            f"![{caption}]({as_uri(picture)})", key=artifact("verdict-picture", dataset), description=caption
        )


def as_uri(picture: bytes) -> str:
    """Return a PNG as an address that holds it whole: the UI's browser can fetch nothing of ours."""
    return f"data:image/png;base64,{base64.b64encode(picture).decode()}"


def kindly(show: Callable[[], object]) -> None:
    """Show, or say in the log that it was not possible: never at the cost of the run."""
    try:
        show()
    except Exception as error:  # noqa: BLE001 - an unreachable server, a picture that cannot be drawn
        log.warning("nothing to see in the UI this time: %s: %s", type(error).__name__, clean(str(error), 300))
