"""The leave-out retraining of a verdict in doubt as a Prefect task, for the machine that trains."""

from __future__ import annotations

from typing import Any

from prefect import task

from tasks import keys, policy, redaction
from tasks.fence import Fence
from tasks.progress import watch
from telltale_core import stages

NAME = "leave-out"


@task(name=NAME, **policy.STAGE)
@redaction.withholding
def leave_out(upstream: stages.Record, work: str, key: str) -> dict[str, Any]:
    """Return what is known of the retraining ``key``, whose answers then stand in the work area."""
    with Fence(watch(keys.progress(NAME))) as fence:
        return stages.retrain(stages.opened(upstream, work), key, fence)
