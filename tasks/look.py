"""The training of a verdict's second look as a Prefect task."""

from __future__ import annotations

from typing import Any

from prefect import task

from tasks import policy, redaction
from tasks.fence import Fence
from tasks.progress import watch
from telltale_core import stages


@task(name="look", **policy.RETRY)
@redaction.withholding
def look(upstream: stages.Record, work: str, key: str) -> dict[str, Any]:
    """Return what is known of the second look ``key``, whose answers then stand in the work area."""
    with Fence(watch("look")) as fence:
        return stages.learn_without(upstream, work, key, fence)
