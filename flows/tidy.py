"""The daily flow that keeps the stack small: it removes what can be computed again, and never a published version."""

from __future__ import annotations

from prefect import flow

from flows import names
from tasks import redaction, story
from telltale_core.storage.expiry import expire

DAY_S = 86_400.0


@flow(name="tidy", flow_run_name="tidy")
@redaction.withholding
def tidy(work: str, keep_days: float = names.WORK_KEPT_DAYS) -> dict[str, int]:
    """Remove the stage folders of the work area that nobody wrote to for ``keep_days``; return what went.

    Runs, logs and events are removed by the server itself, see the settings of its units.

    Args:
        work: The work area of the deployments.
        keep_days: Days after its last file that a stage's folder stays, at least 14.

    """
    expired = expire(work, older_than_s=keep_days * DAY_S)
    counts = {"removed": len(expired.folders), "bytes": expired.bytes, "kept": expired.kept}
    story.say("work area: %d folders removed (%d bytes), %d kept", *counts.values())
    return counts
