"""What the UI shows of a dataset over all its runs: an artifact of its own, renewed by each publication."""

from __future__ import annotations

from prefect.artifacts import create_markdown_artifact

from tasks import keys, sanitize
from tasks.artifacts import PICTURE_BYTES, as_uri, kindly
from telltale_core import publish
from telltale_core.report.history import Entry, entries_of, history_png, sentence

SHOWN = 50  # rows of the table, newest first
DRAWN = 300  # versions in the picture
HEADS = ("version", "created", "drop", "judged", "set aside", "share", "rejected rows", "", "by")


def show_history(dataset: str) -> None:
    """Renew the artifact ``history-<dataset>`` from the published manifests; never fails the run."""
    kindly(lambda: _show(dataset))


def _show(dataset: str) -> None:
    entries = entries_of(version.manifest for version in publish.log(dataset))
    text = sentence(entries)
    create_markdown_artifact(
        markdown(dataset, entries), key=keys.artifact("history", dataset), description=sanitize.markdown(text)
    )


def markdown(dataset: str, entries: list[Entry]) -> str:
    """Return the history as Markdown: a sentence, the picture, the newest versions."""
    picture = history_png(entries[-DRAWN:])
    shown = f"![share set aside by version]({as_uri(picture)})" if len(picture) <= PICTURE_BYTES else ""
    rows = [
        *(f"| {' | '.join(HEADS)} |", f"|{' --- |' * len(HEADS)}"),
        *(_row(entry) for entry in reversed(entries[-SHOWN:])),
    ]
    return (
        f"# {sanitize.markdown(dataset)}\n\n{sanitize.markdown(sentence(entries))}\n\n{shown}\n\n"
        + "\n".join(rows)
        + "\n"
    )


def _row(entry: Entry) -> str:
    numbers = (f"{entry.judged:,}", f"{entry.set_aside:,}", f"{entry.share:.2%}", f"{entry.rejected:,}")
    kind = "" if entry.kind == "drop" else entry.kind
    cells = (
        str(entry.number),
        sanitize.markdown(entry.created_at[:16]),
        sanitize.markdown(entry.drop),
        *numbers,
        sanitize.markdown(kind),
        sanitize.markdown(entry.by),
    )
    return f"| {' | '.join(cells)} |"
