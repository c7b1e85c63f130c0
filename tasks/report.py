"""The report as a Prefect task."""

from __future__ import annotations

from typing import Any

from prefect import task

from tasks import policy, redaction
from telltale_core import stages


@task(name="report", **policy.CACHED)
@redaction.withholding
def report(upstream: stages.Record, work: str, settings: dict[str, Any], key: str) -> stages.Record:
    """Return the record of the HTML report on the verdict of ``upstream``."""
    return stages.report(upstream, work, settings, key=key)
