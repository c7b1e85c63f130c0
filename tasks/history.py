"""What the UI shows of a dataset over all its runs: an artifact of its own, renewed as each of them waits or ends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import ArtifactCreate
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterTags,
)
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.sorting import FlowRunSort
from prefect.runtime import flow_run
from prefect.utilities.urls import url_for

from tasks import keys, sanitize
from tasks.artifacts import PICTURE_BYTES, as_uri, kindly
from tasks.sanitize import code
from telltale_core import publish
from telltale_core.display.numbers import share
from telltale_core.errors import TelltaleError
from telltale_core.report.history import Entry, entries_of, history_png, sentence
from telltale_core.storage import RetryPolicy, open_store
from telltale_core.storage.names import parse_url

SHOWN = 50  # rows of the table, newest first
DRAWN = 300  # versions in the picture
HEADS = ("version", "created", "drop", "held back", "rejected rows", "what")
QUICKLY = RetryPolicy(attempts=2, budget_s=5.0)  # a run that fails because the store is away must not wait for it again


def tag_run() -> None:
    """Give the run at work the tags by which its dataset and drop are found, if it has them not; never fails it."""
    kindly(_tag)


def _tag() -> None:
    standing = list(flow_run.tags or ())
    missing = [tag for tag in keys.own_tags() if tag not in standing]
    if missing and (run := _own_id()):
        with get_client(sync_client=True) as client:
            client.update_flow_run(run, tags=[*standing, *missing])


@contextmanager
def noting_failure(dataset: str) -> Iterator[None]:
    """Have the dataset's page say so where the block raises; the error goes on."""
    try:
        yield
    except Exception:
        show_history(dataset, "Failed")
        raise


def show_history(dataset: str, ending: str, run: UUID | None = None) -> None:
    """Renew the artifact ``history-<dataset>`` from the published manifests; never fails the run.

    ``ending`` is the name of the state in which the run, this one if no other is given, is about to end: the page
    outlives it.
    """
    kindly(lambda: _show(dataset, ending, run or _own_id()))


def _show(dataset: str, ending: str, run: UUID | None) -> None:
    entries = entries_of(version.manifest for version in publish.log(open_store(dataset, QUICKLY)))
    page = ArtifactCreate(
        key=keys.artifact("history", dataset),
        type="markdown",
        description=sanitize.markdown(sentence(entries)),
        data=f"{markdown(dataset, entries)}\n{runs_of(dataset, ending, run)}",
        flow_run_id=run,
    )
    with get_client(sync_client=True) as client:  # Prefect's own function wants to be called in a run
        client.create_artifact(page)


def markdown(dataset: str, entries: list[Entry]) -> str:
    """Return the history as Markdown: a sentence, the picture, the newest versions."""
    picture = history_png(entries[-DRAWN:]) if entries else b""
    shown = f"![share held back by version]({as_uri(picture)})" if 0 < len(picture) <= PICTURE_BYTES else ""
    rows = [
        *(f"| {' | '.join(HEADS)} |", f"|{' --- |' * len(HEADS)}"),
        *(_row(entry) for entry in reversed(entries[-SHOWN:])),
    ]
    head = f"# {sanitize.markdown(dataset)}\n\n{sanitize.markdown(sentence(entries))}\n"
    return "\n".join([head, shown, "", *rows, ""]) if entries else head


def runs_of(dataset: str, ending: str, run: UUID | None = None) -> str:
    """Return the dataset's latest runs as Markdown, each with a link to its page; empty where the server has none.

    ``ending`` stands for the state of ``run``.
    """
    tag, flow = f"dataset:{keys.stem(dataset)}", FlowFilter(name=FlowFilterName(any_=["cleanse"]))
    with get_client(sync_client=True) as client:
        runs = client.read_flow_runs(
            flow_filter=flow,
            flow_run_filter=FlowRunFilter(tags=FlowRunFilterTags(all_=[tag])),
            sort=FlowRunSort.EXPECTED_START_TIME_DESC,
            limit=SHOWN,
        )
    mine = [one for one in runs if _leads_to(one, parse_url(dataset).url)]
    states = [ending if one.id == run else one.state_name or "" for one in mine]
    rows = [
        f"| {_named(one)} | {str(one.start_time or '')[:16]} | {code(state)} |"
        for one, state in zip(mine, states, strict=True)
    ]
    head = "## Latest runs, when this was written\n"
    return "\n".join([head, "| run | started (UTC) | state |", "| --- | --- | --- |", *rows, ""]) if rows else ""


def _own_id() -> UUID | None:
    return UUID(flow_run.id) if flow_run.id else None


def _leads_to(run: FlowRun, url: str) -> bool:
    """Return whether a run publishes there: other datasets may end in the same name."""
    try:
        return parse_url(str(run.parameters.get("destination"))).url == url
    except TelltaleError:  # it was refused for that
        return False


def _named(run: FlowRun) -> str:
    name, url = sanitize.markdown(run.name), url_for("flow-run", obj_id=run.id)
    return f"[{name}](<{url}>)" if url else f"{name} {code(str(run.id))}"


def _row(entry: Entry) -> str:
    by = f" by {sanitize.markdown(entry.by)}" if entry.by else ""
    cells = (
        str(entry.number),
        sanitize.markdown(entry.created_at[:16].replace("T", " ")),
        sanitize.markdown(entry.drop),
        f"{entry.held_back:,} of {entry.judged:,} ({share(entry.held_back, entry.judged)})",
        f"{entry.rejected:,}",
        f"{entry.kind}{by}",
    )
    return f"| {' | '.join(cells)} |"
