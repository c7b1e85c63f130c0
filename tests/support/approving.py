"""A person who approves what is asked, whatever it is: for tests of what comes after."""

from __future__ import annotations

from typing import Any

from telltale_core import publish as publication
from telltale_core import stages
from telltale_core.errors import NeedsReview


def publish(*job: Any, lineage: dict[str, Any], **more: Any) -> publication.Version:
    """Return the version that the library publishes of a drop, its verdict and a dataset."""
    try:
        return publication.publish(*job, lineage=lineage, **more)
    except NeedsReview as asked:
        return publication.publish(*job, lineage={**lineage, "approved": asked.approval}, **more)


def publish_stage(*arguments: Any, destination: str) -> dict[str, Any]:
    """Return what the stage tells, having approved what it asked."""
    outcome = stages.publish(*arguments, destination=destination)
    if outcome["state"] != "needs-review":
        return outcome
    return stages.publish(*arguments, destination=destination, approve=outcome["approval"])
