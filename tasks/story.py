"""The lines of a run's log that tell its story, one a stage: rows in and out, waits, decision, version, time."""

from __future__ import annotations

import logging
import time
from typing import Any

from prefect.exceptions import MissingContextError
from prefect.logging import get_run_logger

from tasks.artifacts import kindly
from tasks.sanitize import line
from telltale_core import stages
from telltale_core.drop.understanding import doubts
from telltale_core.wording import counted

log = logging.getLogger(__name__)


def say(text: str, *values: object) -> None:
    """Write one line to the run's log, which the server keeps; outside of a run to this process's."""
    try:
        logger: Any = get_run_logger()
    except MissingContextError:
        logger = log
    logger.info(line(text % values))


def read(drop: stages.Record, work: str) -> None:
    """Tell what the drop held."""

    def tell() -> None:
        opened = stages.open_drop(drop, work)
        manifest, counts = opened.manifest, opened.manifest["counts"]
        said = (counts["seen"], counts["kept"], counts["rejected"], manifest["modality"], manifest["task"])
        say("drop: %d rows = %d read + %d rejected; %s, %s", *said)
        for doubt in doubts(opened):
            say("look: %s", doubt)

    kindly(tell)


def trained(record: stages.Record, work: str) -> None:
    """Tell how the training went."""

    def tell() -> None:
        train = stages.opened(record, work).train_record()
        epochs, took, score = train["config"]["epochs"], train["wall_s"], train["members"][0]["train_score"]
        say("training: %d epochs on %s in %.0f s, score %.3g", epochs, train["hardware"].get("device"), took, score)

    kindly(tell)


def judged(verdict: stages.Record, work: str) -> None:
    """Tell what the verdict is."""

    def tell() -> None:
        record = stages.opened(verdict, work).verdict()
        called = sum(group.called for group in record.groups)
        say("verdict: %s", record.statement)
        say("counts: %s; %d groups compared, %d called", counted(record.counts), len(record.groups), called)

    kindly(tell)


def ended(outcome: dict[str, Any], began_s: float) -> None:
    """Tell the decision, who made it, the version and how long the run took."""
    for question in outcome.get("questions", []):
        say("asked: %s [%s]", question["text"], question["code"])
    if by := outcome.get("review"):
        say("decided by %s: %s", by["by"], by["reason"])
    if outcome["state"] == "published":
        files, held = len(outcome["files"]), len(outcome["quarantine"])
        say(
            "published: version %d of %s, %d files, %d of quarantine%s",
            outcome["version"],
            outcome["dataset"],
            files,
            held,
            outcome["appended"],
        )
    say("ended as %s, %.0f s after this process began it", outcome["state"], time.monotonic() - began_s)
