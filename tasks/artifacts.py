"""What a run shows in the Prefect UI: verdict, counts, picture, outcome. Showing never fails a run."""

from __future__ import annotations

import base64
import logging
from collections.abc import Callable
from typing import Any

from prefect.artifacts import create_image_artifact, create_markdown_artifact, create_table_artifact

from telltale_core import stages
from telltale_core.report import read_run
from telltale_core.report.pictures import verdict_png
from telltale_core.report.text import clean

log = logging.getLogger(__name__)
PICTURE_BYTES = 300_000  # a data URI travels with every page that lists the artifact


def show_verdict(record: stages.Record, work: str) -> None:
    """Attach the verdict's sentence with its caveats, the counts and a picture of both to the current run."""
    _kindly(lambda: _show_verdict(stages.read_record(record, "cluster", work), record))
    _kindly(lambda: _show_picture(record, work))


def show_outcome(told: dict[str, Any]) -> None:
    """Attach what was published, or why nothing was, to the current run."""
    names = ("state", "dataset", "version", "run_key")
    lines = "\n".join(f"- {name}: {_cell(told[name])}" for name in names if name in told)
    _kindly(lambda: create_markdown_artifact(f"# {_cell(told['state'])}\n\n{lines}\n", key="outcome"))


def _show_verdict(verdict: dict[str, Any], record: stages.Record) -> None:
    caveats = "\n".join(f"- {_cell(caveat)}" for caveat in verdict.get("caveats", []))
    known = f"Drop `{record['keys']['ingest'][:12]}`, verdict `{record['keys']['cluster'][:12]}`."
    text = f"# {_cell(verdict['statement'])}\n\n{known}\n\n{caveats}\n"
    create_markdown_artifact(text, key="verdict", description=_cell(verdict["statement"]))
    create_table_artifact([verdict["counts"]], key="counts", description="Where the drop's samples went")
    if verdict["groups"]:
        rows = [{name: _cell(value) for name, value in group.items()} for group in verdict["groups"][:50]]
        create_table_artifact(rows, key="groups", description="Groups of samples whose losses move together")


def _show_picture(record: stages.Record, work: str) -> None:
    run = read_run(
        stages.open_drop(record, work),
        stages.open_losslog(record, work),
        stages.folder_of(record, "spectrum", work),
        stages.folder_of(record, "cluster", work),
    )
    picture = verdict_png(run, dpi=90)
    if len(picture) <= PICTURE_BYTES:
        uri = f"data:image/png;base64,{base64.b64encode(picture).decode()}"
        create_image_artifact(uri, key="verdict-picture", description="Counts and the statistic of each label")


def _cell(value: object) -> str:
    """Return a value as text that Markdown takes for text: labels are the contributor's words."""
    text = clean(str(value), 300)
    for mark in "\\`*_[]<>|#!":
        text = text.replace(mark, f"&#{ord(mark)};")
    return text


def _kindly(show: Callable[[], object]) -> None:
    try:
        show()
    except Exception as error:  # noqa: BLE001 - an unreachable server, a picture that cannot be drawn
        log.warning("nothing to see in the UI this time: %s: %s", type(error).__name__, clean(str(error), 300))
