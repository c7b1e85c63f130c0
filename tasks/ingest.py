"""Stage 1 as a Prefect task."""

from __future__ import annotations

from typing import Any

from prefect import task

from tasks import policy, redaction
from telltale_core import stages


@task(name="ingest", **policy.CACHED)
@redaction.withholding
def ingest(source: str, work: str, settings: dict[str, Any], key: str) -> stages.Record:
    """Return the record of the drop read from ``source``."""
    return stages.ingest(source, work, settings, key=key)
