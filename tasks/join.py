"""A drop joined with published versions of its dataset, as a Prefect task: between ingest and train."""

from __future__ import annotations

from typing import Any

from prefect import task

from tasks import policy, redaction
from telltale_core import stages


@task(name="join", **policy.CACHED)
@redaction.withholding
def join(upstream: stages.Record, work: str, settings: dict[str, Any], key: str, destination: str) -> stages.Record:
    """Return the record of the drop of ``upstream`` joined with versions of the dataset at ``destination``."""
    return stages.join(upstream, work, settings, destination=destination, key=key)
