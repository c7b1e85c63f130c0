"""The daily flow that keeps the stack small: it removes what can be computed again, and never a published version."""

from __future__ import annotations

import time

from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterState, FlowRunFilterStateType
from prefect.client.schemas.objects import StateType

from flows import names
from tasks import redaction, story
from telltale_core import stages
from telltale_core.storage.expiry import expire

DAY_S = 86_400.0


def longest_wait_s() -> float:
    """Return for how long the run that waits longest for a person has been waiting, 0 where none does."""
    waiting = FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.PAUSED])))
    with get_client(sync_client=True) as client:
        runs = client.read_flow_runs(flow_run_filter=waiting)
    starts = [run.start_time or run.created for run in runs]
    return max((time.time() - start.timestamp() for start in starts if start is not None), default=0.0)


@flow(name="tidy", flow_run_name="tidy")
@redaction.withholding
def tidy(work: str, keep_days: float = names.WORK_KEPT_DAYS) -> dict[str, int]:
    """Remove the stage folders of the work area that nobody used for ``keep_days``; return what went.

    What a waiting run rests on stays: by as long as the longest wait lasts, all is kept longer.

    Runs, logs and events are removed by the server itself, see the settings of its units.

    Args:
        work: The work area of the deployments.
        keep_days: Days after its last file that a stage's folder stays, at least 14.

    """
    older_than_s = keep_days * DAY_S + longest_wait_s()
    expired = expire(work, stages.FOLDERS, older_than_s=older_than_s)
    counts = {"removed": len(expired.folders), "bytes": expired.bytes, "kept": expired.kept}
    story.say("work area: %d folders removed (%d bytes), %d kept", *counts.values())
    return counts
