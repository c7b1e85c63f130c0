"""Stage 5 as a Prefect task: in the body, never cached, no roll-back hook. Publishing a run twice gives one version."""

from __future__ import annotations

from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks import limits, policy, redaction
from telltale_core import stages


@task(name="publish", cache_policy=NO_CACHE, **policy.RETRY)
@redaction.withholding
def publish(
    upstream: stages.Record,
    destination: str,
    work: str,
    settings: dict[str, Any],
    *,
    approve: str,
    dry_run: bool,
    review: dict[str, str] | None = None,
) -> dict[str, Any]:
    """Return the version's number and place, or ``needs-review`` where nothing was published."""
    with limits.one_publication(destination):
        return stages.publish(upstream, destination, work, settings, approve=approve, review=review, dry_run=dry_run)
